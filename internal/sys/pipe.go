package sys

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// A PipeReader is the read end of a pipe that this process made for its own
// children. Unlike every inherited descriptor it is non-blocking and watched by
// the runtime's poller, so that a goroutine which waits for it holds no thread:
// hundreds of them are cheap.
type PipeReader struct{ f *os.File }

// ChildPipe makes a pipe whose write end is for a child: blocking, and
// close-on-exec here like everything else.
func ChildPipe() (*PipeReader, FD, error) {
	r, w, err := Pipe()
	if err != nil {
		return nil, -1, err
	}
	// Each end of a pipe has flags of its own: the child's end stays blocking.
	if err := unix.SetNonblock(int(r), true); err != nil {
		_, _ = r.Close(), w.Close() // nothing was written
		return nil, -1, fail("fcntl", "", err)
	}
	return &PipeReader{os.NewFile(uintptr(r), "pipe")}, w, nil
}

// PreparePipes makes ready what every ChildPipe needs, once and for good. The
// run-time needs two descriptors for its poller with the first one, and ends
// the process if it does not get them: a program that may run out of descriptors
// later calls this at its start.
func PreparePipes() error {
	r, w, err := ChildPipe()
	if err != nil {
		return err
	}
	_, _ = r.Close(), w.Close() // nothing was written
	return nil
}

// Read reads what is there, at least one byte; io.EOF when every holder of the
// write end has closed it.
func (r *PipeReader) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	if err != nil && err != io.EOF {
		err = fail("read", "", err)
	}
	return n, err
}

// Close closes the read end; a Read that waits returns.
func (r *PipeReader) Close() error { return fail("close", "", r.f.Close()) }
