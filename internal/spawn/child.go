package spawn

import (
	"errors"
	"io"
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/workers"
)

// errPipe is Run's error when there is no pipe to be had.
var errPipe = errors.New("no pipe")

// waitFailed is the status of a child that could not be waited for: as if a
// signal had ended it, so that the delivery is tried again.
const waitFailed child.Status = 6

// Run runs the program that start starts with the descriptors it is given (the
// message, the report pipe twice), writes its output to out, and returns its
// status when the program has ended and nobody holds the report pipe any more:
// a background process started from .qmail that keeps descriptor 1 or 2 keeps
// the slot. The error is that of start, or one that Refused knows.
//
// Job is the same for a program that is running and takes several.
func (d *Delivery) Run(start func(files []sys.FD) (child.Process, error), out io.Writer) (child.Status, error) {
	r, w, err := sys.ChildPipe()
	if err != nil {
		return 0, errPipe
	}
	defer func() { _ = r.Close() }() // read to its end
	proc, err := start([]sys.FD{d.message, w, w})
	_ = w.Close() // our copy; the end of file comes when the last holder closes its own
	d.closeMessage()
	if err != nil {
		return 0, err
	}
	readAll(r, out)
	st, err := proc.Wait()
	if err != nil {
		return waitFailed, nil
	}
	return st, nil
}

// readAll reads the report pipe to its end.
func readAll(r *sys.PipeReader, out io.Writer) {
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		_, _ = out.Write(buf[:n]) // collectors do not fail
		if err != nil {
			return
		}
	}
}

// Job has the delivery done by a worker: send gives it the files (the message,
// the report pipe). It writes the worker's output to out and returns its answer,
// when nobody holds the report pipe any more. After ErrRefused or ErrUnfit of
// package worker the delivery is as it was, and may be done in another way.
func (d *Delivery) Job(send func(files []sys.FD) (workers.Pending, error), out io.Writer) (pipe.JobAnswer, error) {
	r, w, err := sys.ChildPipe()
	if err != nil {
		return pipe.JobAnswer{}, errPipe
	}
	defer func() { _ = r.Close() }() // read to its end
	p, err := send([]sys.FD{d.message, w})
	_ = w.Close() // our copy
	if err != nil {
		return pipe.JobAnswer{}, err
	}
	d.closeMessage()
	readAll(r, out)
	return p.WaitFor(answerTime)
}

// answerTime is how long after the end of the report a worker may take to say
// that it is done. It says so at once, unless it is in the hands of somebody.
const answerTime = 5 * time.Minute

// Refused gives the report for errors of Run by which the system refuses a pipe
// or a process; other errors are for the caller to understand.
func Refused(err error) (v Verdict, ok bool) {
	switch {
	case err == errPipe:
		return noPipe, true
	case sys.IsWouldBlock(err), sys.IsNoMemory(err):
		return noFork, true
	}
	return Verdict{}, false
}

// closeMessage closes the message file once it is not needed here.
func (d *Delivery) closeMessage() {
	if d.message >= 0 {
		_ = d.message.Close() // opened for reading
		d.message = -1
	}
}
