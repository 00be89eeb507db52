// Package commands reads the command lines of a network protocol and finds the
// function for each: the loop that SMTP and POP3 servers share. What the
// commands mean is not its business. Spec: spec/smtpd.md A2 and A3.
package commands

import (
	"bytes"
	"io"
)

const (
	inSize  = 32 << 10 // bytes read at once
	outSize = 4 << 10  // bytes collected before they are written
	// lineKept is how much of a command line is kept. A longer line is no
	// error, but what follows is read and dropped, so that no client can make
	// us fill the memory.
	lineKept = 1 << 20
	// longKept is how large a buffer for lines may stay between commands.
	longKept = 64 << 10
)

// A WriteError is a failure to write to the peer; every other error of a Conn
// comes from reading, or from a command.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return e.Err.Error() }

// Unwrap is the failure of the descriptor.
func (e *WriteError) Unwrap() error { return e.Err }

// A Conn is a buffered conversation with a client. What was put is written
// when the buffer is full, by Flush, and before anything is read from the peer,
// so that a batch of commands that came together is answered together.
type Conn struct {
	in   io.Reader
	out  io.Writer
	buf  []byte // what was read
	r, w int    // buf[r:w] is not used yet
	pend []byte // what is to be written
	long []byte // a line that did not come in one piece
}

// NewConn makes a Conn. The reader and the writer keep time limits themselves,
// if there are any.
func NewConn(in io.Reader, out io.Writer) *Conn {
	return &Conn{in: in, out: out, buf: make([]byte, inSize), pend: make([]byte, 0, outSize)}
}

// Replace goes on with another reader and writer, as after STARTTLS. Input that
// was read but not used is dropped: it came before the change, and must not be
// taken for something that came after it.
func (c *Conn) Replace(in io.Reader, out io.Writer) {
	c.in, c.out, c.r, c.w = in, out, 0, 0
}

// Renew makes the Conn one for another peer, of whose conversation with this one
// nothing is left: neither what was read and not used, nor what was put and not
// written, nor the bytes themselves.
func (c *Conn) Renew(in io.Reader, out io.Writer) {
	clear(c.buf)
	clear(c.pend[:cap(c.pend)])
	*c = Conn{in: in, out: out, buf: c.buf, pend: c.pend[:0]}
}

// Put adds to what is to be written.
func (c *Conn) Put(parts ...string) error {
	for _, s := range parts {
		if len(c.pend)+len(s) > outSize {
			if err := c.Flush(); err != nil {
				return err
			}
		}
		c.pend = append(c.pend, s...)
	}
	return nil
}

// Write adds p as Put does; more than fits is written at once, and not copied.
func (c *Conn) Write(p []byte) (int, error) {
	if len(c.pend)+len(p) > outSize {
		if err := c.Flush(); err != nil {
			return 0, err
		}
	}
	if len(p) <= outSize {
		c.pend = append(c.pend, p...)
		return len(p), nil
	}
	n, err := c.out.Write(p)
	if err != nil {
		return n, &WriteError{err}
	}
	return n, nil
}

// Flush writes what was put. After an error it is lost.
func (c *Conn) Flush() error {
	if len(c.pend) == 0 {
		return nil
	}
	_, err := c.out.Write(c.pend)
	c.pend = c.pend[:0]
	if err != nil {
		return &WriteError{err}
	}
	return nil
}

// Next returns input that is not used yet, at least one byte; if there is none
// it flushes and reads. The bytes are valid until the next call of any method.
func (c *Conn) Next() ([]byte, error) {
	for c.r == c.w {
		if err := c.Flush(); err != nil {
			return nil, err
		}
		n, err := c.in.Read(c.buf)
		c.r, c.w = 0, n
		if n == 0 && err != nil {
			return nil, err
		}
	}
	return c.buf[c.r:c.w], nil
}

// Discard marks the first n bytes of what Next returned as used.
func (c *Conn) Discard(n int) { c.r += n }

// Line reads one line and returns it without its end: LF, and one CR before
// it. cut tells that the line was longer than what is returned. The line is
// valid until the next call of any method. A line without LF at the end of the
// input is none: io.EOF.
func (c *Conn) Line() (line []byte, cut bool, err error) {
	if cap(c.long) > longKept {
		c.long = nil
	}
	c.long = c.long[:0]
	for {
		b, err := c.Next()
		if err != nil {
			return nil, false, err
		}
		end := bytes.IndexByte(b, '\n')
		if end >= 0 {
			c.Discard(end + 1)
			b = b[:end]
		} else {
			c.Discard(len(b))
		}
		if end >= 0 && len(c.long) == 0 {
			return withoutCR(b), false, nil
		}
		room := lineKept - len(c.long)
		cut = cut || len(b) > room
		c.long = append(c.long, b[:min(len(b), room)]...)
		if end >= 0 {
			if cut {
				return c.long, true, nil
			}
			return withoutCR(c.long), false, nil
		}
	}
}

// withoutCR is line without one CR at its end.
func withoutCR(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}
