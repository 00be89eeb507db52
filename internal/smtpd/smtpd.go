// Package smtpd is qmail-smtpd: it speaks SMTP with one client and hands each
// message it takes to the queue program.
//
//	smtpd.go    start and end of the process
//	config.go   control files and environment
//	session.go  the commands
//	checks.go   what refuses a recipient
//	data.go     the message
//	worker.go   several clients, one after the other
//
// Spec: spec/smtpd.md part A.
package smtpd

import (
	"errors"
	"sync"
	"time"

	"goqmail/internal/commands"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/qq"
	"goqmail/internal/smtp"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sig"
	"goqmail/internal/sys/sock"
	"goqmail/internal/worker"
)

// Exit codes.
const (
	exitQuit = 0 // the client said QUIT
	exitElse = 1 // everything else
)

// Run is qmail-smtpd.
func Run(p *prog.Process) int {
	sig.Ignore(sig.PIPE)
	if o := worker.Offered(p.Args[0], pipe.MarkSMTPD); o != nil {
		return serve(p, o)
	}
	return run(p, sync.OnceValues(sock.LocalAddresses), &kept{})
}

// A kept is what stays in the process when a client has gone: memory, wiped, and
// the qmail-queue that takes several messages. The zero kept is ready for use.
type kept struct {
	keeper qq.Keeper
	conn   *commands.Conn
	body   []byte // for session.body
}

// renew gives a connection for a new client, who finds nothing of the last one.
func (k *kept) renew(in, out sys.Timed) *commands.Conn {
	clear(k.body[:cap(k.body)])
	if k.conn == nil {
		k.conn = commands.NewConn(in, out)
	} else {
		k.conn.Renew(in, out)
	}
	return k.conn
}

// run serves one client. localAddresses finds our own addresses.
func run(p *prog.Process, localAddresses func() (sock.Addresses, error), k *kept) int {
	conf, err := readConfig(p.Home, p.Env)
	if conf.hosts != nil {
		defer conf.hosts.Close()
	}
	limit := conf.timeout
	if err != nil {
		limit = defaultTimeout * time.Second
	}
	conn := k.renew(
		sys.Timed{FD: p.FD(0), Limit: limit, Alone: true},
		sys.Timed{FD: p.FD(1), Limit: limit, NotSocket: !p.FD(1).IsSocket()},
	)
	if err != nil {
		return end(conn, &fatal{smtp.AnswerNoControls})
	}
	s := &session{
		conn: conn, conf: conf, local: localAddresses, now: func() int64 { return p.Now().Unix() },
		buf: &k.body, queue: k.keeper.Opener(qq.Config{Home: p.Home, Env: p.Env.List(), Alone: true}),
	}
	return end(conn, s.serve())
}

// errQuit ends a session as the client asked.
var errQuit = errors.New("quit")

// A fatal error ends the session after an answer.
type fatal struct{ answer string }

func (f *fatal) Error() string { return f.answer }

// end says what is to be said about the end of a session and returns the exit
// code. A client that went away, or does not take our answers, is told nothing.
func end(conn *commands.Conn, err error) int {
	var f *fatal
	var w *commands.WriteError
	answer := ""
	switch {
	case err == errQuit:
		if conn.Flush() != nil {
			return exitElse
		}
		return exitQuit
	case errors.As(err, &f):
		answer = f.answer
	case !errors.As(err, &w) && sys.IsTimeout(err):
		answer = smtp.AnswerTimeout
	}
	if answer != "" && conn.Put(answer, smtp.EOL) == nil {
		_ = conn.Flush() // nothing can be done about a client who does not listen
	}
	return exitElse
}
