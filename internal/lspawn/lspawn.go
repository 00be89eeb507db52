// Package lspawn is qmail-lspawn: for each local delivery it finds out who
// receives the local part and runs qmail-local as that user. It is root for its
// whole life and so does little itself: package spawn talks to qmail-send,
// qmail-getpw looks users up as qmailp, and users/cdb, which only root writes, is
// read with bounded reads. Spec: spec/spawn.md.
package lspawn

import (
	"goqmail/internal/accounts"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/role"
	"goqmail/internal/spawn"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/sys/creds"
	"goqmail/internal/workers"
)

// Exit codes of qmail-lspawn itself.
const (
	exitDone  = 0
	exitUsage = 100 // no default delivery given
	exitSetup = 111 // no queue, an account of the suite is missing, control/spawnlimit cannot be read
)

// Programs, relative to the home directory, where they are started. The first
// is also argv[0] of qmail-local.
const (
	localProgram = "bin/qmail-local"
	getpwProgram = "bin/qmail-getpw"
)

// assignments is the compiled users/assign.
const assignments = "users/cdb"

// A spawner knows what is needed for every delivery.
type spawner struct {
	homeName string // path of the home directory: where children start
	home     *sys.Dir
	fallback string   // default delivery, for qmail-local
	env      []string // of qmail-send and all it starts
	lookup   creds.ID // qmailp with group nofiles: who may look users up
	start    func(*child.Cmd, creds.ID) (child.Process, error)
	lookups  *lookups // nil: a qmail-getpw for each delivery
	locals   *locals  // nil: a qmail-local for each delivery
}

// Run is qmail-lspawn.
func Run(p *prog.Process) int {
	if sys.Chdir(p.Home) != nil || sys.Chdir("queue/mess") != nil {
		return exitSetup
	}
	home, err := sys.Cwd().OpenSearchDir(p.Home)
	if err != nil {
		return exitSetup
	}
	mess, err := home.OpenSearchDir("queue/mess")
	if err != nil {
		return exitSetup
	}
	if len(p.Args) < 2 {
		return exitUsage
	}
	s := &spawner{homeName: p.Home, home: home, fallback: p.Args[1], env: p.Env.List(), start: creds.Start}
	queueUser, err := s.identities()
	if err != nil {
		return p.Die(exitSetup, "fatal: ", err.Error()) // seen only when started by hand
	}
	sys.OneAtATime()
	slots, err := spawn.Limit(p.Home)
	if err != nil {
		return p.Die(exitSetup, "fatal: ", err.Error())
	}
	if !workers.Classic(p.Home) {
		s.locals = newLocals(s)
		s.lookups = newLookups(s)
	}
	e := &spawn.Engine{Mess: mess, Owner: queueUser, Slots: slots, Deliver: s.deliver, Bug: verdict(exitBug, "")}
	e.Serve(p.FD(0), p.FD(1))
	s.locals.close()
	s.lookups.close()
	return exitDone
}

// identities finds the numbers of the accounts that are needed.
func (s *spawner) identities() (queueUser uint32, err error) {
	t := accounts.Quick()
	if s.lookup.UID, err = t.UID(role.Passwd); err != nil {
		return 0, err
	}
	if queueUser, err = t.UID(role.Queue); err != nil {
		return 0, err
	}
	if s.lookup.GID, err = t.GID(role.Nofiles); err != nil {
		return 0, err
	}
	s.lookup.Groups = []uint32{s.lookup.GID}
	return queueUser, nil
}

// deliver does one delivery.
func (s *spawner) deliver(d *spawn.Delivery) spawn.Verdict {
	if d.Local == "" {
		// Mail to an empty local part is thrown away as success, as in C.
		return spawn.Verdict{Letter: pipe.Success}
	}
	who, code := s.identify(d.Local)
	if code != 0 {
		return verdict(code, "")
	}
	id, code := credentials(who)
	if code != 0 {
		return verdict(code, "")
	}
	args := []string{"--", who.User, who.Home, d.Local, who.Dash, who.Ext, d.Host, d.Sender, s.fallback}
	if v, done := s.locals.deliver(d, who, id, args); done {
		return v
	}
	if !s.isThere(localProgram) {
		return verdict(exitNoLocalYet, "")
	}
	var out output
	st, err := d.Run(func(files []sys.FD) (child.Process, error) {
		return s.startLocal(localProgram, args, files, id)
	}, &out)
	if err != nil {
		return notStarted(err)
	}
	return report(st, out.text())
}

// startLocal starts qmail-local.
func (s *spawner) startLocal(arg0 string, args []string, files []sys.FD, id creds.ID) (child.Process, error) {
	return s.start(&child.Cmd{
		Path: localProgram, Dir: s.homeName, Env: s.env, Files: files, Leaf: true, Crash: true,
		Args: append([]string{arg0}, args...),
	}, id)
}

// notStarted is the report when qmail-local could not be started.
func notStarted(err error) spawn.Verdict {
	if v, ok := spawn.Refused(err); ok {
		return v
	}
	if sys.IsAccess(err) || sys.IsNotExist(err) {
		return verdict(exitNoLocalYet, "") // it is there but may not be executed, or went just now
	}
	return verdict(exitBug, "")
}

// isThere tells whether a program can be opened, so that one which is missing
// while an upgrade goes on defers mail instead of bouncing it.
func (s *spawner) isThere(name string) bool {
	fd, err := s.home.Open(name, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return false
	}
	_ = fd.Close() // opened for reading
	return true
}

// credentials is what qmail-local runs as: the one uid and gid, and no group
// besides. Leading digits of a field count. code is not 0 if there is no such id,
// or it is root's.
func credentials(who pipe.Nughde) (id creds.ID, code int) {
	uid, err := pipe.ParseNumber(who.UID)
	if err != nil {
		return id, exitBug
	}
	gid, err := pipe.ParseNumber(who.GID)
	if err != nil {
		return id, exitBug
	}
	if uid == 0 {
		return id, exitRoot
	}
	return creds.ID{UID: uid, GID: gid, Groups: []uint32{gid}}, 0
}
