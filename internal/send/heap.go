package send

import "goqmail/internal/queue"

// An entry is a message waiting in one of the queues: sixteen bytes each, which
// is all the memory that an idle message takes in a channel.
type entry struct {
	time int64 // Unix seconds: not to be looked at before
	id   queue.ID
}

func (e entry) before(o entry) bool { return e.time < o.time }

// A slot is a delivery number; the lowest is taken first.
type slot int

func (s slot) before(o slot) bool { return s < o }

// A heap gives its smallest element; adding and taking cost O(log n). The zero
// heap is empty.
type heap[T interface{ before(T) bool }] []T

// push adds x.
func (h *heap[T]) push(x T) {
	a := append(*h, x)
	i := len(a) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !x.before(a[up]) {
			break
		}
		a[i], i = a[up], up
	}
	a[i] = x
	*h = a
}

// min is the smallest element; ok is false when there is none.
func (h heap[T]) min() (x T, ok bool) {
	if len(h) == 0 {
		return x, false
	}
	return h[0], true
}

// pop takes the smallest element of a heap that is not empty.
func (h *heap[T]) pop() T {
	a := *h
	top, last := a[0], a[len(a)-1]
	a = a[:len(a)-1]
	for i := 0; len(a) > 0; {
		down := 2*i + 1
		if down+1 < len(a) && a[down+1].before(a[down]) {
			down++
		}
		if down >= len(a) || !a[down].before(last) {
			a[i] = last
			break
		}
		a[i], i = a[down], down
	}
	*h = a
	return top
}
