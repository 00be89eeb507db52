package mailtools

import (
	"io"
	"strconv"

	"goqmail/internal/prog"
	"goqmail/internal/qq"
	"goqmail/internal/sys"
)

// Forward is forward, for .qmail files: it queues the message on descriptor 0,
// from where that stands, with $DTLINE before it, from $NEWSENDER to the
// addresses in its arguments. Spec: spec/local.md section 12.
func Forward(p *prog.Process) int {
	return requeue(p, "forward", "NEWSENDER", p.Args[1:], exitOK)
}

// requeue queues the rest of descriptor 0, with $DTLINE before it, from the
// sender that a variable names, to rcpts. It says how that went, in the name of
// the program that it works for, and returns done if the message is queued.
func requeue(p *prog.Process, name, senderVar string, rcpts []string, done int) int {
	fatal := name + ": fatal: "
	sender, ok := p.Env.Get(senderVar)
	if !ok {
		return p.Die(exitPermanent, fatal, senderVar, " not set")
	}
	dtline, ok := p.Env.Get("DTLINE")
	if !ok {
		return p.Die(exitPermanent, fatal, "DTLINE not set")
	}
	m, err := qq.Open(qq.Config{Home: p.Home, Env: p.Env.List()})
	if err != nil {
		return p.Die(exitTemporary, fatal, "unable to fork: ", sys.ErrText(err))
	}
	_, _ = m.Write([]byte(dtline)) // a failure shows in Close
	if _, err := io.Copy(m, p.FD(0)); err != nil {
		m.Fail()
		_ = m.Close() // nothing is queued, as it should be
		return p.Die(exitTemporary, fatal, "unable to read message: ", sys.ErrText(err))
	}
	m.From(sender)
	for _, rcpt := range rcpts {
		m.To(rcpt)
	}
	if res := m.Close(); res != "" {
		code := exitTemporary
		if res[0] == 'D' {
			code = exitPermanent
		}
		return p.Die(code, fatal, res[1:])
	}
	return p.Die(done, name, ": qp ", strconv.Itoa(m.PID()))
}
