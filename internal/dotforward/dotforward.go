// Package dotforward is dot-forward: it delivers a message as a .forward file of
// Sendmail says, for .qmail files and default deliveries
// ("|dot-forward .forward"). The file's format is described at reader.
//
// Behaviour not written here is that of Debian's dot-forward 0.71, measured.
package dotforward

import (
	"errors"
	"io"
	"strconv"

	"goqmail/internal/conf"
	"goqmail/internal/control"
	"goqmail/internal/dotqmail"
	"goqmail/internal/feed"
	"goqmail/internal/prog"
	"goqmail/internal/qq"
	"goqmail/internal/sys"
)

// Exit codes.
const (
	exitDirect    = 0 // no file speaks, or one wants the mailbox too: qmail-local goes on
	exitDone      = dotqmail.ExitStop
	exitPermanent = dotqmail.ExitPermanent
	exitTemporary = dotqmail.ExitTemporary
)

// Texts.
const (
	fatal = "dot-forward: fatal: "
	usage = "dot-forward: usage: dot-forward [ -nN ] file ..."
)

// maxFile is the largest file that is read, in bytes; a larger one is an error.
const maxFile = 16 << 20

// A fault ends the program: what it says after "fatal: ", and its exit code.
type fault struct {
	code int
	text string // "" when there is nothing to say
}

// Error is the text.
func (f *fault) Error() string { return f.text }

// deferral is the fault of a system call that failed.
func deferral(text string, err error) error {
	return &fault{exitTemporary, text + ": " + sys.ErrText(err)}
}

// Run is dot-forward: it follows the first of the files in its arguments that
// exists and says something. A file is read whole before anything is done. Then
// its programs run, and when all have succeeded the message is forwarded once,
// from $NEWSENDER to all addresses, with $DTLINE before it.
func Run(p *prog.Process) int {
	show := false
	opts := prog.NewOptions(p.Args[1:], "nN")
	for c := opts.Next(); c != 0; c = opts.Next() {
		if c == '?' {
			return p.Die(exitPermanent, "dot-forward: ", opts.Bad, "\n", usage)
		}
		show = c == 'n'
	}
	pl, err := find(p, opts.Rest(), show)
	if err == nil && show { // where errors go, as Debian's does
		for _, s := range pl.steps {
			p.Say(2, s.String(), "\n")
		}
		if pl.direct {
			p.Say(2, "direct delivery\n")
		}
	}
	if err == nil && !show {
		err = follow(p, pl)
	}
	var f *fault
	switch {
	case errors.As(err, &f) && f.text == "":
		return f.code
	case errors.As(err, &f):
		return p.Die(f.code, fatal, f.text)
	case pl.direct:
		return exitDirect
	}
	return exitDone
}

// find reads the files and returns the plan of the first that has one; without
// any it is direct delivery. The error is a *fault.
func find(p *prog.Process, files []string, show bool) (*plan, error) {
	var r *reader
	for _, name := range files {
		content, err := load(name)
		if err != nil {
			return nil, err
		}
		if content == nil {
			continue
		}
		if r == nil && len(content) > 0 {
			if r, err = newReader(p); err != nil {
				return nil, err
			}
		}
		pl, err := r.read(content) // without content r is not used
		if err != nil {
			return nil, &fault{exitTemporary, err.Error()}
		}
		if !pl.empty() {
			return pl, nil
		}
		if show {
			p.Say(2, "skipping empty file ", name, "\n")
		}
	}
	return &plan{direct: true}, nil
}

// newReader makes the reader of this delivery.
func newReader(p *prog.Process) (*reader, error) {
	r := &reader{}
	r.user, _ = p.Env.Get("USER")
	r.host, _ = p.Env.Get("HOST")
	c, err := control.Open(p.Home)
	if err != nil {
		return nil, deferral("unable to read controls", err)
	}
	defer c.Close()
	r.defaults, err = c.AddressDefaults(nil)
	var bad *control.HostError
	switch {
	case errors.As(err, &bad):
		return nil, &fault{exitTemporary, bad.Error()}
	case err != nil:
		return nil, deferral("unable to read controls", err)
	}
	return r, nil
}

// load reads a file; content is nil, and not empty, if there is none. Who may
// write a file that is followed may run programs as its reader; so it is held to
// the same rule as .qmail files.
func load(name string) (content []byte, err error) {
	fd, err := sys.Cwd().Open(name, sys.ReadOnly|sys.NonBlock, 0)
	if sys.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, deferral("unable to open "+name, err)
	}
	defer func() { _ = fd.Close() }() // read only
	st, err := fd.Stat()
	if err != nil {
		return nil, deferral("unable to read "+name, err)
	}
	switch {
	case st.IsFIFO():
		return nil, &fault{exitTemporary, "unable to read " + name + ": it is a FIFO"}
	case st.IsRegular() && st.Mode&conf.Patrn() != 0:
		return nil, &fault{exitTemporary, name + " is writable"}
	}
	content, err = fd.ReadAll(maxFile)
	if err != nil {
		return nil, deferral("unable to read "+name, err)
	}
	return append([]byte{}, content...), nil
}

// follow does what a plan says. The error is a *fault.
func follow(p *prog.Process, pl *plan) error {
	var rcpts []string
	for _, s := range pl.steps {
		if !s.program {
			rcpts = append(rcpts, s.text)
		}
	}
	if len(rcpts) > 0 {
		for _, name := range [...]string{"NEWSENDER", "DTLINE"} {
			if _, ok := p.Env.Get(name); !ok {
				return &fault{exitPermanent, name + " not set"}
			}
		}
	}
	if len(pl.steps) > 0 && p.FD(0).WasClosed() { // no message is not an empty one
		return &fault{exitTemporary, "unable to read message: file descriptor not open"}
	}
	before := ""
	for _, name := range [...]string{"UFLINE", "RPLINE", "DTLINE"} {
		line, _ := p.Env.Get(name)
		before += line
	}
	for _, s := range pl.steps {
		if !s.program {
			continue
		}
		if err := pipe(p, s.text, before); err != nil {
			return err
		}
	}
	if len(rcpts) == 0 {
		return nil
	}
	return forward(p, rcpts)
}

// rewind goes to the message's beginning: a program may have read it.
func rewind(p *prog.Process) error {
	if _, err := p.FD(0).Seek(0, io.SeekStart); err != nil {
		return deferral("unable to rewind input", err)
	}
	return nil
}

// pipe runs a command with before and the message on its descriptor 0.
func pipe(p *prog.Process, command, before string) error {
	if err := rewind(p); err != nil {
		return err
	}
	code, err := feed.Run(p, []string{"/bin/sh", "-c", command}, before, p.FD(0))
	var e *feed.Error
	if errors.As(err, &e) {
		switch e.Stage {
		case feed.Pipe:
			return deferral("unable to create pipe", e.Err)
		case feed.Start:
			return deferral("unable to run /bin/sh", e.Err)
		case feed.Input:
			return deferral("unable to read message", e.Err)
		}
		return &fault{exitTemporary, "child crashed"}
	}
	switch {
	case code == 0:
		return nil
	case dotqmail.PermanentExit(code):
		return &fault{exitPermanent, ""}
	}
	return &fault{exitTemporary, ""} // 99 too, as in the original
}

// forward queues the message for the addresses.
func forward(p *prog.Process, rcpts []string) error {
	sender, _ := p.Env.Get("NEWSENDER") // follow has looked whether they are there
	dtline, _ := p.Env.Get("DTLINE")
	if err := rewind(p); err != nil {
		return err
	}
	m, err := qq.Open(qq.Config{Home: p.Home, Env: p.Env.List()})
	if err != nil {
		return deferral("unable to run qq", err)
	}
	_, _ = m.Write([]byte(dtline)) // a failure shows in Close
	if _, err := io.Copy(m, p.FD(0)); err != nil {
		m.Fail()
		_ = m.Close() // nothing is queued, as it should be
		return deferral("unable to read message", err)
	}
	m.From(sender)
	for _, rcpt := range rcpts {
		m.To(rcpt)
	}
	if res := m.Close(); res != "" {
		f := &fault{exitTemporary, "unable to forward message: " + res[1:]}
		if res[0] == 'D' {
			f.code = exitPermanent
		}
		return f
	}
	p.Say(2, "dot-forward: info: qp ", strconv.Itoa(m.PID()), "\n")
	return nil
}
