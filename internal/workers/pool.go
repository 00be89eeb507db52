package workers

import (
	"sync"
	"time"
)

// Limits are how long a worker is kept.
type Limits struct {
	Jobs int           // that it may do in its life
	Age  time.Duration // after which it gets no more jobs
	Idle time.Duration // without a job, after which it is told to go
	Keep int           // workers without a job that are kept in all
}

// A Pool keeps workers that do one job at a time and have none now, by what
// they are good for. The zero Pool with Limits is ready for use.
type Pool[K comparable] struct {
	Limits Limits

	mu    sync.Mutex
	idle  []waiting[K] // the longest idle first
	timer *time.Timer
	ended bool
}

// A waiting worker.
type waiting[K comparable] struct {
	w     *Worker
	key   K
	since time.Time
}

// Get takes a worker of the key and version out of the pool, the one that was
// used last; nil if there is none. Workers of the key that are of another
// version are told to go.
func (p *Pool[K]) Get(key K, v Version) *Worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var got *Worker
	kept := p.idle[:0]
	for i := len(p.idle) - 1; i >= 0; i-- {
		e := p.idle[i]
		if e.key != key {
			continue
		}
		if e.w.Version == v && got == nil && e.w.usable(p.Limits, now) {
			got = e.w
		} else if e.w.Version == v && e.w.usable(p.Limits, now) {
			continue
		} else {
			e.w.Dismiss()
		}
		p.idle[i].w = nil
	}
	for _, e := range p.idle {
		if e.w != nil {
			kept = append(kept, e)
		}
	}
	p.idle = kept
	return got
}

// Put gives a worker without jobs back. One that is past its limits, or one too
// many, is told to go.
func (p *Pool[K]) Put(key K, w *Worker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.ended || !w.usable(p.Limits, now) {
		w.Dismiss()
		return
	}
	p.idle = append(p.idle, waiting[K]{w, key, now})
	if len(p.idle) > p.Limits.Keep {
		p.idle[0].w.Dismiss()
		p.idle = append(p.idle[:0], p.idle[1:]...)
	}
	if p.timer == nil {
		p.timer = time.AfterFunc(p.Limits.Idle, p.expire)
	}
}

// expire tells those to go that were idle for too long.
func (p *Pool[K]) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	n := 0
	for n < len(p.idle) && now.Sub(p.idle[n].since) >= p.Limits.Idle {
		p.idle[n].w.Dismiss()
		n++
	}
	p.idle = append(p.idle[:0], p.idle[n:]...)
	p.timer = nil
	if len(p.idle) > 0 {
		p.timer = time.AfterFunc(p.Limits.Idle-now.Sub(p.idle[0].since), p.expire)
	}
}

// Close tells all idle workers to go, and those that are put back later too.
func (p *Pool[K]) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for _, e := range p.idle {
		e.w.Dismiss()
	}
	p.idle = nil
}
