package rblsmtpd

import (
	"bytes"
	"time"

	"goqmail/internal/address"
	"goqmail/internal/commands"
	"goqmail/internal/prog"
	"goqmail/internal/smtp"
	"goqmail/internal/sys"
)

// Codes that refuse, with a blank.
const (
	codeLater = "451 "
	codeNever = "553 "
)

// Replies of the session, in the original's words.
const (
	replyGreeting = "220 rblsmtpd.local" + smtp.EOL
	replyOK       = "250 rblsmtpd.local" + smtp.EOL
	replyQuit     = "221 rblsmtpd.local" + smtp.EOL
)

// Limits in bytes.
const (
	textMax = 200 // of the message
	ipMax   = 60  // of the address in the log
)

// reply is the reply that refuses, without its end: code and text.
func (v verdict) reply() string {
	code := codeLater
	if v.never {
		code = codeNever
	}
	return code + clean(v.text, textMax)
}

// clean cuts a text that strangers may have chosen, and makes everything in it a
// question mark that could end a line of SMTP or of the log, or is not ASCII.
func clean(s string, most int) string {
	return string(address.Printable(s[:min(len(s), most)], '?'))
}

// refuse is the session with a client who is refused. It ends with QUIT, with
// the input, or with the time. Without time it is one line.
func refuse(p *prog.Process, reply string, limit time.Duration) {
	if limit == 0 {
		p.Say(1, reply, smtp.EOL)
		return
	}
	end := time.Now().Add(limit)
	serve(commands.NewConn(until{p.FD(0), end}, until{p.FD(1), end}), reply+smtp.EOL)
}

// until reads and writes a descriptor up to a time.
type until struct {
	fd  sys.FD
	end time.Time
}

// timed is the descriptor with what is left of the time.
func (u until) timed() sys.Timed {
	return sys.Timed{FD: u.fd, Limit: max(time.Until(u.end), time.Nanosecond)}
}

func (u until) Read(p []byte) (int, error)  { return u.timed().Read(p) }
func (u until) Write(p []byte) (int, error) { return u.timed().Write(p) }

// serve answers commands until one of them, or an error, ends the session.
func serve(c *commands.Conn, refusal string) {
	if c.Put(replyGreeting) != nil {
		return
	}
	for {
		line, _, err := c.Line()
		if err != nil {
			_ = c.Flush() // the input may have ended alone
			return
		}
		verb, _, _ := bytes.Cut(line, []byte{' '})
		answer := refusal
		switch {
		case is(verb, smtp.VerbQuit):
			_ = c.Put(replyQuit) // nobody is left to be told
			_ = c.Flush()
			return
		case is(verb, smtp.VerbHelo), is(verb, smtp.VerbEhlo), is(verb, smtp.VerbMail), is(verb, smtp.VerbRset), is(verb, smtp.VerbNoop):
			answer = replyOK
		}
		if c.Put(answer) != nil {
			return
		}
	}
}

// is tells whether a command has a name.
func is(verb []byte, name string) bool { return address.EqualFold(string(verb), name) }
