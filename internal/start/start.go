// Package start is qmail-start: it lays the pipes between the daemons, starts
// them under their users, and becomes qmail-send itself, so that the pid that
// the administrator knows is the one that signals are for.
// Spec: spec/send.md section 1.
package start

import (
	"goqmail/internal/accounts"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/role"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/sys/creds"
)

// exitFailed says that something could not be set up. The daemons that were
// started before see the end of their pipes and leave.
const exitFailed = 111

// defaultDelivery is what qmail-lspawn is given unless the first argument says
// otherwise.
const defaultDelivery = "./Mailbox"

const umask = 0o077

// sendFDs is how many descriptors qmail-send has from us; those of the caller
// from there on stay open in it.
const sendFDs = pipe.FDCleanReply + 1

// Run is the program.
func Run(p *prog.Process) int {
	if sys.Chdir("/") != nil {
		return exitFailed
	}
	sys.Umask(umask)
	id, err := find(accounts.Open())
	if err != nil {
		return p.Die(exitFailed, "fatal: ", err.Error())
	}
	_ = accounts.WriteIDs(p.Home) // without it the programs search for themselves
	if launch(p, id) != nil {
		return exitFailed
	}
	return 0 // not reached: a launch that succeeds does not return
}

// ids are the identities of the daemons.
type ids struct{ log, lspawn, rspawn, clean, send creds.ID }

// find looks the suite's users and groups up. The error is the text for the
// administrator.
func find(t *accounts.Table) (ids, error) {
	var uid [role.Send + 1]uint32
	for _, u := range [...]role.User{role.Log, role.Queue, role.Remote, role.Send} {
		var err error
		if uid[u], err = t.UID(u); err != nil {
			return ids{}, err
		}
	}
	nofiles, err := t.GID(role.Nofiles)
	if err != nil {
		return ids{}, err
	}
	qmail, err := t.GID(role.Qmail)
	if err != nil {
		return ids{}, err
	}
	only := func(uid, gid uint32) creds.ID { return creds.ID{UID: uid, GID: gid, Groups: []uint32{gid}} }
	id := ids{
		log:    only(uid[role.Log], nofiles),
		lspawn: only(0, qmail),
		clean:  only(uid[role.Queue], qmail),
		send:   only(uid[role.Send], qmail),
	}
	// qmail-remote may be a program of the site's that needs qmailr's groups.
	id.rspawn = creds.ID{UID: uid[role.Remote], GID: qmail, Groups: t.MemberGroups(role.Remote.Name(), qmail)}
	return id, nil
}

// launch starts the daemons and executes qmail-send. It returns only with an
// error.
func launch(p *prog.Process, id ids) error {
	kept, err := sys.Inherited(sendFDs)
	if err != nil {
		return err
	}
	if err := creds.SetGroup(id.lspawn.GID, id.lspawn.Groups); err != nil {
		return err
	}
	l := &launcher{p: p, log: p.FD(1), path: child.DefaultPath}
	if path, ok := p.Env.Get("PATH"); ok {
		l.path = path
	}
	delivery := defaultDelivery
	if len(p.Args) > 1 {
		delivery = p.Args[1]
	}
	if len(p.Args) > 2 {
		if err := l.startLogger(p.Args[2:], id.log); err != nil {
			return err
		}
	}
	l.send[pipe.FDLog] = l.log
	for _, d := range [...]struct {
		argv    []string
		id      creds.ID
		out, in int // qmail-send's descriptors to and from it
		isLeaf  bool
	}{
		{[]string{"qmail-lspawn", delivery}, id.lspawn, pipe.FDLocalCommand, pipe.FDLocalReport, false},
		{[]string{"qmail-rspawn"}, id.rspawn, pipe.FDRemoteCommand, pipe.FDRemoteReport, false},
		{[]string{"qmail-clean"}, id.clean, pipe.FDCleanRequest, pipe.FDCleanReply, true},
	} {
		if err := l.startDaemon(d.argv, d.id, d.out, d.in, d.isLeaf); err != nil {
			return err
		}
	}
	return l.becomeSend(id.send, kept)
}

// A launcher starts programs that are found along PATH.
type launcher struct {
	p    *prog.Process
	path string
	log  sys.FD          // where qmail-send's log goes
	send [sendFDs]sys.FD // qmail-send's descriptors
}

// startLogger starts the logger between qmail-send and our descriptor 1. Its
// environment is the caller's, as it need not be a program of the suite.
func (l *launcher) startLogger(argv []string, id creds.ID) error {
	r, w, err := sys.Pipe()
	if err != nil {
		return err
	}
	err = l.start(&child.Cmd{Args: argv, Env: l.p.Env.List(), Files: []sys.FD{r, l.p.FD(1)}}, id)
	_ = r.Close() // the logger's
	l.log = w
	return err
}

// startDaemon starts a daemon between two pipes. All other descriptors are
// closed in it.
func (l *launcher) startDaemon(argv []string, id creds.ID, out, in int, isLeaf bool) error {
	commands, w, err := sys.Pipe()
	if err != nil {
		return err
	}
	r, reports, err := sys.Pipe()
	if err != nil {
		return err
	}
	l.send[out], l.send[in] = w, r
	err = l.start(&child.Cmd{
		Args: argv, Env: l.p.Env.List(), Files: []sys.FD{commands, reports}, Crash: true, Leaf: isLeaf,
	}, id)
	_, _ = commands.Close(), reports.Close() // the daemon's
	return err
}

// start starts a program. One that cannot be executed counts as one that ended
// at once, as in C, where only the child notices: without a logger the log is
// lost, without a spawner qmail-send says so and leaves. The error is that no
// process could be made.
func (l *launcher) start(c *child.Cmd, id creds.ID) error {
	c.Path = c.Args[0]
	if _, err := creds.StartSearch(c, id, l.path); sys.IsNoMemory(err) || sys.IsWouldBlock(err) {
		return err
	}
	return nil
}

// becomeSend executes qmail-send in this process. Descriptors are moved out of
// the way first, since a pipe may have got the number of another's place; what
// was moved is closed at once, as the limit of descriptors may be low.
func (l *launcher) becomeSend(id creds.ID, kept []sys.FD) error {
	for i, fd := range l.send {
		if fd >= sendFDs {
			continue
		}
		moved, err := fd.Dup(sendFDs)
		if err != nil {
			return err
		}
		_ = fd.Close() // the copy is used
		l.send[i] = moved
	}
	for i, fd := range l.send {
		if err := fd.DupTo(sys.FD(i)); err != nil {
			return err
		}
	}
	// Starting the others marked these; qmail-send keeps them, so that a lock
	// that the caller holds in one lasts as long as it does.
	for _, fd := range kept {
		if err := fd.CloseOnExec(false); err != nil {
			return err
		}
	}
	if err := creds.Become(id); err != nil {
		return err
	}
	file, err := child.LookPath("qmail-send", l.path)
	if err != nil {
		return err
	}
	return child.Exec(file, []string{"qmail-send"}, child.WithCrash(l.p.Env.List()))
}
