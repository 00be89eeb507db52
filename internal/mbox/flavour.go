package mbox

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"

	"goqmail/internal/header"
)

// ErrFormat is what Detect and a Reader return for what is no mbox.
var ErrFormat = errors.New("not an mbox")

// A Flavour is a way to keep messages in an mbox apart. In all of them a line
// "From SENDER DATE" stands before each message and, mostly, an empty line after
// it. What a message has of such lines itself is the difference.
type Flavour int

// The flavours.
const (
	RD  Flavour = iota // > before each line that is any number of > and "From ": qmail's, as Quoter writes it
	O                  // > before each line that begins with "From "
	CL                 // as O, and a Content-Length field counts the body's bytes
	CL2                // no >; only Content-Length tells where the body ends
)

// flavourNames are the names that mbox(5) of many systems has.
var flavourNames = [...]string{RD: "mboxrd", O: "mboxo", CL: "mboxcl", CL2: "mboxcl2"}

// ParseFlavour returns the flavour of that name: mboxrd, mboxo, mboxcl, mboxcl2.
func ParseFlavour(name string) (f Flavour, ok bool) {
	for i, s := range flavourNames {
		if s == name {
			return Flavour(i), true
		}
	}
	return RD, false
}

// String is the flavour's name.
func (f Flavour) String() string { return flavourNames[f] }

// counted tells whether Content-Length counts.
func (f Flavour) counted() bool { return f == CL || f == CL2 }

// maxLine is how much of a line is looked at, in bytes. Longer lines come in
// pieces.
const maxLine = 64 << 10

// lines reads lines in pieces of at most maxLine bytes.
type lines struct {
	in    *bufio.Reader
	pos   int64 // of the next piece, from where in began
	inner bool  // the next piece is not the first of its line
}

func newLines(in io.Reader) *lines { return &lines{in: bufio.NewReaderSize(in, maxLine)} }

// next is the next piece of at most most bytes, valid until the next call. first
// tells that a line begins with it. At the end the error is io.EOF.
func (l *lines) next(most int64) (piece []byte, first bool, err error) {
	first = !l.inner
	have, _ := l.in.Peek(l.in.Buffered()) // there already
	n := bytes.IndexByte(have, '\n') + 1
	if n == 0 && int64(len(have)) < most {
		have, err = l.in.Peek(maxLine)
		n = bytes.IndexByte(have, '\n') + 1
	}
	if n == 0 {
		n = len(have)
	}
	if n == 0 {
		return nil, first, err
	}
	n = int(min(int64(n), most))
	_, _ = l.in.Discard(n) // they are there
	l.pos += int64(n)
	l.inner = have[n-1] != '\n'
	return have[:n], first, nil
}

// unlimited is the most of next where nothing but the line's end counts.
const unlimited = math.MaxInt64

// isEmpty tells whether a line has nothing but its end.
func isEmpty(line []byte) bool { return string(line) == "\n" || string(line) == "\r\n" }

// isFrom tells whether a line begins with "From ".
func isFrom(line []byte) bool { return bytes.HasPrefix(line, []byte(from)) }

// contentLength reads the value of a Content-Length field, whose line this may
// be: decimal digits with blanks around them.
func contentLength(line []byte) (n int64, ok bool) {
	if header.FieldOf(line) != header.FieldContentLength {
		return 0, false
	}
	value := bytes.Trim(header.FieldBody(line), " \t\r\n")
	for _, c := range value {
		if c < '0' || c > '9' || n > math.MaxInt64/10-1 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(value) > 0
}

// Detect finds out what flavour an mbox has. It is CL or CL2 only if every
// message has a Content-Length field that leads to the next message, or to the
// end: a sender may have put any number into such a field, and in an mbox of
// another flavour it is still there. CL2 is one of these in which a message has
// a line that begins with "From ". RD and O cannot be told apart; it is RD then.
//
// An mbox begins with "From ", after empty lines perhaps; without a byte it is
// one too. The error is ErrFormat or that of reading.
func Detect(in io.Reader) (Flavour, error) {
	l := newLines(in)
	quotes := true // no message has a line "From "
	for n := 0; ; n++ {
		line, err := skipEmpty(l)
		switch {
		case err == io.EOF && n == 0:
			return RD, nil // empty
		case err == io.EOF && quotes:
			return CL, nil
		case err == io.EOF:
			return CL2, nil
		case err != nil:
			return RD, err
		case !isFrom(line) && n == 0:
			return RD, ErrFormat
		case !isFrom(line):
			return RD, nil // the last length was wrong
		}
		raw, ok, err := skipMessage(l)
		if err != nil {
			return RD, err
		}
		if !ok {
			return RD, nil
		}
		quotes = quotes && !raw
	}
}

// skipEmpty returns the first piece of the next line that is not empty, in which
// no message begins if it is nil.
func skipEmpty(l *lines) ([]byte, error) {
	for {
		line, first, err := l.next(unlimited)
		switch {
		case err != nil:
			return nil, err
		case !first:
			return nil, nil
		case !isEmpty(line):
			return line, nil
		}
	}
}

// skipMessage reads one message, after its From_ line, to the end that its
// Content-Length gives. It is not ok without such a field, or if no line can end
// there. raw tells that a line of the body begins with "From ".
func skipMessage(l *lines) (raw, ok bool, err error) {
	if l.inner { // the rest of an endless From_ line
		return false, false, nil
	}
	var length int64
	for found := false; ; {
		line, first, err := l.next(unlimited)
		if err != nil {
			return false, false, noEOF(err)
		}
		if !first {
			continue
		}
		if isEmpty(line) {
			if !found {
				return false, false, nil
			}
			break
		}
		if n, ok := contentLength(line); ok && !found {
			length, found = n, true
		}
	}
	for length > 0 {
		line, first, err := l.next(length)
		if err != nil {
			return false, false, noEOF(err)
		}
		raw = raw || first && isFrom(line)
		length -= int64(len(line))
	}
	ok, err = endLine(l)
	return raw, ok, err
}

// endLine reads the end of a line whose last byte is no LF; it is not ok if
// there is more of the line. Another line may follow or not.
func endLine(l *lines) (ok bool, err error) {
	if !l.inner {
		return true, nil
	}
	l.inner = false
	line, _, err := l.next(unlimited)
	return err == io.EOF || err == nil && isEmpty(line), noEOF(err)
}

// noEOF is err, but nil for the end of the file.
func noEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
