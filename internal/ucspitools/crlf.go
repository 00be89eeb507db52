package ucspitools

import (
	"io"

	"goqmail/internal/prog"
)

// filterSize is how many bytes addcr and delcr read at once.
const filterSize = 8192

// A filter turns the next piece of a stream into what is to be written for it,
// appended to dst. At the stream's end it is called with nil, for what it held
// back.
type filter func(dst, piece []byte) []byte

// Addcr is addcr: it copies descriptor 0 to 1 with a CR before each LF, whatever
// stands before that.
func Addcr(p *prog.Process) int { return pipe(p, addCR) }

// Delcr is delcr: it copies descriptor 0 to 1 without one CR before each LF. It
// undoes Addcr. A CR at the very end stays, since addcr added none there. (The
// original's manual says otherwise; the original does this.)
func Delcr(p *prog.Process) int { return pipe(p, delCR()) }

// pipe copies descriptor 0 to 1 through a filter. What is there is passed on at
// once, for a person may wait for it. No error has a text.
func pipe(p *prog.Process, f filter) int {
	if p.FD(0).WasClosed() {
		return exitFailed
	}
	in := make([]byte, filterSize)
	out := make([]byte, 0, 2*filterSize)
	for {
		n, err := p.FD(0).Read(in)
		switch {
		case err == io.EOF:
			out = f(out[:0], nil)
		case err != nil:
			return exitFailed
		default:
			out = f(out[:0], in[:n])
		}
		if len(out) > 0 {
			if _, werr := p.FD(1).Write(out); werr != nil {
				return exitFailed
			}
		}
		if err == io.EOF {
			return exitOK
		}
	}
}

// addCR puts a CR before each LF.
func addCR(dst, piece []byte) []byte {
	for _, c := range piece {
		if c == '\n' {
			dst = append(dst, '\r')
		}
		dst = append(dst, c)
	}
	return dst
}

// delCR makes a filter that takes one CR before each LF away.
func delCR() filter {
	held := false // a CR was read and not written yet
	return func(dst, piece []byte) []byte {
		if piece == nil && held {
			held = false
			return append(dst, '\r')
		}
		for _, c := range piece {
			if held && c != '\n' {
				dst = append(dst, '\r')
			}
			if held = c == '\r'; !held {
				dst = append(dst, c)
			}
		}
		return dst
	}
}

// fixCR makes a filter that puts a CR before each LF that has none.
func fixCR() filter {
	last := byte(0)
	return func(dst, piece []byte) []byte {
		for _, c := range piece {
			if c == '\n' && last != '\r' {
				dst = append(dst, '\r')
			}
			dst = append(dst, c)
			last = c
		}
		return dst
	}
}
