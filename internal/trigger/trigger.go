// Package trigger wakes qmail-send through the FIFO lock/trigger.
//
// qmail-queue pulls it after its message is linked into todo/; qmail-send
// re-arms it before each scan of todo/. Because the link comes before the pull
// and the re-arming before the scan, no wake-up is lost. Nothing is ever read
// from the FIFO. Spec: spec/queue.md section 8.
package trigger

import (
	"errors"
	"time"

	"goqmail/internal/queue"
	"goqmail/internal/sys"
)

// Pull wakes qmail-send if it runs: one NUL byte, without ever blocking.
// Failures mean that nobody listens and are ignored; the message is found by
// the next scan.
func Pull(queueDir *sys.Dir) {
	fd, err := queueDir.Open(queue.LockTrigger, sys.WriteOnly|sys.NonBlock, 0)
	if err != nil {
		return
	}
	_, _ = fd.WriteOnce([]byte{0}) // a full pipe already wakes the reader
	_ = fd.Close()
}

// A Reader is qmail-send's end.
type Reader struct {
	dir *sys.Dir
	fd  sys.FD
}

// NewReader makes a Reader that is not armed yet.
func NewReader(queueDir *sys.Dir) *Reader { return &Reader{dir: queueDir, fd: -1} }

// errNotFIFO says that lock/trigger is something else, such as a regular file in
// a restored queue, which would always be readable.
var errNotFIFO = errors.New("lock/trigger is not a FIFO")

// Rearm forgets all pulls so far: the old descriptor is closed first, which
// throws its bytes away, then a new one opened. The caller scans todo/ after it.
// When it fails the Reader is not armed, and only the clock wakes the caller.
func (r *Reader) Rearm() error {
	if r.fd >= 0 {
		_ = r.fd.Close() // nothing was written
		r.fd = -1
	}
	fd, err := r.dir.Open(queue.LockTrigger, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return err
	}
	if st, err := fd.Stat(); err != nil || !st.IsFIFO() {
		_ = fd.Close() // nothing was written
		return errNotFIFO
	}
	r.fd = fd
	return nil
}

// FD is the armed descriptor, to be waited for as Readable and never read; -1
// when not armed.
func (r *Reader) FD() sys.FD { return r.fd }

// Wait waits for a pull, at most d.
func (r *Reader) Wait(d time.Duration) (pulled bool, err error) {
	if r.fd < 0 {
		return false, nil
	}
	return r.fd.Wait(sys.Readable, d)
}
