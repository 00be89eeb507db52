// Package local is qmail-local: it delivers one message to one recipient, as the
// user who receives it, by the instructions in that user's .qmail file. Spec:
// spec/local.md sections 1 to 6.
//
// The message is descriptor 0, read from its start again for each instruction;
// programs share the open file. Descriptors 1 and 2 are the report: qmail-lspawn
// puts what is written there into the log or the bounce.
package local

import (
	"errors"

	"goqmail/internal/conf"
	"goqmail/internal/dotqmail"
	"goqmail/internal/maildir"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/worker"
)

// Exit codes. qmail-lspawn takes every other code as permanent, except that a
// goqmail lspawn takes 2, Go's own, as temporary.
const (
	exitDone      = 0
	exitPermanent = 100
	exitTemporary = 111
)

const usage = "usage: qmail-local [ -nN ] user homedir local dash ext domain sender aliasempty"

// umask leaves what is made here to the user alone.
const umask = 0o077

// maxFile is the largest .qmail file that is read, in bytes; a larger one defers.
const maxFile = 64 << 20

// A failure ends the delivery: an exit code and the line for descriptor 2, none
// when the program that failed has said enough.
type failure struct {
	code int
	text string
}

func (f *failure) Error() string { return f.text }

func temporary(text string) error { return &failure{exitTemporary, text} }
func permanent(text string) error { return &failure{exitPermanent, text} }

// A delivery is one run of qmail-local.
type delivery struct {
	p     *prog.Process
	print bool // -n: say what would be done

	user, home, local, dash, ext, domain, sender string
	fallback                                     string // default delivery

	dir       *sys.Dir // the home directory
	msg       sys.FD
	env       prog.Env // for programs and the queue program
	lines     trace
	newSender string // sender of forwards
	maildirs  *maildir.Deliverer

	files, forwards, programs int // instructions met
	recipients                []string
}

// Run is qmail-local. A broken report pipe gives EPIPE, which is ignored like
// every other trouble with the report: the delivery goes on. (The run-time
// catches SIGPIPE; programs get its default action back.)
func Run(p *prog.Process) int {
	if o := worker.Offered(p.Args[0], pipe.MarkLocal); o != nil {
		return serve(p, o)
	}
	return deliver(p, &maildir.Deliverer{})
}

// deliver does one delivery.
func deliver(p *prog.Process, m *maildir.Deliverer) int {
	d := &delivery{p: p, msg: p.FD(0), env: p.Env.Clone(), maildirs: m}
	if !d.arguments() {
		return exitPermanent
	}
	sys.Umask(umask)
	err := d.run()
	var f *failure
	switch {
	case err == nil:
		return exitDone
	case !errors.As(err, &f):
		f = &failure{exitTemporary, "Internal qmail-local bug. (#4.3.0)"}
	}
	if f.text != "" {
		p.Say(2, f.text, "\n")
	}
	return f.code
}

// arguments reads the command line; it has complained when it returns false.
func (d *delivery) arguments() bool {
	o := prog.NewOptions(d.p.Args[1:], "nN")
	bad := ""
	for c := o.Next(); c != 0 && bad == ""; {
		switch c {
		case 'n':
			d.print = true
		case 'N':
			d.print = false
		default:
			bad = "qmail-local: " + o.Bad + "\n"
		}
		c = o.Next()
	}
	args := o.Rest()
	if bad != "" || len(args) != 8 || len(args[1]) == 0 || args[1][0] != '/' {
		d.p.Say(2, bad, "qmail-local: ", usage, "\n")
		return false
	}
	d.user, d.home, d.local, d.dash = args[0], args[1], args[2], args[3]
	d.ext, d.domain, d.sender, d.fallback = args[4], args[5], args[6], args[7]
	return true
}

// run does the work in the order of the specification; an error is a *failure.
func (d *delivery) run() error {
	if err := d.enterHome(); err != nil {
		return err
	}
	defer func() { _ = d.dir.Close() }() // used for names only
	d.lines = d.setEnvironment(d.p.Now().Unix())
	if !d.print {
		if err := d.checkLoop(); err != nil {
			return err
		}
	}
	f, err := d.findFile()
	if err != nil {
		return err
	}
	if err := d.chooseSender(); err != nil {
		f.close()
		return err
	}
	text, forwardOnly, err := f.read()
	if err != nil {
		return err
	}
	if len(text) == 0 {
		text, forwardOnly = []byte(d.fallback), false
	}
	instructions, err := dotqmail.Parse(text)
	if err != nil {
		return temporary("Uh-oh: first line of .qmail file is blank. (#4.2.1)")
	}
	if err := d.obey(instructions, forwardOnly); err != nil {
		return err
	}
	return d.finish()
}

// enterHome opens the home directory and checks its mode. Its owner may be
// anybody: users/assign decides who delivers where.
func (d *delivery) enterHome() error {
	dir, err := sys.Cwd().OpenSearchDir(d.home)
	if err != nil {
		return temporary("Unable to switch to " + d.home + ": " + sys.ErrText(err) + ". (#4.3.0)")
	}
	d.dir = dir
	st, err := dir.Stat(".")
	switch {
	case err != nil:
		err = temporary("Unable to stat home directory: " + sys.ErrText(err) + ". (#4.3.0)")
	case st.Mode&conf.Patrn() != 0:
		err = temporary("Uh-oh: home directory is writable. (#4.7.0)")
	case st.Mode&dotqmail.ModeHomeSticky == 0:
		return nil
	case d.print:
		d.p.Say(2, "Warning: home directory is sticky.\n")
		return nil
	default:
		err = temporary("Home directory is sticky: user is editing his .qmail file. (#4.2.1)")
	}
	_ = dir.Close() // used for names only
	return err
}
