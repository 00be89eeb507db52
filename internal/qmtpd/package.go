package qmtpd

import (
	"goqmail/internal/commands"
	"goqmail/internal/netstring"
	"goqmail/internal/qq"
)

// A session is the conversation with one client.
type session struct {
	conn  *commands.Conn
	in    *netstring.Reader
	conf  config
	now   func() int64            // Unix time
	queue func() (qq.Sink, error) // starts the queue program
}

// serve takes one package after another. The error is why the connection ended;
// it is never nil. A message that was not read whole then has no whole envelope,
// and is not queued.
func (s *session) serve() error {
	for {
		if err := s.take(); err != nil {
			_ = s.conn.Flush() // what was queued before is answered, if somebody listens
			return err
		}
	}
}

// take reads a package, queues it, and answers for each of its recipients.
func (s *session) take() error {
	n, err := s.in.Length()
	if err != nil {
		return err
	}
	if n == 0 {
		return netstring.ErrSyntax // there is no first byte
	}
	m, err := s.queue()
	if err != nil {
		return netstring.Trouble{Err: err}
	}
	_, _ = m.Write(s.conf.from.Append(nil, s.now())) // Close tells
	tooLarge, err := s.body(m, n)
	if err != nil {
		return err
	}
	sender, goodSender, err := s.sender()
	if err != nil {
		return err
	}
	if tooLarge || !goodSender {
		m.Fail()
	}
	m.From(sender)
	refusals, accepted, err := s.recipients(m)
	if err != nil {
		return err
	}
	if accepted == 0 {
		m.Fail()
	}
	result := m.Close()
	switch {
	case tooLarge:
		result = netstring.AnswerTooLarge
	case !goodSender:
		result = netstring.AnswerBadSender
	case result == "":
		result = netstring.Queued(s.now(), m.PID())
	}
	return s.answer(refusals, result)
}

// body reads the message, n bytes with its first and n > 0, and the comma.
func (s *session) body(m qq.Sink, n uint64) (tooLarge bool, err error) {
	first, err := s.in.Byte()
	if err != nil {
		return false, err
	}
	w := &bodyWriter{m: m, max: s.conf.maxBytes, crlf: first == netstring.LinesCRLF}
	switch n--; {
	case first != netstring.LinesLF && !w.crlf:
		return false, netstring.ErrSyntax
	case !w.crlf && w.max > 0 && n > w.max:
		w.put(nil, n) // too large before it is read
	}
	if err := s.in.Copy(w, n); err != nil {
		return false, err
	}
	w.put(w.lines.End(nil), 0)
	return w.tooLarge, s.in.Comma()
}

// A bodyWriter writes a message as far as it is not too large.
type bodyWriter struct {
	m         qq.Sink
	crlf      bool
	lines     netstring.LineDecoder
	size, max uint64 // bytes as stored; a max of 0 is no limit
	tooLarge  bool
	buf       []byte
}

func (w *bodyWriter) Write(p []byte) (int, error) {
	out := p
	if w.crlf {
		w.buf = w.lines.Append(w.buf[:0], p)
		out = w.buf
	}
	w.put(out, uint64(len(out)))
	return len(p), nil
}

// put stores b, which counts as n bytes more.
func (w *bodyWriter) put(b []byte, n uint64) {
	if w.size += max(n, uint64(len(b))); w.max > 0 && w.size > w.max {
		w.tooLarge = true
		w.m.Fail()
	}
	_, _ = w.m.Write(b) // Close tells
}

// sender reads the second string; ok is false for one that cannot be used.
func (s *session) sender() (sender string, ok bool, err error) {
	n, err := s.in.Length()
	if err != nil {
		return "", false, err
	}
	return s.in.Address(n, netstring.AddressMax)
}

// A refusal is what is wrong with a recipient.
type refusal byte

const (
	accepted refusal = iota
	badRecipient
	noRelay
)

// recipients reads the third string and gives what it accepts to m. There is a
// refusal for each recipient, a byte only: there may be many.
func (s *session) recipients(m qq.Sink) (all []refusal, good int, err error) {
	n, err := s.in.Length()
	if err != nil {
		return nil, 0, err
	}
	list := s.in.Inner(n)
	for list.Left() > 0 {
		rcpt, why, err := s.recipient(list)
		if err != nil {
			return nil, 0, err
		}
		if why == accepted {
			m.To(rcpt + s.conf.relay)
			good++
		}
		all = append(all, why)
	}
	return all, good, s.in.Comma()
}

// recipient reads one recipient.
func (s *session) recipient(list *netstring.Reader) (rcpt string, why refusal, err error) {
	n, err := list.Length()
	if err != nil {
		return "", accepted, err
	}
	if n >= list.Left() {
		return "", accepted, netstring.ErrSyntax // without waiting for what cannot come
	}
	// A RELAYCLIENT that is too long itself leaves room for nothing.
	relay := uint64(len(s.conf.relay))
	tooLong := n+relay > netstring.AddressMax
	rcpt, ok, err := list.Address(n, netstring.AddressMax)
	switch {
	case err != nil:
		return "", accepted, err
	case !ok, tooLong:
		return "", badRecipient, nil
	case s.conf.mayRelay:
		return rcpt, accepted, nil
	}
	ours, err := s.conf.hosts.Match(rcpt)
	switch {
	case err != nil:
		return "", accepted, netstring.Trouble{Err: err} // not knowing ends the session: the client tries again
	case !ours:
		return "", noRelay, nil
	}
	return rcpt, accepted, nil
}

// answer answers for each recipient; result is for those that were accepted.
func (s *session) answer(all []refusal, result string) error {
	texts := [...]string{accepted: result, badRecipient: netstring.AnswerBadRecipient, noRelay: netstring.AnswerNoRelay}
	var b []byte
	for _, why := range all {
		b = netstring.Append(b[:0], texts[why])
		if err := s.conn.Put(string(b)); err != nil {
			return err
		}
	}
	return nil
}
