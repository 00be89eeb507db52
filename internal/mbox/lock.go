package mbox

import (
	"math"
	"strings"
	"time"

	"goqmail/internal/sys"
)

// A file is an mbox opened for appending.
type file struct {
	fd      sys.FD
	created bool // perhaps by another process at the same time
	locked  bool
	regular bool
}

// open opens and locks the mbox. A process that replaces the mbox by renaming a
// new file over it, as maildir2mbox does, holds the lock of the old one
// meanwhile. Who waited for that lock then has a file that nobody will read; so
// open looks whether the name still means the file, and else begins again. C
// qmail-local writes into the lost file.
func open(dir *sys.Dir, name string, lockTime time.Duration) (*file, error) {
	end := time.Now().Add(lockTime)
	created := false
	for {
		f, err := openOnce(dir, name)
		if err != nil {
			return nil, &Error{Open, err}
		}
		f.created = f.created || created
		f.locked, err = lockWithin(f.fd, time.Until(end))
		if err != nil {
			return nil, &Error{Lock, err} // the descriptor belongs to lockWithin
		}
		if !f.locked || !f.regular || sameFile(dir, name, f.fd) {
			return f, nil
		}
		_ = f.fd.Close() // nothing was written
		if time.Now().After(end) {
			return nil, &Error{Lock, sys.ErrTimeout}
		}
		created = f.created
	}
}

// openOnce opens the mbox, non-blocking so that a FIFO without reader is an
// error instead of a hanging delivery.
func openOnce(dir *sys.Dir, name string) (*file, error) {
	const flags = sys.WriteOnly | sys.NonBlock | sys.Append
	f := &file{}
	var err error
	f.fd, err = dir.Open(name, flags, 0)
	if sys.IsNotExist(err) {
		f.created = true
		f.fd, err = dir.Open(name, flags|sys.Create, mode)
	}
	if err != nil {
		return nil, err
	}
	st, err := f.fd.Stat()
	f.regular = err == nil && st.IsRegular()
	return f, nil
}

// sameFile tells whether name still means the open file.
func sameFile(dir *sys.Dir, name string, fd sys.FD) bool {
	a, err := fd.Stat()
	if err != nil {
		return true // no way to tell
	}
	b, err := dir.Stat(name)
	if err != nil {
		return !sys.IsNotExist(err)
	}
	return a.Dev == b.Dev && a.Ino == b.Ino
}

// lockWithin takes the flock within d; locked is false where the kernel refuses
// to lock such a file at all. When the time is over, or fd's owner would have to
// wait longer, the error is sys.ErrTimeout and fd is closed as soon as the
// kernel lets go of it.
func lockWithin(fd sys.FD, d time.Duration) (locked bool, err error) {
	err = fd.TryLock()
	if !sys.IsWouldBlock(err) {
		return err == nil, nil
	}
	// Waiting in the kernel keeps the order of arrival; trying again and again
	// might never find the lock free.
	got := make(chan error)
	over := make(chan struct{})
	go func() {
		err := fd.LockExclusive()
		select {
		case got <- err:
		case <-over:
			_ = fd.Close() // nothing was written
		}
	}()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case err := <-got:
		return err == nil, nil
	case <-t.C:
		close(over)
		return false, sys.ErrTimeout
	}
}

// limit is how long the file may become without a signal from the kernel, which
// has such a limit for regular files only.
func (f *file) limit() int64 {
	if !f.regular {
		return math.MaxInt64
	}
	return sys.FileSizeLimit()
}

// syncParent flushes the directory that a new mbox was made in. A directory that
// may not be read is left alone: flushing the file takes its name along on file
// systems with a journal.
func (f *file) syncParent(dir *sys.Dir, name string) error {
	parent := "."
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		parent = name[:i+1]
	}
	err := dir.SyncDir(parent)
	if sys.IsAccess(err) {
		return nil
	}
	return err
}
