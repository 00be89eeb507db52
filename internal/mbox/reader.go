package mbox

import (
	"bytes"
	"errors"
	"io"

	"goqmail/internal/header"
)

// A Reader takes an mbox apart: Next, Copy, Next, Copy and so on. It needs the
// same memory for every mbox.
//
// A message is what stands between two From_ lines, without the quoting of its
// flavour and without the empty line that writers put after it, if that is
// there. In RD and O such a line begins with "From " and has a date, or stands
// after an empty line and before a header field; any other line "From ..." is
// one of the message. In CL and CL2 Content-Length decides, and is left out.
// Where the From_ line ends in CR LF, so do all lines of the message, and the CR
// goes. A last line without LF gets one, but not in CL and CL2.
type Reader struct {
	l       *lines
	flavour Flavour
	from    []byte // line before the next message
	began   bool   // Next was called
	ended   bool   // there is no next message
}

// NewReader returns a Reader of an mbox of that flavour.
func NewReader(in io.Reader, flavour Flavour) *Reader {
	return &Reader{l: newLines(in), flavour: flavour}
}

// Pos is how much of the mbox was read by the Next and Copy so far, in bytes.
func (r *Reader) Pos() int64 { return r.l.pos }

// Next goes to the next message, once the one before was copied, and returns its
// From_ line, valid until the next call; of an endless line it is the beginning.
// After the last message the error is io.EOF. It is ErrFormat where no message
// can begin.
func (r *Reader) Next() (from []byte, err error) {
	if !r.began {
		r.began = true
		if err := r.find(); err != nil {
			return nil, err
		}
	}
	if r.ended {
		return nil, io.EOF
	}
	return r.from, nil
}

// find reads the From_ line that must come next.
func (r *Reader) find() error {
	line, err := skipEmpty(r.l)
	switch {
	case err == io.EOF:
		r.ended = true
	case err != nil:
		return err
	case !isFrom(line):
		return ErrFormat
	default:
		r.setFrom(line)
	}
	return nil
}

// setFrom notes the From_ line whose first piece was read, and passes over the
// others.
func (r *Reader) setFrom(line []byte) {
	r.from = append(r.from[:0], line...)
	for r.l.inner {
		more, _, err := r.l.next(unlimited)
		if err != nil {
			return // the end, or an error that the next call gives again
		}
		r.from = append(r.from[:len(line)], more[max(0, len(more)-2):]...) // its end
	}
}

// A writeError is the error of the writer that Copy was given.
type writeError struct{ error }

// Unwrap gives the writer's own error.
func (e writeError) Unwrap() error { return e.error }

// IsWriteError tells whether an error of Copy is that of its writer.
func IsWriteError(err error) bool {
	var w writeError
	return errors.As(err, &w)
}

// Copy writes the message that Next found. The error is that of out, as
// IsWriteError tells, or of reading, or ErrFormat.
func (r *Reader) Copy(out io.Writer) error {
	w := &messageWriter{out: out, crlf: bytes.HasSuffix(r.from, []byte("\r\n"))}
	var err error
	if r.flavour.counted() {
		err = r.copyCounted(w)
	} else {
		err = r.copyQuoted(w)
	}
	if err == nil || err == io.EOF {
		r.ended = err == io.EOF
		err = w.end(!r.flavour.counted())
	}
	if w.err != nil {
		return writeError{w.err}
	}
	return err
}

// copyQuoted copies to the next From_ line. The error is io.EOF at the end of
// the mbox.
func (r *Reader) copyQuoted(w *messageWriter) error {
	var empty []byte // an empty line that may be the one after the message
	for {
		line, first, err := r.l.next(unlimited)
		if err != nil {
			return err
		}
		if first {
			if isFrom(line) {
				line = bytes.Clone(line) // separates looks ahead
				if r.separates(line, len(empty) > 0) {
					r.setFrom(line)
					return nil
				}
			}
			w.write(empty)
			empty = empty[:0]
			if string(line) == "\n" || w.crlf && isEmpty(line) {
				empty = append(empty, line...)
				continue
			}
			line = unquoteLine(line, r.flavour)
		}
		if w.write(line); w.err != nil {
			return w.err
		}
	}
}

// separates tells whether a line that begins with "From " stands before a
// message.
func (r *Reader) separates(line []byte, afterEmpty bool) bool {
	if _, ok := header.FromDate(line); ok {
		return true
	}
	if !afterEmpty || r.l.inner {
		return false
	}
	next, _ := r.l.in.Peek(maxName) // an error comes again
	if i := bytes.IndexByte(next, '\n'); i >= 0 {
		next = next[:i]
	}
	_, ok := header.FieldName(next)
	return ok
}

// maxName is the longest name of a header field that separates looks for.
const maxName = 1000

// unquoteLine is a line, or its first piece, without the > of its flavour.
func unquoteLine(line []byte, flavour Flavour) []byte {
	if len(line) == 0 || line[0] != '>' {
		return line
	}
	rest := line[1:]
	if flavour == RD {
		rest = bytes.TrimLeft(rest, ">")
	}
	if flavour == CL2 || !isFrom(rest) {
		return line
	}
	return line[1:]
}

// copyCounted copies the header, but for Content-Length, and as many bytes of
// the body as that says, and reads the next From_ line. The error is io.EOF at
// the end of the mbox.
func (r *Reader) copyCounted(w *messageWriter) error {
	length, found := int64(0), false
	for skip := false; ; {
		line, first, err := r.l.next(unlimited)
		if err != nil {
			return wrongEnd(err)
		}
		if first && isEmpty(line) {
			w.write(line)
			break
		}
		if first && line[0] != ' ' && line[0] != '\t' {
			var n int64
			if n, skip = contentLength(line); skip && !found {
				length, found = n, true
			}
		}
		if !skip {
			w.write(line)
		}
	}
	if !found {
		return ErrFormat
	}
	for length > 0 && w.err == nil {
		line, first, err := r.l.next(length)
		if err != nil {
			return wrongEnd(err)
		}
		length -= int64(len(line))
		if first && r.flavour == CL {
			line = unquoteLine(line, CL)
		}
		w.write(line)
	}
	if w.err != nil {
		return w.err
	}
	if ok, err := endLine(r.l); !ok || err != nil {
		if err == nil {
			err = ErrFormat
		}
		return err
	}
	if err := r.find(); err != nil || !r.ended {
		return err
	}
	return io.EOF
}

// wrongEnd is ErrFormat for the end of an mbox where it should not be.
func wrongEnd(err error) error {
	if err == io.EOF {
		return ErrFormat
	}
	return err
}

// A messageWriter writes a message in pieces. The first error stays.
type messageWriter struct {
	out  io.Writer
	crlf bool // lines end in CR LF: drop the CR

	cr   bool // a CR waits for what follows
	open bool // the last byte written was not LF
	err  error
}

// write adds a piece, which ends in the LF of its line or has none.
func (w *messageWriter) write(piece []byte) {
	if w.cr && len(piece) > 0 {
		w.cr = false
		if piece[0] != '\n' {
			w.put([]byte{'\r'})
		}
	}
	if w.crlf {
		if line, ok := bytes.CutSuffix(piece, []byte("\r\n")); ok {
			w.put(line)
			piece = []byte{'\n'}
		} else if line, ok := bytes.CutSuffix(piece, []byte{'\r'}); ok {
			w.cr = true
			piece = line
		}
	}
	w.put(piece)
}

func (w *messageWriter) put(b []byte) {
	if len(b) == 0 || w.err != nil {
		return
	}
	_, w.err = w.out.Write(b)
	w.open = b[len(b)-1] != '\n'
}

// end ends the message; a last line without LF gets one if it is to have one.
func (w *messageWriter) end(line bool) error {
	if w.cr {
		w.put([]byte{'\r'})
	}
	if line && w.open {
		w.put([]byte{'\n'})
	}
	return w.err
}
