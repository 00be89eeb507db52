// Package mbox adds to mboxes and takes them apart: files in which each message
// is a line "From SENDER DATE", the message with lines that look like that one
// quoted, and an empty line. Writers keep out of each other's way with flock.
// Append adds a message in place; Extend adds any number by a new file that takes
// the place of the old one. A Reader reads an mbox of any Flavour; a Locker takes
// one for a program that empties it. Spec: spec/local.md sections 6 and 12.
package mbox

import (
	"io"
	"time"

	"goqmail/internal/sys"
)

// LockTime is how long Append waits for the lock.
const LockTime = 30 * time.Second

// mode is that of a new mbox.
const mode = 0o600

// minFD keeps copies of descriptors away from 0, 1 and 2.
const minFD = 3

// bufSize is how much of a message is read at once, in bytes.
const bufSize = 64 << 10

// A Stage says where adding failed.
type Stage int

// The stages.
const (
	Open   Stage = iota + 1 // the mbox cannot be opened
	Lock                    // another process held the lock for LockTime
	Read                    // the message, or the old mbox, cannot be read
	Write                   // the mbox, or Extend's tmp, cannot be written or flushed
	Create                  // Extend's tmp cannot be created; the error may be ErrSame
	Move                    // tmp cannot take the place of the mbox
)

// An Error is a failed Append or Extend. The mbox is as it was, unless Append
// could not lock it or cut it back, or Extend failed in Move.
type Error struct {
	Stage Stage
	Err   error // for Lock: sys.ErrTimeout
}

func (e *Error) Error() string {
	return [...]string{Open: "open", Lock: "lock", Read: "read", Write: "write", Create: "create", Move: "replace"}[e.Stage] + ": " + e.Err.Error()
}

// Unwrap gives the error of the system call.
func (e *Error) Unwrap() error { return e.Err }

// Append adds one message to the mbox name below dir: head, which must begin
// with a From_ line and is not quoted, then what msg gives, quoted. The error is
// an *Error.
//
//	B1  file opened, created if absent    a crash leaves an empty file
//	B2  flock held
//	B3  message written                   a crash leaves a part of it: readers see a
//	                                      message that is cut off, and it comes again
//	B4  file fsynced                      the message is there
//	B5  directory fsynced, if the file is new
//	B6  closed; the lock goes with it
//
// A failure from B3 on cuts the file back to its old length, if it is locked.
// Where locking is not possible at all the message is written unlocked.
func Append(dir *sys.Dir, name, head string, msg io.Reader) error {
	return appendWithin(dir, name, head, msg, LockTime)
}

func appendWithin(dir *sys.Dir, name, head string, msg io.Reader, lockTime time.Duration) error {
	f, err := open(dir, name, lockTime)
	if err != nil {
		return err
	}
	end, err := f.fd.Seek(0, io.SeekEnd)
	if err != nil {
		end = -1 // not a file that has an end
	}
	stage, err := f.write(max(end, 0), head, msg)
	if err == nil {
		stage = Write
		if err = f.fd.Sync(); err == nil && f.created {
			err = f.syncParent(dir, name)
		}
	}
	// A second descriptor keeps file and lock within reach if closing fails.
	keep, kerr := f.fd.Dup(minFD)
	if kerr != nil {
		keep = -1
	}
	if err != nil && f.locked && end >= 0 {
		_ = f.fd.Truncate(end) // best effort: the error above is what counts
	}
	if cerr := f.fd.Close(); cerr != nil && err == nil {
		err = cerr
		if f.locked && end >= 0 && keep >= 0 {
			_ = keep.Truncate(end) // as above
		}
	}
	if keep >= 0 {
		_ = keep.Close() // nothing was written through it
	}
	if err != nil {
		return &Error{stage, err}
	}
	return nil
}

// write writes the message and says at which stage it failed.
func (f *file) write(end int64, head string, msg io.Reader) (Stage, error) {
	out := &sys.FileWriter{FD: f.fd, Pos: end, Limit: f.limit()}
	q := NewQuoter(out)
	if _, err := io.WriteString(out, head); err != nil {
		return Write, err
	}
	buf := make([]byte, bufSize)
	for {
		n, err := msg.Read(buf)
		if n > 0 {
			if _, err := q.Write(buf[:n]); err != nil {
				return Write, err
			}
		}
		if err == io.EOF {
			return Write, q.Close()
		}
		if err != nil {
			return Read, err
		}
	}
}
