// Package qmtpd is qmail-qmtpd: it takes messages by QMTP and hands each to the
// queue program.
//
//	qmtpd.go    start and end of the process, configuration
//	package.go  one message with its envelope
//
// Spec: spec/qmtp-qmqp.md section 2.
package qmtpd

import (
	"time"

	"goqmail/internal/commands"
	"goqmail/internal/control"
	"goqmail/internal/header"
	"goqmail/internal/netstring"
	"goqmail/internal/prog"
	"goqmail/internal/qq"
	"goqmail/internal/queue"
	"goqmail/internal/rcpthosts"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sig"
)

// lifetime is how long a connection may last.
const lifetime = 3600 * time.Second

// Run is qmail-qmtpd.
func Run(p *prog.Process) int { return run(p, lifetime) }

// run is Run with another lifetime.
func run(p *prog.Process, lifetime time.Duration) int {
	// An unfinished envelope is all that this leaves: nothing is queued.
	alarm := time.AfterFunc(lifetime, func() { sys.Exit(netstring.ExitTrouble) })
	defer alarm.Stop()
	sig.Ignore(sig.PIPE)
	conf, err := readConfig(p.Home, p.Env)
	if err != nil {
		return netstring.ExitTrouble
	}
	defer conf.hosts.Close()
	conn := commands.NewConn(p.FD(0), p.FD(1))
	s := &session{
		conn: conn, in: netstring.NewReader(conn), conf: conf, now: func() int64 { return p.Now().Unix() },
		queue: qq.Opener(qq.Config{Home: p.Home, Env: p.Env.List()}),
	}
	return netstring.ExitCode(s.serve())
}

// A config is what control files and environment say, read once at the start.
type config struct {
	hosts    *rcpthosts.Hosts
	maxBytes uint64 // of a message; 0: no limit
	relay    string // what is appended to recipients, if mayRelay
	mayRelay bool   // recipients are not compared with rcpthosts
	from     header.Received
}

// readConfig reads everything. Every error means that the server cannot serve.
func readConfig(home string, env prog.Env) (config, error) {
	var c config
	r, err := control.Open(home)
	if err != nil {
		return c, err
	}
	defer r.Close()
	if c.hosts, err = rcpthosts.Open(r); err != nil {
		return c, err
	}
	line, _, err := r.Line("databytes")
	if err != nil {
		c.hosts.Close()
		return c, err
	}
	c.maxBytes = queue.LeadingNumber(line)
	if v, ok := env.Get("DATABYTES"); ok {
		c.maxBytes = queue.LeadingNumber(v)
	}
	c.from = header.NewReceived("QMTP", env.Get)
	c.relay, c.mayRelay = env.Get("RELAYCLIENT")
	return c, nil
}
