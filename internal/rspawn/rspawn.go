// Package rspawn is qmail-rspawn: it runs qmail-remote, or the program that
// QMAILREMOTE names, for each remote delivery and makes one report of what it
// says. Package spawn talks to qmail-send. Spec: spec/spawn.md.
package rspawn

import (
	"goqmail/internal/accounts"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/role"
	"goqmail/internal/spawn"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/tcpto"
	"goqmail/internal/workers"
)

// Exit codes of qmail-rspawn itself.
const (
	exitDone  = 0
	exitSetup = 111 // no queue, an account of the suite is missing, control/spawnlimit cannot be read
)

// Exit codes of qmail-remote. It should exit 0 and say in its output what
// happened; every code that is not listed is permanent.
const (
	remoteDone      = 0
	remoteRuntime   = 2 // a Go program that ended before it could do anything
	remoteTemporary = 111
)

// defaultRemote is looked up in PATH; programVariable names another program.
const (
	defaultRemote   = "qmail-remote"
	programVariable = "QMAILREMOTE"
)

// Reports for a qmail-remote that says nothing of use.
var (
	crashed  = spawn.Verdict{Letter: pipe.Deferral, Text: "qmail-remote crashed.\n"}
	silent   = spawn.Verdict{Letter: pipe.Deferral, Text: "qmail-remote produced no output.\n"}
	unable   = spawn.Verdict{Letter: pipe.Deferral, Text: "Unable to run qmail-remote.\n"}
	unusable = spawn.Verdict{Letter: pipe.Failure, Text: "Unable to run qmail-remote.\n"}
)

// A spawner knows what is needed for every delivery.
type spawner struct {
	env  prog.Env
	path string // PATH

	remotes *remotes // nil: a qmail-remote for each delivery
}

// Run is qmail-rspawn.
func Run(p *prog.Process) int {
	// The directory is that of qmail-remote too, and where relative parts of
	// PATH begin. A child that went there by name would fail, for good, while
	// somebody has the queue elsewhere or its modes wrong.
	if sys.Chdir(p.Home) != nil || sys.Chdir("queue/mess") != nil {
		return exitSetup
	}
	mess, err := sys.Cwd().OpenSearchDir(".")
	if err != nil {
		return exitSetup
	}
	queueUser, err := accounts.Quick().UID(role.Queue)
	if err != nil {
		return p.Die(exitSetup, "fatal: ", err.Error()) // seen only when started by hand
	}
	if queue, err := mess.OpenSearchDir(".."); err == nil {
		_ = tcpto.Reset(queue) // hosts are tried again, one by one, if this fails
		_ = queue.Close()
	}
	sys.OneAtATime()
	slots, err := spawn.Limit(p.Home)
	if err != nil {
		return p.Die(exitSetup, "fatal: ", err.Error())
	}
	s := newSpawner(p.Env)
	if !workers.Classic(p.Home) {
		s.remotes = newRemotes(s)
	}
	e := &spawn.Engine{Mess: mess, Owner: queueUser, Slots: slots, Deliver: s.deliver, Bug: crashed}
	e.Serve(p.FD(0), p.FD(1))
	s.remotes.close()
	return exitDone
}

func newSpawner(env prog.Env) *spawner {
	path, ok := env.Get("PATH")
	if !ok {
		path = child.DefaultPath
	}
	return &spawner{env: env, path: path}
}

// deliver does one delivery.
func (s *spawner) deliver(d *spawn.Delivery) spawn.Verdict {
	// An empty QMAILREMOTE counts as none; for C it is a program without a name,
	// and all mail bounces.
	name, other := s.env.Get(programVariable)
	if name == "" {
		name, other = defaultRemote, false
	}
	if !other {
		if v, done := s.remotes.deliver(d); done {
			return v
		}
	}
	var out pipe.RemoteOutput
	st, err := d.Run(func(files []sys.FD) (child.Process, error) {
		return child.StartSearch(&child.Cmd{
			Path: name, Args: []string{name, d.Host, d.Sender, d.Recipient},
			Env: s.env.List(), Files: files, Leaf: !other, Crash: true,
		}, s.path)
	}, &out)
	if err != nil {
		return notStarted(err)
	}
	return report(st, &out)
}

// notStarted is the report when qmail-remote could not be started.
func notStarted(err error) spawn.Verdict {
	if v, ok := spawn.Refused(err); ok {
		return v
	}
	if sys.Temporary(err) {
		return unable
	}
	return unusable
}

// report is the report for a qmail-remote that has ended.
func report(st child.Status, out *pipe.RemoteOutput) spawn.Verdict {
	switch {
	case st.Crashed(), st.Code() == remoteRuntime:
		return crashed
	case st.Code() == remoteTemporary:
		return unable
	case st.Code() != remoteDone:
		return unusable
	case out.Empty():
		return silent
	}
	letter, text := out.Report()
	return spawn.Verdict{Letter: letter, Text: text}
}
