package workers

import (
	"sync"
	"time"
)

// A Shared keeps workers that do several jobs at one time, any of them any job.
// The one that was started first gets as many as it may have, then the next: so
// jobs that have something in common meet. The zero Shared with Limits and Width
// is ready for use; of Limits, Keep does not count.
type Shared struct {
	Limits Limits
	Width  int // jobs that one worker may have at a time

	mu      sync.Mutex
	workers []*sharer
	ended   bool
}

// A sharer is a worker of a Shared.
type sharer struct {
	*Worker
	jobs  int // in its hands, or about to be
	timer *time.Timer
}

// Get reserves a place in a worker of version v, starting one if none has a
// place. The error is that of start.
func (s *Shared) Get(v Version, start func() (*Worker, error)) (*Place, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for i := 0; i < len(s.workers); i++ {
		w := s.workers[i]
		if w.Version != v || !w.usable(s.Limits, now) {
			s.workers = append(s.workers[:i], s.workers[i+1:]...)
			i--
			if w.jobs == 0 {
				w.dismiss()
			}
			continue
		}
		if w.jobs < s.Width {
			w.jobs++
			if w.timer != nil {
				w.timer.Stop()
			}
			return &Place{s, w}, nil
		}
	}
	n, err := start()
	if err != nil {
		return nil, err
	}
	w := &sharer{Worker: n, jobs: 1}
	if !s.ended {
		s.workers = append(s.workers, w)
	}
	return &Place{s, w}, nil
}

// dismiss tells a worker without jobs to go.
func (w *sharer) dismiss() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.Dismiss()
}

// has tells whether the worker still gets jobs.
func (s *Shared) has(w *sharer) bool {
	for _, o := range s.workers {
		if o == w {
			return true
		}
	}
	return false
}

// A Place is room for one job in a worker.
type Place struct {
	s *Shared
	w *sharer
}

// Worker is the worker.
func (p *Place) Worker() *Worker { return p.w.Worker }

// Free gives the place back. A worker that has no jobs for the time that Limits
// says is told to go, one that gets no more at once.
func (p *Place) Free() {
	s, w := p.s, p.w
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.jobs--; w.jobs > 0 {
		return
	}
	if !s.has(w) {
		w.dismiss()
		return
	}
	w.timer = time.AfterFunc(s.Limits.Idle, func() { s.expire(w) })
}

// expire tells a worker to go that still has no jobs.
func (s *Shared) expire(w *sharer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.jobs > 0 {
		return
	}
	for i, o := range s.workers {
		if o == w {
			s.workers = append(s.workers[:i], s.workers[i+1:]...)
			w.Dismiss()
			return
		}
	}
}

// Close tells workers to go when they have done their jobs.
func (s *Shared) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, w := range s.workers {
		if w.jobs == 0 {
			w.dismiss()
		}
	}
	s.workers = nil
}
