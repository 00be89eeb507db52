package ucspitools

import (
	"time"

	"goqmail/internal/sys"
)

// pieceSize is how many bytes recordio and fixcrio read at once, as the C
// programs do: recordio's lines depend on it.
const pieceSize = 256

// lastLook is how long the relay waits, once the program has closed its output,
// to see whether it has closed its input as well, which it has if it has ended.
const lastLook = 50 * time.Millisecond

// A stream is one direction of a relay: from -> edit -> to. It holds at most one
// piece.
type stream struct {
	from, to sys.FD
	edit     filter // nil: nothing is changed
	note     func(piece []byte)
	end      func() // at the end of the input, not after a broken output; may be nil

	pending []byte // edited, to be written
	buf     [pieceSize]byte
	edited  []byte // the memory of pending
	closed  bool
}

// close gives both ends up: to says the end to its reader, and from tells its
// writer, if that goes on, that nobody listens any more.
func (s *stream) close() {
	_, _ = s.from.Close(), s.to.Close() // pipes and sockets: nothing is kept in them
	s.closed = true
}

// take reads the next piece.
func (s *stream) take() {
	n, err := s.from.Read(s.buf[:])
	if err != nil { // EOF, or a connection that broke: the program can only be told the end
		if s.end != nil {
			s.end()
		}
		s.close()
		return
	}
	piece := s.buf[:n]
	if s.note != nil {
		s.note(piece)
	}
	s.pending = piece
	if s.edit != nil {
		s.edited = s.edit(s.edited[:0], piece)
		s.pending = s.edited
	}
}

// give writes what is pending, or a part of it.
func (s *stream) give() {
	n, err := s.to.WriteSome(s.pending)
	if err != nil {
		s.close() // nobody reads it any more
		return
	}
	s.pending = s.pending[n:]
}

// A relay stands between the network and a program that reads and writes pipes:
//
//	in   descriptor 0 -> the program's input
//	out  the program's output -> descriptor 1
//
// The directions are independent. What one side closes is closed on the other:
// the end of descriptor 0 is the end of the program's input, while its output
// goes on; a program that closes its input can write, one that closes its output
// can read, and one whose output nobody takes is told when it writes. (The C
// programs end with the program's output, and lose output after the program has
// closed its input.)
type relay struct{ in, out *stream }

// run copies until the program has closed both pipes, or the streams have ended.
func (r *relay) run() error {
	for last := false; !r.in.closed || !r.out.closed; {
		if r.out.closed && !last {
			last = true
			if gone, err := watch(r.in.to, lastLook); gone || err != nil {
				return err
			}
		}
		if err := r.step(-1); err != nil {
			return err
		}
	}
	return nil
}

// begin passes on the input that is there already, as far as the pipe holds it.
func (r *relay) begin() error {
	for !r.in.closed {
		fd, event := r.in.next()
		if ready, err := fd.Wait(event, 0); !ready || err != nil {
			return err
		}
		r.in.move()
	}
	return nil
}

// watch tells whether the reader of a pipe goes within d.
func watch(pipe sys.FD, d time.Duration) (gone bool, err error) {
	ready, err := sys.WaitAny([]sys.FD{pipe}, []int16{0}, d)
	return len(ready) > 0 && ready[0], err
}

// step waits for something to do and does it, input first, as the C programs do.
func (r *relay) step(limit time.Duration) error {
	fds, events := make([]sys.FD, 0, 3), make([]int16, 0, 3)
	add := func(fd sys.FD, event int16) int {
		fds, events = append(fds, fd), append(events, event)
		return len(fds) - 1
	}
	in, gone, out := -1, -1, -1 // places in fds
	if !r.in.closed {
		in = add(r.in.next())
		if len(r.in.pending) == 0 {
			gone = add(r.in.to, 0) // an error says that the program does not read
		}
	}
	if !r.out.closed {
		out = add(r.out.next())
	}
	ready, err := sys.WaitAny(fds, events, limit)
	if err != nil {
		return err
	}
	switch { // what is there is read, and noted, even if it goes nowhere
	case in >= 0 && ready[in]:
		r.in.move()
	case gone >= 0 && ready[gone]:
		r.in.close()
	}
	if out >= 0 && ready[out] {
		r.out.move()
	}
	return nil
}

// next is what the stream waits for.
func (s *stream) next() (sys.FD, int16) {
	if len(s.pending) > 0 {
		return s.to, sys.Writable
	}
	return s.from, sys.Readable
}

// move does what the stream was ready for.
func (s *stream) move() {
	if len(s.pending) > 0 {
		s.give()
		return
	}
	s.take()
}
