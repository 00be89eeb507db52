package analog

import (
	"bytes"
	"io"
)

// Longest lines, in bytes, that are looked at as a whole; longer ones are
// copied or left away piece by piece. A line of qmail-send is never longer than
// about 12,000 (a report has at most 10,000). matchup makes one line of up to
// three.
const (
	logLine    = 1 << 16
	reportLine = 4 * logLine
)

// lines reads lines of any length into a buffer of fixed size.
type lines struct {
	in         io.Reader
	buf        []byte
	start, end int   // what is read and not given out
	inside     bool  // the piece given out last was not the end of its line
	err        error // of the last read
}

// newLines reads in; lines of up to max bytes are given out whole.
func newLines(in io.Reader, max int) *lines { return &lines{in: in, buf: make([]byte, max+1)} }

// A piece is a line or a part of one, without the LF. The bytes are good until
// the next call.
type piece struct {
	text        []byte
	first, last bool // of its line; both for a line that is not too long
}

// next gives the next piece. The end of the input is io.EOF; what comes after the
// last LF is a line, unless it is empty.
func (l *lines) next() (piece, error) {
	for {
		b := l.buf[l.start:l.end]
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			l.start += i + 1
			return l.give(b[:i], true), nil
		}
		if len(b) == len(l.buf) {
			l.start, l.end = 0, 0
			return l.give(b, false), nil
		}
		if l.err != nil {
			if len(b) > 0 || l.inside {
				l.start = l.end
				return l.give(b, true), nil
			}
			return piece{}, l.err
		}
		l.fill()
	}
}

// fill reads more, with the bytes that are left moved to the front if there is
// no room behind them.
func (l *lines) fill() {
	if l.start == l.end {
		l.start, l.end = 0, 0
	}
	if l.end == len(l.buf) {
		l.end = copy(l.buf, l.buf[l.start:l.end])
		l.start = 0
	}
	var n int
	n, l.err = l.in.Read(l.buf[l.end:])
	l.end += n
}

func (l *lines) give(b []byte, last bool) piece {
	p := piece{b, !l.inside, last}
	l.inside = !last
	return p
}

// each calls whole with each line that is not too long, and long with each piece
// of those that are.
func (l *lines) each(whole func(line []byte) error, long func(p piece) error) error {
	for {
		p, err := l.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fail("unable to read input", err)
		}
		if p.first && p.last {
			err = whole(p.text)
		} else {
			err = long(p)
		}
		if err != nil {
			return err
		}
	}
}
