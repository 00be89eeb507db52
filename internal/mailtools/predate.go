package mailtools

import (
	"errors"

	"goqmail/internal/feed"
	"goqmail/internal/header"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

const predateFatal = "predate: fatal: "

// Predate is predate: it runs a command with a Date field in local time before
// what it has on descriptor 0. Its exit code is the command's.
// Spec: spec/inject.md section 8.
func Predate(p *prog.Process) int {
	if len(p.Args) < 2 {
		return p.Die(exitPermanent, "predate: usage: predate child")
	}
	return predate(p, p.Args[1:])
}

// Datemail is datemail: predate with sendmail as its command, so that the
// message has a Date field in local time. Its arguments are sendmail's.
// Spec: spec/inject.md section 8.
func Datemail(p *prog.Process) int {
	return predate(p, append([]string{p.Home + "/bin/sendmail"}, p.Args[1:]...))
}

// predate runs the command and feeds it.
func predate(p *prog.Process, command []string) int {
	if p.FD(0).WasClosed() { // no message is not an empty one
		return p.Die(exitTemporary, predateFatal, "unable to copy input: file descriptor not open")
	}
	tz, set := p.Env.Get("TZ")
	now := p.Now().Unix()
	line := "Date: " + header.DateLocal(now, sys.ZoneOffset(tz, set, now)) + "\n"
	code, err := feed.Run(p, command, line, p.FD(0))
	var e *feed.Error
	if !errors.As(err, &e) {
		return code
	}
	why := ": " + sys.ErrText(e.Err)
	switch {
	case e.Stage == feed.Pipe:
		return p.Die(exitTemporary, predateFatal, "unable to create pipe", why)
	case e.Stage == feed.Start && noProcess(e.Err):
		return p.Die(exitTemporary, predateFatal, "unable to fork", why)
	case e.Stage == feed.Start:
		return p.Die(exitTemporary, predateFatal, "unable to run ", command[0], why)
	case e.Stage == feed.Input:
		return p.Die(exitTemporary, predateFatal, "unable to copy input", why)
	case e.Stage == feed.Wait:
		return p.Die(exitTemporary, predateFatal, "wait failed")
	}
	return p.Die(exitTemporary, predateFatal, "child crashed")
}
