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

	// With so many workers of a key at work, Get waits for one of them for so long
	// before it says that there is none; 0: it never waits.
	Enough   int
	Patience time.Duration
}

// A Pool keeps workers that do one job at a time and have none now, by what
// they are good for. The zero Pool with Limits is ready for use.
type Pool[K comparable] struct {
	Limits Limits

	mu     sync.Mutex
	idle   []waiting[K] // the longest idle first
	busy   map[K]int    // workers at work, or being started; only if Limits.Enough is set
	queued []queued[K]  // who waits for a worker, the longest first
	timer  *time.Timer
	ended  bool
}

// A queued caller of Get.
type queued[K comparable] struct {
	key K
	got chan *Worker // has room for one
}

// A waiting worker.
type waiting[K comparable] struct {
	w     *Worker
	key   K
	since time.Time
}

// Get takes a worker of the key and version out of the pool, the one that was
// used last; nil if there is none, and then the caller may start one. In both cases
// Put or, where Limits.Enough is set, Lose follows. Workers of the key that are of another version are told to go.
func (p *Pool[K]) Get(key K, v Version) *Worker {
	p.mu.Lock()
	w := p.take(key, v)
	if w != nil || p.Limits.Enough == 0 || p.busy[key] < p.Limits.Enough {
		p.count(key, 1)
		p.mu.Unlock()
		return w
	}
	q := queued[K]{key, make(chan *Worker, 1)}
	p.queued = append(p.queued, q)
	p.mu.Unlock()
	t := time.NewTimer(p.Limits.Patience)
	defer t.Stop()
	select {
	case w = <-q.got:
	case <-t.C:
		w = p.leave(q)
	}
	if w != nil && w.Version != v {
		w.Dismiss()
		return nil // it was counted
	}
	return w
}

// leave ends the wait of a caller; somebody may just have given it a worker.
func (p *Pool[K]) leave(q queued[K]) *Worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.queued {
		if p.queued[i].got == q.got {
			p.queued = append(p.queued[:i], p.queued[i+1:]...)
			p.count(q.key, 1)
			return nil
		}
	}
	return <-q.got
}

// count counts workers at work. The lock is held.
func (p *Pool[K]) count(key K, n int) {
	if p.Limits.Enough == 0 {
		return
	}
	if p.busy == nil {
		p.busy = map[K]int{}
	}
	if p.busy[key] += n; p.busy[key] == 0 {
		delete(p.busy, key)
	}
}

// Lose says that a worker of Get, or one that the caller was to start, does not
// come back.
func (p *Pool[K]) Lose(key K) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(key, -1)
}

// take is Get without waiting. The lock is held.
func (p *Pool[K]) take(key K, v Version) *Worker {
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
		p.count(key, -1)
		w.Dismiss()
		return
	}
	for i := range p.queued {
		if q := p.queued[i]; q.key == key {
			p.queued = append(p.queued[:i], p.queued[i+1:]...)
			q.got <- w // it stays counted
			return
		}
	}
	p.count(key, -1)
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
