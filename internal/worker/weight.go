package worker

import (
	"sync/atomic"

	"goqmail/internal/sys"
)

// A Weight tells a worker when it holds too much memory. It looks after every
// weighEvery jobs, because looking costs as much as a part of a job.
type Weight struct {
	Max uint64 // bytes of sys.MemoryHeld

	jobs atomic.Uint32
}

const weighEvery = 16

// Over is asked after each job, and tells whether the worker ought to retire.
func (w *Weight) Over() bool {
	return w.jobs.Add(1)%weighEvery == 0 && sys.MemoryHeld() > w.Max
}
