// Package netstring is the strings of QMTP and QMQP, and what both protocols
// say around them: messages, addresses, answers. It is not a client or server.
//
//	LEN ":" BYTES ","     "5:hello,"
//
// LEN is decimal. Writers put no zeros in front; readers take any number of
// them, and no digit at all as 0. Spec: spec/qmtp-qmqp.md.
package netstring

import (
	"errors"
	"io"
	"strconv"
)

// MaxLength is the longest string, in bytes, that every reader takes.
const MaxLength = 2_000_000_000

// lengthStop: a character after a number above it is refused.
const lengthStop = MaxLength / 10

var (
	// ErrSyntax is what is no netstring: a length character that is no digit, a
	// byte in the place of the comma that is none, or more than its container
	// holds.
	ErrSyntax = errors.New("not a netstring")

	// ErrTooLarge is a length that nobody takes.
	ErrTooLarge = errors.New("netstring too long")
)

// A Length reads LEN ":" byte by byte.
type Length struct{ n uint64 }

// Push takes one byte; done tells that it was the colon. Errors are ErrSyntax
// and ErrTooLarge.
func (l *Length) Push(c byte) (done bool, err error) {
	switch {
	case c == ':':
		return true, nil
	case l.n > lengthStop:
		return false, ErrTooLarge
	case c < '0' || c > '9':
		return false, ErrSyntax
	}
	l.n = 10*l.n + uint64(c-'0')
	return false, nil
}

// Append adds s as a netstring.
func Append(b []byte, s string) []byte {
	return append(append(AppendLength(b, uint64(len(s))), s...), Comma)
}

// AppendLength adds the beginning of a netstring of n bytes; the bytes and a
// Comma must follow.
func AppendLength(b []byte, n uint64) []byte {
	return append(strconv.AppendUint(b, n, 10), ':')
}

// Size is how many bytes a netstring of n bytes has in all.
func Size(n uint64) uint64 {
	return uint64(len(AppendLength(nil, n))) + n + 1
}

// Comma ends a netstring.
const Comma = ','

// A Source is where a Reader has its bytes from. Next returns at least one that
// is not used yet, valid until its next call; Discard marks them as used.
type Source interface {
	Next() ([]byte, error)
	Discard(n int)
}

// A Reader takes netstrings apart as they come: a string may be larger than
// memory. Errors are ErrSyntax, ErrTooLarge and those of the Source.
type Reader struct {
	src     Source
	bounded bool
	left    uint64 // if bounded
}

// NewReader reads from src.
func NewReader(src Source) *Reader { return &Reader{src: src} }

// Inner reads the content of a string of n bytes, whose length was read. It
// finds ErrSyntax at its end. What is behind is r's, once Inner has no byte left.
func (r *Reader) Inner(n uint64) *Reader { return &Reader{src: r.src, bounded: true, left: n} }

// Left is how many bytes an Inner reader has to read.
func (r *Reader) Left() uint64 { return r.left }

// take returns at least one byte and at most max, which is not 0.
func (r *Reader) take(max uint64) ([]byte, error) {
	if r.bounded {
		if r.left == 0 {
			return nil, ErrSyntax
		}
		max = min(max, r.left)
	}
	b, err := r.src.Next()
	if err != nil {
		return nil, err
	}
	if uint64(len(b)) > max {
		b = b[:max]
	}
	r.src.Discard(len(b))
	if r.bounded {
		r.left -= uint64(len(b))
	}
	return b, nil
}

// Byte reads one byte of content.
func (r *Reader) Byte() (byte, error) {
	b, err := r.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// Length reads the beginning of a string up to its colon.
func (r *Reader) Length() (uint64, error) {
	var l Length
	for {
		c, err := r.Byte()
		if err != nil {
			return 0, err
		}
		if done, err := l.Push(c); done || err != nil {
			return l.n, err
		}
	}
}

// Comma reads the end of a string.
func (r *Reader) Comma() error {
	c, err := r.Byte()
	if err == nil && c != Comma {
		err = ErrSyntax
	}
	return err
}

// Copy reads n bytes of content and gives them to w, whose errors do not count.
func (r *Reader) Copy(w io.Writer, n uint64) error {
	for n > 0 {
		b, err := r.take(n)
		if err != nil {
			return err
		}
		n -= uint64(len(b))
		_, _ = w.Write(b) // a writer that failed knows it; the client must be read on
	}
	return nil
}

// Address reads n bytes of content, an envelope address, and the comma. ok is
// false if they are more than max, or a NUL is among them, which would end the
// address in the envelope.
func (r *Reader) Address(n, max uint64) (addr string, ok bool, err error) {
	if n > max {
		if err := r.Copy(io.Discard, n); err != nil {
			return "", false, err
		}
		return "", false, r.Comma()
	}
	var a text
	if err := r.Copy(&a, n); err != nil {
		return "", false, err
	}
	for _, c := range a {
		if c == 0 {
			return "", false, r.Comma()
		}
	}
	return string(a), true, r.Comma()
}

// text is bytes that are collected.
type text []byte

func (t *text) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	return len(p), nil
}
