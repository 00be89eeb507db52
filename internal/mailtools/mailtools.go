// Package mailtools holds the small programs that users, their programs and
// their .qmail files run: sendmail, forward, preline, maildirmake, bouncesaying,
// condredirect, except, qreceipt, predate, datemail, maildir2mbox, qbiff,
// maildirwatch, qsmhook. Each has a Run function of its own; what several of
// them share is on this page and, for queueing a message again, beside Forward.
// What the two that show mail on a terminal share is glance.
//
// Spec: spec/inject.md sections 7 and 8 (sendmail, predate, datemail),
// spec/local.md section 12 (the others).
package mailtools

import (
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
)

// Exit codes of them all.
const (
	exitOK        = 0
	exitStop      = 99 // success, and qmail-local ignores the rest of the .qmail file
	exitPermanent = 100
	exitTemporary = 111
)

// startCommand starts a command of the user's, looked up in $PATH, with stdin as
// its descriptor 0 and ours as 1 and 2.
func startCommand(p *prog.Process, command []string, stdin sys.FD) (child.Process, error) {
	env := p.Env.List()
	return child.StartSearch(&child.Cmd{
		Path: command[0], Args: command, Env: env, Files: []sys.FD{stdin, p.FD(1), p.FD(2)},
	}, child.SearchPath(env))
}

// noProcess tells whether startCommand failed because no process is to be had,
// whatever the command is.
func noProcess(err error) bool { return sys.IsNoMemory(err) || sys.IsWouldBlock(err) }

// waitCommand waits for a command and returns its exit code. When it has none
// ok is false, which was said in words that begin with fatal.
func waitCommand(p *prog.Process, fatal string, proc child.Process) (code int, ok bool) {
	st, err := proc.Wait()
	switch {
	case err != nil:
		p.Say(2, fatal, "wait failed\n")
		return 0, false
	case st.Crashed():
		p.Say(2, fatal, "child crashed\n")
		return 0, false
	}
	return st.Code(), true
}
