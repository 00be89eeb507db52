package mbox2maildir

import (
	"bytes"
	"io"
	"strings"

	"goqmail/internal/header"
	"goqmail/internal/maildir"
	"goqmail/internal/mbox"
	"goqmail/internal/sys"
)

// A source is the mbox, locked.
type source interface {
	io.Reader
	Rewind() error
	Info() sys.Info
	Size() (int64, error)
	Empty() error
}

// A store is the Maildir; tests make each call fail, or be the last.
type store interface {
	Create(name string) (spool, error) // a new file for writing; IsExist if there is one
	OpenRead(name string) (io.ReadCloser, error)
	Chtimes(name string, atime, mtime int64) error
	Link(old, new string) error
	Unlink(name string) error
	SyncDir(name string) error
	EachName(name string, f func(name string) bool) error
	ReadFile(name string, max int) ([]byte, error)
	WriteFileDurable(name, tmp string, data []byte, mode uint32) error
}

// A spool is a file that is being written.
type spool interface {
	io.Writer
	StartWriteback()
	Sync() error
	Close() error
}

// batch is how many files are open at once. All of them are given to the disk
// before the first is waited for.
const batch = 64

// A fault ends the program: what it says after "fatal: ", and its exit code.
type fault struct {
	code int
	text string
}

// Error is the text.
func (f *fault) Error() string { return f.text }

// failed is the fault of something that waiting, or the user, may cure.
func failed(text string, err error) error {
	return &fault{exitTemporary, text + ": " + sys.ErrText(err)}
}

// A mover is one run.
type mover struct {
	src   source
	dir   store
	mbox  string // their names, for messages
	path  string
	force bool // flavour is given
	kind  mbox.Flavour
	fresh journal // if there is none
	now   int64   // Unix seconds

	journal
	known   map[string]string // resuming: unique name to path, of what is there
	waiting []message         // written and not linked
}

// A message is a file in tmp that is on its way.
type message struct {
	file spool
	tmp  string
	path string // in new or cur
}

// run moves all messages.
//
//	S1  mbox locked                      a crash leaves a lock file of no process
//	S2  journal written, durable         a crash leaves it: the next run goes on with it
//	S3  tmp/NAME written, for up to 64   a crash leaves them: the next run removes them,
//	    messages at a time               or any reader after 36 hours
//	S4  fsynced, linked to new or cur    a crash leaves some messages in both: the next
//	                                     run finds them by their names and their bytes
//	    S3 and S4 for all messages
//	S5  new and cur fsynced              as before
//	S6  mbox made empty, fsynced         a crash leaves the journal: the next run removes it
//	S7  journal unlinked
//
// So nothing is lost, and nothing comes twice, unless messages of an interrupted
// run were changed or removed in the Maildir, or the mbox was replaced by another
// file, before the next run. A failure before S6 leaves the mbox as it was.
func (m *mover) run() error {
	name := journalName(m.src.Info())
	if m.src.Info().Size == 0 {
		m.forget(name)
		return nil
	}
	if err := m.detect(); err != nil {
		return err
	}
	r := mbox.NewReader(m.src, m.kind)
	for n := 1; ; n++ {
		line, err := r.Next()
		if err == io.EOF {
			if n == 1 {
				return nil // nothing but empty lines
			}
			break
		}
		if err != nil {
			return m.readError(err)
		}
		if n == 1 {
			if err := m.begin(name); err != nil { // S2
				return err
			}
		}
		if err := m.take(r, n, line); err != nil {
			m.giveUp()
			return err
		}
	}
	if err := m.flush(); err != nil {
		m.giveUp()
		return err
	}
	if err := m.finish(r.Pos()); err != nil {
		return err
	}
	m.forget(name) // S7
	return nil
}

// detect finds the flavour out, unless it is given.
func (m *mover) detect() error {
	if m.force {
		return nil
	}
	var err error
	if m.kind, err = mbox.Detect(m.src); err != nil {
		return m.readError(err)
	}
	if err := m.src.Rewind(); err != nil {
		return m.readError(err)
	}
	return nil
}

// readError is the fault of an error of reading the mbox.
func (m *mover) readError(err error) error {
	switch {
	case err != mbox.ErrFormat:
		return failed("unable to read "+m.mbox, err)
	case m.force:
		return &fault{exitPermanent, m.mbox + " is not an mbox of type " + m.kind.String()}
	}
	return &fault{exitPermanent, m.mbox + " is not an mbox"}
}

// begin carries an interrupted run on, or makes the journal of a new one.
func (m *mover) begin(name string) error {
	b, err := m.dir.ReadFile(name, journalSize)
	if err == nil {
		var ok bool
		if m.journal, ok = parseJournal(b); ok {
			return m.resume()
		}
	} else if !sys.IsNotExist(err) {
		return failed("unable to read "+m.path+"/"+name, err)
	}
	m.journal = m.fresh
	if err := m.dir.WriteFileDurable(name, name+".new", m.bytes(), 0o600); err != nil {
		return failed("unable to write "+m.path+"/"+name, err)
	}
	return nil
}

// resume finds out what an interrupted run has done: what is in new or cur, by
// whatever flags a mail reader has given it since.
func (m *mover) resume() error {
	m.known = make(map[string]string)
	for _, sub := range [...]string{maildir.New, maildir.Cur} {
		err := m.dir.EachName(sub, func(name string) bool {
			if base, _, _ := strings.Cut(name, ":"); m.isName(base) {
				m.known[base] = sub + "/" + name
			}
			return true
		})
		if err != nil {
			return failed("unable to scan "+m.path+"/"+sub, err)
		}
	}
	return nil
}

// take writes the n-th message, whose From_ line this is, into tmp.
func (m *mover) take(r *mbox.Reader, n int, line []byte) error {
	date, ok := header.FromDate(line)
	if !ok {
		date = m.src.Info().Mtime
	}
	tmp := maildir.Tmp + "/" + m.name(n, 0)
	f, err := m.dir.Create(tmp)
	if sys.IsExist(err) { // an interrupted run has left it
		if err = m.dir.Unlink(tmp); err == nil {
			f, err = m.dir.Create(tmp)
		}
	}
	if err != nil {
		return m.writeError(err)
	}
	m.waiting = append(m.waiting, message{file: f, tmp: tmp})
	w := &stateWriter{out: f}
	err = r.Copy(w)
	if err != nil && !mbox.IsWriteError(err) {
		return m.readError(err)
	}
	if err == nil {
		err = w.end()
	}
	if err == nil {
		// Not the time of last access: readers of the Maildir remove what is
		// old in tmp by that.
		err = m.dir.Chtimes(tmp, m.now, date)
	}
	if err != nil {
		return m.writeError(err)
	}
	return m.place(n, &w.state)
}

// place decides where the message that was written last goes. One that is there
// already goes nowhere.
func (m *mover) place(n int, s *state) error {
	last := &m.waiting[len(m.waiting)-1]
	base := m.name(n, 0)
	for another := 1; m.known[base] != ""; another++ {
		same, err := m.same(last.tmp, m.known[base])
		if err != nil {
			return m.writeError(err)
		}
		if same {
			return m.drop()
		}
		base = m.name(n, another)
	}
	last.path = maildir.New + "/" + base
	if s.old {
		last.path = maildir.Cur + "/" + base + s.info()
	}
	last.file.StartWriteback()
	if len(m.waiting) == batch {
		return m.flush()
	}
	return nil
}

// drop forgets the message that was written last.
func (m *mover) drop() error {
	last := m.waiting[len(m.waiting)-1]
	m.waiting = m.waiting[:len(m.waiting)-1]
	_ = last.file.Close() // it is not kept
	if err := m.dir.Unlink(last.tmp); err != nil {
		return m.writeError(err)
	}
	return nil
}

// same tells whether two files have the same bytes. One that is gone by now is
// not the same as any.
func (m *mover) same(a, b string) (bool, error) {
	fa, err := m.dir.OpenRead(a)
	if err != nil {
		return false, err
	}
	defer func() { _ = fa.Close() }() // read only
	fb, err := m.dir.OpenRead(b)
	if sys.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = fb.Close() }() // as above
	return equal(fa, fb)
}

// equal compares two files to their ends.
func equal(a, b io.Reader) (bool, error) {
	var bufs [2][32 << 10]byte
	for {
		na, err := fill(a, bufs[0][:])
		if err != nil {
			return false, err
		}
		nb, err := fill(b, bufs[1][:])
		if err != nil {
			return false, err
		}
		if !bytes.Equal(bufs[0][:na], bufs[1][:nb]) {
			return false, nil
		}
		if na < len(bufs[0]) {
			return true, nil
		}
	}
}

// fill reads as much as there is place for.
func fill(r io.Reader, buf []byte) (n int, err error) {
	n, err = io.ReadFull(r, buf)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n, err
}

// flush makes the waiting messages durable and gives them their names.
func (m *mover) flush() error {
	for i := range m.waiting {
		w := &m.waiting[i]
		err := w.file.Sync()
		if cerr := w.file.Close(); err == nil {
			err = cerr
		}
		w.file = nil
		if err != nil {
			return m.writeError(err)
		}
	}
	for len(m.waiting) > 0 {
		w := m.waiting[0]
		if err := m.dir.Link(w.tmp, w.path); err != nil {
			return m.writeError(err)
		}
		m.waiting = m.waiting[1:]
		_ = m.dir.Unlink(w.tmp) // a reader of the Maildir does it after 36 hours
	}
	m.waiting = nil
	return nil
}

// giveUp removes what was not linked.
func (m *mover) giveUp() {
	for _, w := range m.waiting {
		if w.file != nil {
			_ = w.file.Close() // it is not kept
		}
		_ = m.dir.Unlink(w.tmp) // best effort
	}
}

// finish makes the new names durable and empties the mbox, of which read bytes
// were read, if that is all there is. A program that does not lock it may have
// added something.
func (m *mover) finish(read int64) error {
	for _, sub := range [...]string{maildir.New, maildir.Cur} { // S5
		if err := m.dir.SyncDir(sub); err != nil {
			return m.writeError(err)
		}
	}
	size, err := m.src.Size()
	if err != nil {
		return m.readError(err)
	}
	if size != read {
		return &fault{exitTemporary, m.mbox + " has changed while it was read"}
	}
	if err := m.src.Empty(); err != nil { // S6
		return failed("unable to empty "+m.mbox, err)
	}
	return nil
}

// forget removes the journal, if there is one. One that stays does no harm.
func (m *mover) forget(name string) {
	_ = m.dir.Unlink(name) // the next run does it
}

// writeError is the fault of an error of the Maildir.
func (m *mover) writeError(err error) error { return failed("unable to write to "+m.path, err) }
