package mbox

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"goqmail/internal/sys"
)

// ErrNotFile is why Take does not open something: it is no regular file.
var ErrNotFile = errors.New("not a regular file")

// A Taken is an mbox that nobody else changes, as far as they lock it.
type Taken struct {
	io.Reader // from its beginning

	dir  *sys.Dir
	fd   sys.FD
	dot  string // name of the dot-lock; "" if there is none
	info sys.Info
}

// A Locker takes mboxes.
type Locker struct {
	Limit time.Duration       // how long to wait for each lock; 0: LockTime
	Sleep func(time.Duration) // nil: time.Sleep
}

// lockPause is the time between two tries to get a lock that has no queue.
const lockPause = 500 * time.Millisecond

// Take opens the mbox name below dir and takes every lock in use, for a program
// that takes messages out of it: flock, as qmail's programs; the lock of fcntl;
// and the file name.lock, which has this process's number. The last is left out
// where no file can be made. A lock file of a process that is no more is
// removed. The error is an *Error: Open, perhaps with ErrNotFile, or Lock, with
// sys.ErrTimeout where another process holds a lock.
func (k Locker) Take(dir *sys.Dir, name string) (*Taken, error) {
	if k.Limit == 0 {
		k.Limit = LockTime
	}
	if k.Sleep == nil {
		k.Sleep = time.Sleep
	}
	for {
		t, err := k.open(dir, name)
		if err != nil {
			return nil, &Error{Open, err}
		}
		err = k.lock(t, dir, name)
		if err == nil && sameFile(dir, name, t.fd) {
			t.info, err = t.fd.Stat() // as it is under the lock
			if err == nil {
				return t, nil
			}
		}
		t.Release()
		if err != nil {
			return nil, &Error{Lock, err}
		}
	}
}

// open opens the mbox, non-blocking so that a FIFO is an error instead of
// hanging.
func (k Locker) open(dir *sys.Dir, name string) (*Taken, error) {
	fd, err := dir.Open(name, sys.ReadWrite|sys.NonBlock, 0)
	if err != nil {
		return nil, err
	}
	st, err := fd.Stat()
	if err == nil && !st.IsRegular() {
		err = ErrNotFile
	}
	if err != nil {
		_ = fd.Close() // nothing was written
		return nil, err
	}
	return &Taken{Reader: fd, dir: dir, fd: fd}, nil
}

// lock takes the locks. What was taken is given back by Release.
func (k Locker) lock(t *Taken, dir *sys.Dir, name string) error {
	err := k.wait(t.fd.TryLock)
	if err == nil {
		err = k.wait(t.fd.TryRecordLock)
	}
	if err == nil {
		err = k.wait(func() error { return t.dotLock(dir, name+".lock") })
	}
	return err
}

// wait tries to get a lock until it is there or the time is over.
func (k Locker) wait(try func() error) error {
	for left := k.Limit; ; left -= lockPause {
		err := try()
		if !sys.IsWouldBlock(err) && !sys.IsExist(err) {
			return err
		}
		if left <= 0 {
			return sys.ErrTimeout
		}
		k.Sleep(lockPause)
	}
}

// dotLock makes the lock file; IsExist tells that another process has it. It gets
// its name when this process's number is in it, so that whoever finds it after a
// crash can tell whose it was.
func (t *Taken) dotLock(dir *sys.Dir, name string) error {
	pid := strconv.Itoa(sys.Getpid())
	tmp := name + "." + pid
	_ = dir.Unlink(tmp) // of a process that had our number
	fd, err := dir.Open(tmp, sys.WriteOnly|sys.Create|sys.Exclusive, 0o644)
	if err != nil {
		return nil // no file can be made here, by anybody like us
	}
	_, err = fd.WriteString(pid + "\n")
	if cerr := fd.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = dir.Link(tmp, name)
	}
	_ = dir.Unlink(tmp) // a stray file at worst
	switch {
	case err == nil:
		t.dot = name
	case sys.IsExist(err) && staleLock(dir, name):
		_ = dir.Unlink(name) // the next try finds it or not
	}
	return err
}

// staleLock tells whether a lock file is of a process that is no more.
func staleLock(dir *sys.Dir, name string) bool {
	b, err := dir.ReadFile(name, 64)
	if err != nil {
		return false
	}
	pid, err := strconv.Atoi(strings.TrimSuffix(string(b), "\n"))
	return err == nil && pid > 0 && !sys.ProcessExists(pid)
}

// Info describes the mbox as it was taken.
func (t *Taken) Info() sys.Info { return t.info }

// Size is how long the mbox is now.
func (t *Taken) Size() (int64, error) {
	st, err := t.fd.Stat()
	return st.Size, err
}

// Rewind goes to the beginning of the mbox.
func (t *Taken) Rewind() error {
	_, err := t.fd.Seek(0, io.SeekStart)
	return err
}

// Empty makes the mbox empty for good: the change is on disk.
func (t *Taken) Empty() error {
	if err := t.fd.Truncate(0); err != nil {
		return err
	}
	return t.fd.Sync()
}

// Release gives the mbox back.
func (t *Taken) Release() {
	if t.dot != "" {
		_ = t.dir.Unlink(t.dot) // who finds it looks for its process
	}
	_ = t.fd.Close() // Empty was flushed; the other locks go with it
}
