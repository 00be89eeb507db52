package pop3d

import (
	"bytes"
	"io"

	"goqmail/internal/sys"
)

const (
	wholeBody = -1       // lines of the body: all
	blockSize = 32 << 10 // bytes of a file read at once
)

// send sends a file that had size bytes. The first lines of the body are sent, or
// all if lines is wholeBody. A message that fits goes out in one write. A file that cannot be read to its end ends the session: the client
// must not take what it got for the message.
func (s *session) send(name string, size, lines int64) error {
	// Nobody waits for the writer of a FIFO that somebody put there.
	fd, err := s.dir.Open(name, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return s.say(answerNoOpen)
	}
	defer func() { _ = fd.Close() }() // read only
	if s.in == nil {
		s.in = make([]byte, blockSize)
	}
	e := encoder{left: lines}
	out := append(s.out[:0], answerOK...)
	for got, end := int64(0), false; !end && !e.done; {
		n, err := fd.Read(s.in)
		if err != nil && err != io.EOF {
			_, _ = s.conn.Write(out) // as C: the client sees an answer that does not end
			return err
		}
		// As much as there was at the start, and then less than asked for: no
		// second read is needed to know that it is all.
		got += int64(n)
		end = err == io.EOF || got == size && n < len(s.in)
		if out = e.append(out, s.in[:n]); len(out) >= blockSize {
			if _, err := s.conn.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
	}
	s.out = e.finish(out)
	_, err = s.conn.Write(s.out)
	return err
}

// An encoder turns a message into the rest of an answer to RETR or TOP:
//
//	each line, LF as CR LF, a dot put before it if it begins with one
//	CR LF  .  CR LF
//
// The empty line before the last one is always there: C qmail sends it. A last
// line without LF gets CR LF. CR is a byte as any other, so a line that ends in
// CR LF is sent with CR CR LF. The body begins after the first empty line.
type encoder struct {
	left   int64 // lines of the body still to be sent; wholeBody: all
	inLine bool  // something of the current line was sent
	inBody bool
	done   bool // nothing more is to be sent of the message
}

// append adds the encoding of the next part of the message.
func (e *encoder) append(b, msg []byte) []byte {
	for len(msg) > 0 && !e.done {
		if !e.inLine && e.inBody && e.left == 0 {
			e.done = true
			return b
		}
		if !e.inLine && msg[0] == '.' {
			b = append(b, '.')
		}
		end := bytes.IndexByte(msg, '\n')
		if end < 0 {
			e.inLine = true
			return append(b, msg...)
		}
		b = append(append(b, msg[:end]...), "\r\n"...)
		if e.inBody && e.left > 0 {
			e.left--
		}
		e.inBody = e.inBody || end == 0 && !e.inLine
		e.inLine, msg = false, msg[end+1:]
	}
	return b
}

// finish adds what follows the message.
func (e *encoder) finish(b []byte) []byte {
	if e.inLine {
		b = append(b, "\r\n"...)
	}
	return append(b, "\r\n.\r\n"...)
}
