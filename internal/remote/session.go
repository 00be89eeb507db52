package remote

import (
	"errors"
	"io"

	"goqmail/internal/pipe"
	"goqmail/internal/smtp"
)

// Sizes in bytes.
const (
	replyBuffer = 2048
	bodyBuffer  = 32 << 10 // of the message at a time; encoded, it is at most twice that
)

// A session is the client's side of an SMTP connection. Commands go one at a
// time. After errDied nothing more can be done with it.
type session struct {
	conn io.ReadWriteCloser
	peer string // IP address, for texts

	in      []byte // read and not looked at yet
	buf     [replyBuffer]byte
	text    []byte // of a message, as it was read
	wire    []byte // and encoded
	decoder smtp.ReplyDecoder

	// critical: the end of the message may have reached the server, but its
	// answer has not come.
	critical bool
	sent     bool // the end of the last message has reached the server, and its answer us

	// used: this is not the first message. Then every reply must be of the kind
	// that belongs to its command: if the server once said something that it was
	// not asked, all replies after it are taken for others.
	used bool
}

// errDied: the connection broke, timed out, or the peer does not speak SMTP.
var errDied = errors.New("connection died")

func newSession(conn io.ReadWriteCloser, peer string) *session {
	return &session{conn: conn, peer: peer}
}

func (s *session) close() { _ = s.conn.Close() } // everything is said

// reply reads the server's next reply.
func (s *session) reply() (smtp.Reply, error) {
	for {
		for i, c := range s.in {
			done, err := s.decoder.Push(c)
			if err != nil {
				return smtp.Reply{}, errDied
			}
			if done {
				s.in = s.in[i+1:]
				return s.decoder.Take(), nil
			}
		}
		n, err := s.conn.Read(s.buf[:])
		if err != nil {
			return smtp.Reply{}, errDied
		}
		s.in = s.buf[:n]
	}
}

// inStep tells whether a reply can be the one to a command that succeeds with
// code.
func (s *session) inStep(r smtp.Reply, code int) bool {
	return !s.used || r.Code >= smtp.CodeTemporary || r.Code/100 == code/100
}

// silent tells whether the server has said nothing that it was not asked, as far
// as can be seen without waiting.
func (s *session) silent() bool {
	c, ok := s.conn.(interface{ Silent() bool })
	return len(s.in) == 0 && (!ok || c.Silent())
}

// command sends one and reads the reply.
func (s *session) command(b []byte) (smtp.Reply, error) {
	if _, err := s.conn.Write(b); err != nil {
		return smtp.Reply{}, errDied
	}
	return s.reply()
}

// quit takes leave. That it may fail changes nothing: what became of the
// message is known.
func (s *session) quit() { _, _ = s.conn.Write([]byte(smtp.CmdQuit)) }

// died is the verdict for errDied.
func (s *session) died() verdict {
	text := "Connected to " + s.peer + " but connection died. "
	if s.critical {
		text += "Possible duplicate! "
	}
	return verdict{deferral, text + "(#4.4.2)\n"}
}

// said is a text with the server's reply.
func said(text string, r smtp.Reply) string {
	return text + "\nRemote host said: " + r.Text
}

// refused is the verdict for a reply of 400 or more.
func refused(r smtp.Reply, text string) verdict {
	if r.Code >= smtp.CodePermanent {
		return verdict{failure, said(text, r)}
	}
	return verdict{deferral, said(text, r)}
}

// hello waits for the greeting and introduces us. A zero verdict means that the
// server is ready for a message; after any other but died, quit.
func (s *session) hello(name string) (verdict, error) {
	r, err := s.reply()
	if err != nil {
		return verdict{}, err
	}
	if r.Code != smtp.CodeGreeting {
		return verdict{deferral, said("Connected to "+s.peer+" but greeting failed.", r)}, nil
	}
	if r, err = s.command(smtp.AppendHelo(nil, name)); err != nil {
		return verdict{}, err
	}
	if r.Code != smtp.CodeHello {
		return verdict{deferral, said("Connected to "+s.peer+" but my name was rejected.", r)}, nil
	}
	return verdict{}, nil
}

// envelope names sender and recipients; each recipient's report is added to
// out. A zero verdict means that at least one was accepted.
func (s *session) envelope(sender string, recipients []string, out *report) (verdict, error) {
	r, err := s.command(smtp.AppendMail(nil, sender))
	if err != nil {
		return verdict{}, err
	}
	if r.Code >= smtp.CodeTemporary {
		return refused(r, "Connected to "+s.peer+" but sender was rejected."), nil
	}
	accepted := false
	for _, rcpt := range recipients {
		r, err := s.command(smtp.AppendRcpt(nil, rcpt))
		switch text := s.peer + " does not like recipient."; {
		case err != nil:
			return verdict{}, err
		case r.Code >= smtp.CodePermanent:
			out.add(pipe.RecipientRefused, said(text, r))
		case r.Code >= smtp.CodeTemporary:
			out.add(pipe.RecipientDeferred, said(text, r))
		default:
			out.add(pipe.RecipientAccepted, "")
			accepted = true
		}
	}
	if !accepted {
		// The recipients' own reports decide; this one has no reply text.
		return verdict{failure, "Giving up on " + s.peer + ".\n"}, nil
	}
	return verdict{}, nil
}

// data sends the message. errAbandoned: its verdict stands, but the server
// still waits for more, so there is no QUIT.
func (s *session) data(message io.Reader) (verdict, error) {
	s.sent = false
	r, err := s.command([]byte(smtp.CmdData))
	if err != nil || !s.inStep(r, smtp.CodeGoAhead) {
		return verdict{}, errDied
	}
	if r.Code >= smtp.CodeTemporary {
		return refused(r, s.peer+" failed on DATA command."), nil
	}
	if v, err := s.body(message); err != nil {
		return v, err
	}
	if r, err = s.reply(); err != nil || !s.inStep(r, smtp.CodeHello) {
		return verdict{}, errDied
	}
	s.critical, s.sent = false, true
	if r.Code >= smtp.CodeTemporary {
		return refused(r, s.peer+" failed after I sent the message."), nil
	}
	return verdict{success, said(s.peer+" accepted message.", r)}, nil
}

// errAbandoned: the message could not be sent to its end.
var errAbandoned = errors.New("message not sent to its end")

// body sends the message's text and end. What is encoded is kept back until
// there is enough for a write, so that a small message goes in one.
func (s *session) body(message io.Reader) (verdict, error) {
	var e smtp.BodyEncoder
	if s.text == nil {
		s.text, s.wire = make([]byte, bodyBuffer), make([]byte, 0, 3*bodyBuffer)
	}
	out := s.wire[:0]
	defer func() { s.wire = out }()
	for {
		n, err := message.Read(s.text)
		out = e.Append(out, s.text[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return noRead, errAbandoned
		}
		if len(out) < bodyBuffer {
			continue
		}
		if _, err := s.conn.Write(out); err != nil {
			return verdict{}, errDied
		}
		out = out[:0]
	}
	out, err := e.Finish(out)
	if err != nil {
		return partialLine, errAbandoned
	}
	s.critical = true
	if _, err := s.conn.Write(out); err != nil {
		return verdict{}, errDied
	}
	return verdict{}, nil
}

// converse delivers the message on a fresh connection.
func (d *delivery) converse(s *session) verdict {
	v, err := s.hello(d.helo)
	if err == nil && v == (verdict{}) {
		v, err = s.envelope(d.sender, d.recipients, d.report)
	}
	if err == nil && v == (verdict{}) {
		v, err = s.data(d.message)
	}
	switch err {
	case nil:
		s.quit()
	case errDied:
		v = s.died()
	}
	return v
}
