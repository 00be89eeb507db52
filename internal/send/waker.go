package send

import (
	"sync"

	"goqmail/internal/sys"
)

// A waker is a pipe that ends a wait for a descriptor. Nothing is written to it
// but by poke; closing it makes it readable for good.
type waker struct {
	r    sys.FD
	w    sys.FD
	once sync.Once
}

func newWaker() (*waker, error) {
	r, w, err := sys.Pipe()
	return &waker{r: r, w: w}, err
}

// close ends all waits from now on.
func (k *waker) close() {
	k.once.Do(func() { _ = k.w.Close() }) // nothing was written that matters
}

// poke ends one wait, so that the waiter looks at the clock again. It must not
// be called after close.
func (k *waker) poke() { _, _ = k.w.Write([]byte{0}) }

// drain takes one poke out; it must only be called when the pipe is readable.
func (k *waker) drain() {
	var b [1]byte
	_, _ = k.r.Read(b[:]) // the end of the file shows in the stop channel
}
