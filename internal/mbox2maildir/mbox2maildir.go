// Package mbox2maildir is mbox2maildir, the counterpart of maildir2mbox, which C
// qmail has not: it moves the messages of an mbox into a Maildir. It may be
// interrupted at any point; see mover.run. Formats: package mbox, maildir(5).
package mbox2maildir

import (
	"errors"
	"io"

	"goqmail/internal/mbox"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// Exit codes.
const (
	exitOK        = 0
	exitPermanent = 100 // wrong usage, or it is no mbox
	exitTemporary = 111
)

// Texts.
const (
	fatal = "mbox2maildir: fatal: "
	usage = "mbox2maildir: usage: mbox2maildir [ -t type ] [ mbox [ maildir ] ]"
)

// Run is mbox2maildir: it moves the messages of the mbox in its first argument
// to the Maildir in its second, and leaves the mbox empty. Instead of arguments
// there may be $MAIL and $MAILDIR, which mean what they mean to maildir2mbox:
// the name of the mbox then counts from the Maildir.
func Run(p *prog.Process) int {
	return runWith(p, surroundings{
		dir: func(d *sys.Dir) store { return disk{d} },
		src: func(t *mbox.Taken) source { return t },
	})
}

// surroundings are what tests have of their own.
type surroundings struct {
	locker mbox.Locker
	dir    func(*sys.Dir) store
	src    func(*mbox.Taken) source
}

// runWith is Run in its surroundings.
func runWith(p *prog.Process, s surroundings) int {
	m := &mover{}
	opts := prog.NewOptions(p.Args[1:], "t:")
	for c := opts.Next(); c != 0; c = opts.Next() {
		if c == '?' {
			return p.Die(exitPermanent, "mbox2maildir: ", opts.Bad, "\n", usage)
		}
		if m.kind, m.force = mbox.ParseFlavour(opts.Value); !m.force {
			return p.Die(exitPermanent, usage)
		}
	}
	args := opts.Rest()
	if len(args) > 2 {
		return p.Die(exitPermanent, usage)
	}
	for i, v := range [...]struct {
		name string
		to   *string
	}{{"MAIL", &m.mbox}, {"MAILDIR", &m.path}} {
		var ok bool
		if *v.to, ok = p.Env.Get(v.name); i < len(args) {
			*v.to = args[i]
		} else if !ok {
			return p.Die(exitTemporary, fatal, v.name, " not set")
		}
	}
	if err := move(p, m, len(args) > 0, s); err != nil {
		var f *fault
		if !errors.As(err, &f) {
			f = &fault{exitTemporary, err.Error()}
		}
		return p.Die(f.code, fatal, f.text)
	}
	return exitOK
}

// move opens mbox and Maildir and moves the messages. fromHere tells that the
// mbox's name counts from the current directory.
func move(p *prog.Process, m *mover, fromHere bool, s surroundings) error {
	sys.Umask(0o077)
	dir, err := sys.Cwd().OpenSearchDir(m.path)
	if err != nil {
		return failed("unable to chdir to "+m.path, err)
	}
	defer func() { _ = dir.Close() }() // used for names only
	base := dir
	if fromHere {
		base = sys.Cwd()
	}
	taken, err := s.locker.Take(base, m.mbox)
	var e *mbox.Error
	switch {
	case errors.Is(err, mbox.ErrNotFile):
		return &fault{exitPermanent, m.mbox + " is not a regular file"}
	case errors.As(err, &e) && e.Stage == mbox.Open:
		return failed("unable to open "+m.mbox, e.Err)
	case errors.As(err, &e):
		return failed("unable to lock "+m.mbox, e.Err)
	}
	defer taken.Release()
	m.src, m.dir = s.src(taken), s.dir(dir)
	m.now = p.Now().Unix()
	m.fresh = journal{m.now, sys.Getpid(), hostName()}
	return m.run()
}

// A disk is the Maildir.
type disk struct{ *sys.Dir }

// Create makes a file that nobody else has.
func (d disk) Create(name string) (spool, error) {
	fd, err := d.Open(name, sys.WriteOnly|sys.Create|sys.Exclusive, 0o600)
	if err != nil {
		return nil, err
	}
	return &file{fd, &sys.FileWriter{FD: fd, Limit: sys.FileSizeLimit()}}, nil
}

// OpenRead opens a file for reading.
func (d disk) OpenRead(name string) (io.ReadCloser, error) {
	fd, err := d.Open(name, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return nil, err
	}
	return fd, nil
}

// A file is one that Create made.
type file struct {
	sys.FD
	out *sys.FileWriter
}

// Write writes all of p or fails.
func (f *file) Write(p []byte) (int, error) { return f.out.Write(p) }
