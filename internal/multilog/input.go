package multilog

import (
	"io"

	"goqmail/internal/sys"
)

// An input reads descriptor 0 and, while it waits there, receives signals as
// bytes from a pipe.
//
// TERM ends the input after the line that is being read. What belongs to the
// lines after it is not taken from the descriptor: another multilog that has
// the same pipe as its input can go on with it. So, once TERM has come within a
// line, single bytes are read.
type input struct {
	fd      sys.FD
	signals sys.FD
	flush   func() // called before reading
	alarm   func() // called when ALRM has come
	step    func() // in tests: called before waiting

	buf    [inputSize]byte
	r, w   int   // buf[r:w] is not used yet
	atLine bool  // the last byte that was read ended a line, or none was read
	term   bool  // TERM has come
	ended  bool  // there is no more
	err    error // reading failed
}

// next returns what comes next, at least one byte; nothing at the end. It must
// be taken before the next call.
func (in *input) next() []byte {
	if in.r == in.w && !in.ended {
		in.ended = !in.fill()
	}
	return in.buf[in.r:in.w]
}

// take says that n bytes of next are used.
func (in *input) take(n int) { in.r += n }

// fill reads more; it is false at the end, after TERM, and on an error.
func (in *input) fill() bool {
	in.r, in.w = 0, 0
	in.flush()
	for {
		size := len(in.buf)
		if in.term {
			if in.atLine {
				return false
			}
			size = 1
		}
		if in.step != nil {
			in.step()
		}
		ready, err := sys.WaitAny([]sys.FD{in.fd, in.signals}, []int16{sys.Readable, sys.Readable}, -1)
		if err != nil {
			in.err = err
			return false
		}
		if ready[1] {
			in.signal()
			continue
		}
		if !ready[0] {
			continue
		}
		n, err := in.fd.Read(in.buf[:size])
		if err != nil {
			if err != io.EOF {
				in.err = err
			}
			return false
		}
		in.w = n
		in.atLine = in.buf[n-1] == '\n'
		return true
	}
}

// signal handles the signals in the pipe.
func (in *input) signal() {
	var b [64]byte
	n, _ := in.signals.Read(b[:]) // the pipe is readable and never closed
	for _, s := range b[:n] {
		switch s {
		case sawTerm:
			in.term = true
		case sawAlarm:
			in.alarm()
		}
	}
}
