package mailtools

import (
	"io"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// Usage texts.
const (
	bouncesayingUsage = "bouncesaying: usage: bouncesaying error [ program [ arg ... ] ]"
	condredirectUsage = "condredirect: usage: condredirect newaddress program [ arg ... ]"
	exceptUsage       = "except: usage: except program [ arg ... ]"
)

// A verdict is what a program that looked at the message says of it.
type verdict int

// The verdicts.
const (
	undecided verdict = iota // it could not tell now: the delivery is deferred
	yes                      // exit 0
	no                       // every other exit code but 111
)

// Bouncesaying is bouncesaying, for .qmail files: it fails for good with the
// text in its first argument, if the command in the others says yes or there is
// none. Spec: spec/local.md section 12.
func Bouncesaying(p *prog.Process) int {
	if len(p.Args) < 2 {
		return p.Die(exitPermanent, bouncesayingUsage)
	}
	text, command := p.Args[1], p.Args[2:]
	if len(command) > 0 {
		switch ask(p, "bouncesaying: fatal: ", command) {
		case undecided:
			return exitTemporary
		case no:
			return exitOK
		}
	}
	return p.Die(exitPermanent, text)
}

// Condredirect is condredirect, for .qmail files: if the command in its
// arguments says yes, it queues the message, from its beginning, for the address
// in its first argument and ends the delivery. The sender is $SENDER, not
// $NEWSENDER: bounces go to where they would have gone.
// Spec: spec/local.md section 12.
func Condredirect(p *prog.Process) int {
	const fatal = "condredirect: fatal: "
	if len(p.Args) < 3 {
		return p.Die(exitPermanent, condredirectUsage)
	}
	address, command := p.Args[1], p.Args[2:]
	switch ask(p, fatal, command) {
	case undecided:
		return exitTemporary
	case no:
		return exitOK
	}
	// The command may have read the message.
	if _, err := p.FD(0).Seek(0, io.SeekStart); err != nil {
		return p.Die(exitTemporary, fatal, "unable to rewind: ", sys.ErrText(err))
	}
	return requeue(p, "condredirect", "SENDER", []string{address}, exitStop)
}

// Except is except, for .qmail files: it fails for good, without a text, if the
// command in its arguments says yes. Spec: spec/local.md section 12.
func Except(p *prog.Process) int {
	if len(p.Args) < 2 {
		return p.Die(exitPermanent, exceptUsage)
	}
	switch ask(p, "except: fatal: ", p.Args[1:]) {
	case undecided:
		return exitTemporary
	case no:
		return exitOK
	}
	return exitPermanent
}

// ask runs a command on the message. Undecided comes with a text that begins
// with fatal: the command exits 111, is killed, or cannot be started now. One
// that can never be started says no, as with C: a missing program does not stop
// the mail.
func ask(p *prog.Process, fatal string, command []string) verdict {
	proc, err := startCommand(p, command, p.FD(0))
	switch {
	case err == nil:
	case noProcess(err):
		p.Say(2, fatal, "unable to fork: ", sys.ErrText(err), "\n")
		return undecided
	case sys.Temporary(err):
		p.Say(2, fatal, "temporary child error\n")
		return undecided
	default:
		return no
	}
	code, ok := waitCommand(p, fatal, proc)
	switch {
	case !ok:
		return undecided
	case code == exitTemporary:
		p.Say(2, fatal, "temporary child error\n")
		return undecided
	case code != exitOK:
		return no
	}
	return yes
}
