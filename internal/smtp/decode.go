package smtp

import (
	"bytes"
	"errors"
)

// ErrBareLF says that a client sent an LF without CR inside a message. It is
// not clear then where lines and message end, so nothing may be taken.
var ErrBareLF = errors.New("bare LF")

// A BodyDecoder turns what follows the DATA command into the message: CR LF
// becomes LF, one dot at the start of a line is dropped, and CR LF . CR LF ends
// it. A CR that no LF follows passes as it is. What preceded is the state:
//
//	state             LF       CR              .        other byte
//	lineStart         bare LF  -> heldCR       -> dot   emit -> inLine
//	inLine            bare LF  -> heldCR       emit     emit
//	dot               bare LF  -> dotCR        emit     emit -> inLine
//	dotCR             the end  emit . CR       emit . CR and the byte -> inLine
//	                           -> heldCR
//	heldCR            emit LF  emit CR         emit CR and the byte -> inLine
//	                  -> lineStart
//
// Spec: spec/smtpd.md A7; RFC 5321, 4.5.2. The zero value begins a message.
type BodyDecoder struct{ state bodyState }

type bodyState byte

const (
	lineStart bodyState = iota
	inLine
	dot    // a dot at the start of a line, which is dropped unless a CR follows
	dotCR  // that and a CR
	heldCR // a CR
)

// Append decodes in and adds the result to b. n is how much of in belongs to
// the message; done says that it ended there, and what follows in in are
// commands. ErrBareLF ends everything.
func (d *BodyDecoder) Append(b, in []byte) (out []byte, n int, done bool, err error) {
	lf := -1 // the next LF at or after n; len(in): none
	for n < len(in) {
		if d.state == inLine {
			if lf < n {
				if lf = bytes.IndexByte(in[n:], '\n'); lf < 0 {
					lf = len(in)
				} else {
					lf += n
				}
			}
			// Up to the next CR, which is usually the one before that LF.
			end := lf
			if end > n && end < len(in) && in[end-1] == '\r' && bytes.IndexByte(in[n:end-1], '\r') < 0 {
				b = append(append(b, in[n:end-1]...), '\n')
				n, d.state = end+1, lineStart
				continue
			}
			if i := bytes.IndexByte(in[n:end], '\r'); i >= 0 {
				end = n + i
			}
			b = append(b, in[n:end]...)
			if n = end; n == len(in) {
				break
			}
		}
		c := in[n]
		n++
		b, done, err = d.step(b, c)
		if done || err != nil {
			return b, n, done, err
		}
	}
	return b, n, false, nil
}

// step is the table above for one byte.
func (d *BodyDecoder) step(b []byte, c byte) (out []byte, done bool, err error) {
	switch d.state {
	case lineStart, inLine, dot:
		switch {
		case c == '\n':
			return b, false, ErrBareLF
		case c == '\r' && d.state == dot:
			d.state = dotCR
			return b, false, nil
		case c == '\r':
			d.state = heldCR
			return b, false, nil
		case c == '.' && d.state == lineStart:
			d.state = dot
			return b, false, nil
		}
	case dotCR:
		if c == '\n' {
			d.state = lineStart
			return b, true, nil
		}
		b = append(b, '.', '\r')
	case heldCR:
		if c == '\n' {
			d.state = lineStart
			return append(b, '\n'), false, nil
		}
		b = append(b, '\r')
	}
	if c == '\r' { // only after a CR that is out now
		d.state = heldCR
		return b, false, nil
	}
	d.state = inLine
	return append(b, c), false, nil
}
