// Package qmqpd is qmail-qmqpd: it takes one message by QMQP and hands it to the
// queue program. Whoever reaches it may send to everybody.
//
// Spec: spec/qmtp-qmqp.md section 3.
package qmqpd

import (
	"time"

	"goqmail/internal/commands"
	"goqmail/internal/header"
	"goqmail/internal/netstring"
	"goqmail/internal/prog"
	"goqmail/internal/qq"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sig"
)

// lifetime is how long a connection may last.
const lifetime = 3600 * time.Second

// prefixMax is how many bytes the length of the outer string may take, its colon
// included.
const prefixMax = 100

// Run is qmail-qmqpd.
func Run(p *prog.Process) int { return run(p, lifetime) }

// run is Run with another lifetime.
func run(p *prog.Process, lifetime time.Duration) int {
	// An unfinished envelope is all that this leaves: nothing is queued.
	alarm := time.AfterFunc(lifetime, func() { sys.Exit(netstring.ExitTrouble) })
	defer alarm.Stop()
	sig.Ignore(sig.PIPE)
	home, err := sys.Cwd().OpenSearchDir(p.Home)
	if err != nil {
		return netstring.ExitTrouble
	}
	_ = home.Close() // only to know that it is there
	s := &session{
		conn:  commands.NewConn(p.FD(0), p.FD(1)),
		from:  header.NewReceived("QMQP", p.Env.Get),
		now:   func() int64 { return p.Now().Unix() },
		queue: qq.Opener(qq.Config{Home: p.Home, Env: p.Env.List()}),
	}
	return netstring.ExitCode(s.serve())
}

// A session is the conversation with one client.
type session struct {
	conn  *commands.Conn
	from  header.Received
	now   func() int64            // Unix time
	queue func() (qq.Sink, error) // starts the queue program
}

// serve reads the message, queues and answers it. After an error there is no
// answer, and the message has no whole envelope: it is not queued.
func (s *session) serve() error {
	in := netstring.NewReader(s.conn)
	n, err := in.Inner(prefixMax).Length()
	if err != nil {
		return err
	}
	m, err := s.queue()
	if err != nil {
		return netstring.Trouble{Err: err}
	}
	good, err := s.content(m, in.Inner(n))
	if err != nil {
		return err
	}
	if err := in.Comma(); err != nil {
		return err
	}
	if !good {
		m.Fail()
	}
	result := m.Close()
	switch {
	case !good:
		result = netstring.AnswerBadAddress
	case result == "":
		result = netstring.Queued(s.now(), m.PID())
	}
	if err := s.conn.Put(string(netstring.Append(nil, result))); err != nil {
		return err
	}
	return s.conn.Flush()
}

// content reads what is in the outer string: message, sender, recipients. good
// is false when an address cannot be used.
func (s *session) content(m qq.Sink, in *netstring.Reader) (good bool, err error) {
	n, err := in.Length()
	if err != nil {
		return false, err
	}
	_, _ = m.Write(s.from.Append(nil, s.now())) // Close tells
	if err := in.Copy(m, n); err != nil {
		return false, err
	}
	if err := in.Comma(); err != nil {
		return false, err
	}
	sender, good, err := address(in)
	if err != nil {
		return false, err
	}
	m.From(sender)
	for in.Left() > 0 {
		rcpt, ok, err := address(in)
		if err != nil {
			return false, err
		}
		m.To(rcpt)
		good = good && ok
	}
	return good, nil
}

// address reads a sender or recipient; ok is false for one that cannot be used.
func address(in *netstring.Reader) (addr string, ok bool, err error) {
	n, err := in.Length()
	if err != nil {
		return "", false, err
	}
	return in.Address(n, netstring.AddressMax)
}
