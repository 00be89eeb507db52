// Package ucspitools holds the small programs that stand between a network
// server and its program, or before one: recordio, fixcrio, addcr, delcr, argv0.
// Each has a Run function of its own; the copying of recordio and fixcrio is
// type relay.
//
// Spec: spec/ucspi.md section 4; texts, exit codes and the division of lines as
// Debian's ucspi-tcp 0.88 has them.
package ucspitools

import (
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
)

// Exit codes of them all; that of the program if it runs.
const (
	exitOK     = 0
	exitUsage  = 100
	exitFailed = 111
)

// Argv0 is argv0 REALNAME ZERO [ARGS]: it becomes the program REALNAME, found in
// PATH, with ZERO as its argv[0].
func Argv0(p *prog.Process) int {
	if len(p.Args) < 3 {
		return p.Die(exitUsage, "argv0: usage: argv0 realname program [ arg ... ]")
	}
	return become(p, "argv0", p.Args[1], p.Args[2:])
}

// become turns this process into a program; it returns only if that fails, the
// exit code.
func become(p *prog.Process, name, program string, argv []string) int {
	err := child.ExecSearch(program, argv, p.Env.List())
	return p.Die(exitFailed, name, ": fatal: unable to run ", program, ": ", sys.ErrText(err))
}
