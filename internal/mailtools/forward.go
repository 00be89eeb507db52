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
	const fatal = "forward: fatal: "
	sender, ok := p.Env.Get("NEWSENDER")
	if !ok {
		return p.Die(exitPermanent, fatal, "NEWSENDER not set")
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
	for _, rcpt := range p.Args[1:] {
		m.To(rcpt)
	}
	if res := m.Close(); res != "" {
		code := exitTemporary
		if res[0] == 'D' {
			code = exitPermanent
		}
		return p.Die(code, fatal, res[1:])
	}
	return p.Die(exitOK, "forward: qp ", strconv.Itoa(m.PID()))
}
