package smtpd

import (
	"strconv"

	"goqmail/internal/commands"
	"goqmail/internal/header"
	"goqmail/internal/pipe"
	"goqmail/internal/qq"
	"goqmail/internal/queue"
	"goqmail/internal/smtp"
)

// data takes one message. Whatever becomes of it, the client must say MAIL
// again for the next.
func (s *session) data(commands.Argument) error {
	switch {
	case !s.mail.open:
		return s.say(smtp.AnswerMailFirst)
	case len(s.mail.rcpts) == 0:
		return s.say(smtp.AnswerRcptFirst)
	}
	s.mail.open = false
	m, err := s.queue()
	if err != nil {
		return s.say(smtp.AnswerNoQueue)
	}
	if err := s.say(smtp.AnswerGoAhead); err != nil {
		return giveUp(m, err)
	}
	_, _ = m.Write(s.conf.from.Append(nil, s.now())) // Close tells
	looping, tooLarge, err := s.body(m)
	if err != nil {
		return giveUp(m, err)
	}
	if looping || tooLarge {
		m.Fail()
	}
	m.From(s.mail.sender)
	for rest := s.mail.rcpts; ; {
		r, next, ok := queue.NextRecord(rest)
		if !ok {
			break
		}
		m.To(r.Text)
		rest = next
	}
	result := m.Close()
	switch {
	case result == "":
		return s.say(smtp.PrefixQueued, strconv.FormatInt(s.now(), 10), smtp.PrefixQP, strconv.Itoa(m.PID()))
	case looping:
		return s.say(smtp.AnswerTooManyHops)
	case tooLarge:
		return s.say(smtp.AnswerTooLarge)
	case result[0] == pipe.Failure:
		return s.say(smtp.CodeNever, result[1:])
	}
	return s.say(smtp.CodeNotNow, result[1:])
}

// giveUp ends the queue program of a session that ends with err. Without an
// envelope nothing is queued. The process may have other clients after this one.
func giveUp(m qq.Sink, err error) error {
	m.Fail()
	_ = m.Close() // nobody is told
	return err
}

// body reads the message up to its end and writes it to m, as far as it is not
// too large. An error ends the session.
func (s *session) body(m qq.Sink) (looping, tooLarge bool, err error) {
	var dec smtp.BodyDecoder
	var hops hopCounter
	var size uint64
	for {
		in, err := s.conn.Next()
		if err != nil {
			return false, false, err
		}
		out, n, done, err := dec.Append((*s.buf)[:0], in)
		if err != nil {
			return false, false, &fatal{smtp.AnswerBareLF}
		}
		*s.buf = out
		hops.wire(in[:n])
		s.conn.Discard(n)
		if size += uint64(len(out)); s.conf.maxBytes > 0 && size > s.conf.maxBytes {
			tooLarge = true
			m.Fail()
		}
		_, _ = m.Write(out) // Close tells
		if done {
			return hops.Looping(), tooLarge, nil
		}
	}
}

// A hopCounter counts trace fields in a message as it is on the wire, where
// lines end in CR LF. A line that the client dot-stuffed does not count: it
// begins with a dot here.
type hopCounter struct {
	header.HopCounter
	cr bool // a CR was seen, and what follows not yet
}

// wire takes the next bytes. After the header they are not looked at.
func (h *hopCounter) wire(b []byte) {
	for _, c := range b {
		if !h.InHeader() {
			return
		}
		if h.cr && c != '\n' {
			h.Push('\r')
		}
		if h.cr = c == '\r'; !h.cr {
			h.Push(c)
		}
	}
}
