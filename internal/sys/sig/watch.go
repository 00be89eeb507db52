package sig

import (
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// barrier is a signal that means nothing. Its number is higher than those of
// the signals that are watched, since the Go run-time hands on signals that
// arrive together in the order of their numbers.
const barrier = syscall.SIGWINCH

// syncMax is how long Sync waits at most.
const syncMax = 100 * time.Millisecond

// A Source gives signals one by one, as Notify does, and can say that there are
// none on their way.
type Source struct {
	C <-chan Signal

	mu     sync.Mutex // held by Sync
	passed chan struct{}
}

// Watch returns a Source of the signals.
func Watch(which ...Signal) *Source {
	in := make(chan os.Signal, 64)
	for _, s := range which {
		signal.Notify(in, s)
	}
	signal.Notify(in, barrier)
	out := make(chan Signal, 16)
	src := &Source{C: out, passed: make(chan struct{}, 1)}
	go func() {
		for s := range in {
			switch n, ok := s.(syscall.Signal); {
			case !ok:
			case n != barrier:
				out <- n
			default:
				select {
				case src.passed <- struct{}{}:
				default:
				}
			}
		}
	}()
	return src
}

// Sync returns when the signals that this process was sent before the call are
// in C. A single-threaded program sees a signal before whatever was written to
// it after the signal; here the signal passes through several threads and can
// come later. Sync takes about 50 microseconds, and C may be read meanwhile.
//
// It sends the barrier to its own thread, which makes the thread take all
// signals that the process has not taken yet, and waits for the barrier to come
// out at the other end, behind them. It does so three times, for a signal that
// another thread was just taking; only one that is held up there all the time
// still comes later.
func (s *Source) Sync() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range 3 {
		s.pass()
	}
}

// pass sends one barrier through.
func (s *Source) pass() {
	select {
	case <-s.passed: // of a Sync that gave up, or of somebody else's SIGWINCH
	default:
	}
	runtime.LockOSThread()
	err := unix.Tgkill(unix.Getpid(), unix.Gettid(), barrier)
	runtime.UnlockOSThread()
	if err != nil {
		return
	}
	t := time.NewTimer(syncMax)
	defer t.Stop()
	select {
	case <-s.passed:
	case <-t.C:
	}
}
