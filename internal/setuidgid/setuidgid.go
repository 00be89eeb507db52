// Package setuidgid is setuidgid: it becomes an account of /etc/passwd and runs
// a program. Spec: spec/ucspi.md section 5; texts as daemontools 0.76 has them.
package setuidgid

import (
	"goqmail/internal/accounts"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/sys/creds"
)

// Exit codes; the program's own if it runs.
const (
	exitUsage  = 100
	exitFailed = 111
)

const fatal = "setuidgid: fatal: "

// Run is setuidgid: setuidgid ACCOUNT PROGRAM [ARG ...].
//
// The process gets the account's group, no other group, and its user, in this
// order. Only then is the program looked for, as execve and PATH let that user.
func Run(p *prog.Process) int {
	if len(p.Args) < 3 {
		return p.Die(exitUsage, "setuidgid: usage: setuidgid account child")
	}
	account, program := p.Args[1], p.Args[2:]
	user, ok := accounts.Open().Named(account)
	if !ok {
		return p.Die(exitFailed, fatal, "unknown account ", account)
	}
	groups := []uint32{user.GID}
	if err := creds.SetGroup(user.GID, groups); err != nil {
		return p.Die(exitFailed, fatal, "unable to setgid: ", sys.ErrText(err))
	}
	if err := creds.Become(creds.ID{UID: user.UID, GID: user.GID, Groups: groups}); err != nil {
		return p.Die(exitFailed, fatal, "unable to setuid: ", sys.ErrText(err))
	}
	path, err := child.LookPath(program[0], child.SearchPath(p.Env.List()))
	if err == nil {
		err = child.Exec(path, program, p.Env.List())
	}
	return p.Die(exitFailed, fatal, "unable to run ", program[0], ": ", sys.ErrText(err))
}
