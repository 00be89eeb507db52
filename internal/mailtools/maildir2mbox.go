package mailtools

import (
	"bufio"
	"errors"
	"io"

	"goqmail/internal/header"
	"goqmail/internal/maildir"
	"goqmail/internal/mbox"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

const maildir2mboxFatal = "maildir2mbox: fatal: "

// noSender stands in a From_ line when the message does not begin with a
// Return-Path line.
const noSender = "XXX"

// Maildir2mbox is maildir2mbox: it moves the messages of the Maildir $MAILDIR,
// the oldest first, into the mbox $MAIL, by way of the new file $MAILTMP. The
// names of both files count from the Maildir. Spec: spec/local.md section 12.
//
//	new mbox in place, its directory fsynced   a crash before: the messages are in
//	                                           the Maildir only; after: in both
//	messages unlinked                          a crash leaves some of them in both
//
// So a crash may deliver a message twice, and loses none.
func Maildir2mbox(p *prog.Process) int {
	var m mover
	for _, v := range [...]struct {
		name string
		to   *string
	}{{"MAIL", &m.mail}, {"MAILTMP", &m.tmp}, {"MAILDIR", &m.path}} {
		var ok bool
		if *v.to, ok = p.Env.Get(v.name); !ok {
			return p.Die(exitTemporary, maildir2mboxFatal, v.name, " not set")
		}
	}
	sys.Umask(0o077)
	var err error
	if m.dir, err = sys.Cwd().OpenSearchDir(m.path); err != nil {
		return p.Die(exitTemporary, maildir2mboxFatal, "unable to chdir to ", m.path, ": ", sys.ErrText(err))
	}
	defer func() { _ = m.dir.Close() }() // used for names only
	now := p.Now().Unix()
	maildir.Clean(m.dir, now)
	list, failed, err := maildir.Scan(m.dir, now)
	if err != nil {
		return p.Die(exitTemporary, maildir2mboxFatal, "unable to scan $MAILDIR/", failed, ": ", sys.ErrText(err))
	}
	if len(list) == 0 {
		return exitOK
	}
	err = mbox.Extend(m.dir, m.mail, m.tmp, func(out io.Writer) error { return m.add(out, list) })
	if err != nil {
		return p.Die(exitTemporary, maildir2mboxFatal, m.text(err))
	}
	for _, e := range list {
		if err := m.dir.Unlink(e.Name); err != nil {
			p.Say(2, "maildir2mbox: warning: unable to remove $MAILDIR/", e.Name, ", it will be delivered twice: ", sys.ErrText(err), "\n")
		}
	}
	return exitOK
}

// A mover is one run.
type mover struct {
	mail, tmp, path string
	dir             *sys.Dir // at path

	reading string // the message that add reads, or failed to read
}

// add writes all messages as an mbox has them. An error is that of reading one,
// or of out.
func (m *mover) add(out io.Writer, list []maildir.Entry) error {
	for _, e := range list {
		m.reading = e.Name
		fd, err := m.dir.Open(e.Name, sys.ReadOnly|sys.NonBlock, 0)
		if err != nil {
			return err
		}
		err = addMessage(out, fd, e.Mtime)
		_ = fd.Close() // nothing was written
		if err != nil {
			return err
		}
	}
	return nil
}

// addMessage writes one message that was delivered at a time.
func addMessage(out io.Writer, in io.Reader, t int64) error {
	r := bufio.NewReader(in)
	first, err := r.ReadBytes('\n')
	if err != nil && err != io.EOF {
		return err
	}
	sender, ok := header.ParseReturnPath(first)
	if !ok {
		sender = noSender
	}
	if _, err := io.WriteString(out, header.FromLine(sender, t)); err != nil {
		return err
	}
	q := mbox.NewQuoter(out)
	if _, err := q.Write(first); err != nil {
		return err
	}
	if _, err := io.Copy(q, r); err != nil {
		return err
	}
	return q.Close()
}

// text says what failed, for an error of mbox.Extend.
func (m *mover) text(err error) string {
	var e *mbox.Error
	if !errors.As(err, &e) {
		return "unable to read $MAILDIR/" + m.reading + ": " + sys.ErrText(err)
	}
	why := ": " + sys.ErrText(e.Err)
	if e.Err == mbox.ErrSame {
		why = ": it is $MAIL"
	}
	switch e.Stage {
	case mbox.Read:
		return "unable to read " + m.mail + why
	case mbox.Create:
		return "unable to create " + m.tmp + why
	case mbox.Write:
		return "unable to write to " + m.tmp + why
	case mbox.Move:
		return "unable to move " + m.tmp + " to " + m.mail + why
	}
	return "unable to lock " + m.mail + why // mbox.Open, mbox.Lock
}
