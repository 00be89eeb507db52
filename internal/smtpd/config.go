package smtpd

import (
	"errors"
	"time"

	"goqmail/internal/control"
	"goqmail/internal/header"
	"goqmail/internal/prog"
	"goqmail/internal/queue"
	"goqmail/internal/rcpthosts"
)

// defaultTimeout is how many seconds the client may be silent without
// control/timeoutsmtpd.
const defaultTimeout = 1200

// A config is what control files and environment say, read once at the start.
type config struct {
	greeting    string
	localIPHost string        // the name for our own addresses in brackets
	hasIPHost   bool          // there is one
	timeout     time.Duration // for each read and write
	hosts       *rcpthosts.Hosts
	badSenders  control.Map // control/badmailfrom
	maxBytes    uint64      // of a message; 0: no limit
	relay       string      // what is appended to recipients, if mayRelay
	mayRelay    bool        // recipients are not compared with rcpthosts
	from        header.Received
}

// errNoGreeting says that neither smtpgreeting nor me exists.
var errNoGreeting = errors.New("no control/smtpgreeting and no control/me")

// readConfig reads everything, in the order of spec/smtpd.md A1. Every error
// means that the server cannot serve.
func readConfig(home string, env prog.Env) (config, error) {
	var c config
	r, err := control.Open(home)
	if err != nil {
		return c, err
	}
	defer r.Close()
	var ok bool
	if c.greeting, ok, err = r.LineOrMe("smtpgreeting", ""); err != nil {
		return c, err
	}
	if !ok {
		return c, errNoGreeting
	}
	if c.localIPHost, c.hasIPHost, err = r.LineOrMe("localiphost", ""); err != nil {
		return c, err
	}
	seconds, err := r.Int("timeoutsmtpd", defaultTimeout)
	if err != nil {
		return c, err
	}
	c.timeout = time.Duration(max(seconds, 1)) * time.Second
	if c.hosts, err = rcpthosts.Open(r); err != nil {
		return c, err
	}
	bad, _, err := r.List("badmailfrom")
	if err != nil {
		return c, err
	}
	c.badSenders = control.NewMap(bad)
	line, _, err := r.Line("databytes")
	if err != nil {
		return c, err
	}
	c.maxBytes = queue.LeadingNumber(line)
	c.readEnv(env)
	return c, nil
}

// readEnv reads what tcpserver and its rules put into the environment.
func (c *config) readEnv(env prog.Env) {
	if v, ok := env.Get("DATABYTES"); ok {
		c.maxBytes = queue.LeadingNumber(v)
	}
	c.from = header.NewReceived("SMTP", env.Get)
	c.relay, c.mayRelay = env.Get("RELAYCLIENT")
}
