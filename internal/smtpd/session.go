package smtpd

import (
	"net/netip"

	"goqmail/internal/commands"
	"goqmail/internal/qq"
	"goqmail/internal/queue"
	"goqmail/internal/smtp"
	"goqmail/internal/sys/sock"
)

// A session is the conversation with one client.
type session struct {
	conn  *commands.Conn
	conf  config
	local func() (sock.Addresses, error) // our own addresses
	now   func() int64                   // Unix time
	queue func() (qq.Sink, error)        // starts the queue program
	mail  transaction
	buf   *[]byte // memory for the message on its way
}

// A transaction is what the client said since MAIL.
type transaction struct {
	open      bool // MAIL was accepted, and DATA did not come yet
	sender    string
	badSender bool   // it is in badmailfrom
	rcpts     []byte // queue.LetterRecipient records, as the envelope has them
}

// serve greets the client and runs its commands. The error is why the session
// ended; it is never nil.
func (s *session) serve() error {
	if err := s.say(smtp.CodeReady, s.conf.greeting, smtp.GreetingMark); err != nil {
		return err
	}
	return commands.Serve(s.conn, s.verbs(), commands.Command{Do: s.always(smtp.AnswerUnknown), Flush: true})
}

// verbs is the table of commands; it has no state. Answers of MAIL, RCPT and
// RSET wait, so that a batch of them is answered at once.
func (s *session) verbs() []commands.Command {
	return []commands.Command{
		{Name: smtp.VerbRcpt, Do: s.rcpt},
		{Name: smtp.VerbMail, Do: s.mailFrom},
		{Name: smtp.VerbData, Do: s.data, Flush: true},
		{Name: smtp.VerbQuit, Do: s.quit, Flush: true},
		{Name: smtp.VerbHelo, Do: s.helo, Flush: true},
		{Name: smtp.VerbEhlo, Do: s.ehlo, Flush: true},
		{Name: smtp.VerbRset, Do: s.rset},
		{Name: smtp.VerbHelp, Do: s.always(smtp.AnswerHelp), Flush: true},
		{Name: smtp.VerbNoop, Do: s.always(smtp.AnswerOK), Flush: true},
		{Name: smtp.VerbVrfy, Do: s.always(smtp.AnswerVrfy), Flush: true},
	}
}

// say answers one line.
func (s *session) say(parts ...string) error {
	if err := s.conn.Put(parts...); err != nil {
		return err
	}
	return s.conn.Put(smtp.EOL)
}

// always makes a command that answers the same whatever its argument.
func (s *session) always(answer string) func(commands.Argument) error {
	return func(commands.Argument) error { return s.say(answer) }
}

func (s *session) quit(commands.Argument) error {
	if err := s.say(smtp.CodeClosing, s.conf.greeting); err != nil {
		return err
	}
	return errQuit
}

// hello notes the name the client gives itself; any transaction is over.
func (s *session) hello(a commands.Argument) {
	s.mail = transaction{}
	s.conf.from.Helo, s.conf.from.HasHelo = a.Text, true
}

func (s *session) helo(a commands.Argument) error {
	s.hello(a)
	return s.say(smtp.CodeOK, s.conf.greeting)
}

func (s *session) ehlo(a commands.Argument) error {
	s.hello(a)
	lines := append([]string{s.conf.greeting}, s.extensions()...)
	for i, l := range lines {
		code := smtp.CodeOKMore
		if i == len(lines)-1 {
			code = smtp.CodeOK
		}
		if err := s.say(code, l); err != nil {
			return err
		}
	}
	return nil
}

// extensions are the lines of the answer to EHLO after the first.
func (s *session) extensions() []string { return []string{smtp.ExtPipelining, smtp.Ext8BitMIME} }

func (s *session) rset(commands.Argument) error {
	s.mail = transaction{}
	return s.say(smtp.AnswerFlushed)
}

// path reads an address; ok is false when it is too long, or lies, at least in
// part, in the end of the line that was dropped. Only an address that names an IP
// address makes us look which ones are ours.
func (s *session) path(a commands.Argument) (addr string, ok bool, err error) {
	addr, ended := smtp.ParsePath(a.Text)
	if a.Cut && !ended {
		return "", false, nil
	}
	if s.conf.hasIPHost {
		addr = smtp.ReplaceLiteral(addr, s.conf.localIPHost, func(ip [4]byte) bool {
			local, lerr := s.local()
			if lerr != nil {
				err = &fatal{smtp.AnswerNoLocalIPs}
			}
			return lerr == nil && local.Contains(netip.AddrFrom4(ip))
		})
	}
	return addr, len(addr) <= smtp.PathMax, err
}

// mailFrom begins a transaction. What is wrong with a sender is said to each
// recipient: clients give up on a message for good more readily there.
func (s *session) mailFrom(a commands.Argument) error {
	addr, ok, err := s.path(a)
	if err != nil {
		return err
	}
	if !ok {
		return s.say(smtp.AnswerSyntax)
	}
	s.mail = transaction{open: true, sender: addr, badSender: s.isBadSender(addr), rcpts: s.mail.rcpts[:0]}
	return s.say(smtp.AnswerOK)
}

func (s *session) rcpt(a commands.Argument) error {
	if !s.mail.open {
		return s.say(smtp.AnswerMailFirst)
	}
	addr, ok, err := s.path(a)
	if err != nil {
		return err
	}
	if !ok {
		return s.say(smtp.AnswerSyntax)
	}
	for _, c := range checks {
		refusal, err := c(s, addr)
		if err != nil {
			return err
		}
		if refusal != "" {
			return s.say(refusal)
		}
	}
	if s.conf.mayRelay {
		addr += s.conf.relay
	}
	s.mail.rcpts = queue.AppendRecipient(s.mail.rcpts, addr)
	return s.say(smtp.AnswerOK)
}
