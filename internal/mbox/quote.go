package mbox

import (
	"bytes"
	"io"
)

// from is what begins the line before a message. A line of a message that looks
// like one, with any number of > before it, gets one more >.
const from = "From "

// A Quoter copies a message into an mbox: it puts a > before each line that is
// any number of > followed by "From ", ends the last line with LF, and adds the
// empty line that every message in an mbox ends with. The message may come in
// any pieces; call Close after the last.
//
// Removing one > from each line that matches >+From gives the message back.
type Quoter struct {
	out    io.Writer
	buf    []byte
	middle bool // the line can no longer match
	match  int  // bytes of from seen after the line's > characters
	open   bool // the last byte was not LF
}

// NewQuoter returns a Quoter that writes to out.
func NewQuoter(out io.Writer) *Quoter { return &Quoter{out: out} }

// Write takes the next piece of the message. The error is that of the writer.
func (q *Quoter) Write(p []byte) (int, error) {
	q.buf = q.buf[:0]
	if len(p) > 0 {
		q.open = p[len(p)-1] != '\n'
	}
	for i := 0; i < len(p); {
		if q.middle {
			n := bytes.IndexByte(p[i:], '\n') + 1
			if n == 0 {
				n = len(p) - i
			} else {
				q.middle = false
			}
			q.buf = append(q.buf, p[i:i+n]...)
			i += n
			continue
		}
		c := p[i]
		switch {
		case c == '>' && q.match == 0:
			// The additional > may stand anywhere among these.
			q.buf = append(q.buf, c)
			i++
		case c == from[q.match]:
			i++
			if q.match++; q.match == len(from) {
				q.buf = append(append(q.buf, '>'), from...)
				q.match, q.middle = 0, true
			}
		default:
			q.flushMatch() // c is looked at again as part of the line
		}
	}
	if _, err := q.out.Write(q.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// flushMatch gives the bytes up that might have begun "From ".
func (q *Quoter) flushMatch() {
	q.buf = append(q.buf, from[:q.match]...)
	q.match, q.middle = 0, true
}

// Close writes what belongs after the message. It does not close the writer.
func (q *Quoter) Close() error {
	q.buf = q.buf[:0]
	q.flushMatch()
	if q.open {
		q.buf = append(q.buf, '\n')
	}
	_, err := q.out.Write(append(q.buf, '\n'))
	return err
}
