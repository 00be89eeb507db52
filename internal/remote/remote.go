// Package remote is qmail-remote: it sends one message to one host by SMTP.
//
// The work is cut where a later change may want to put something between: the
// configuration, the addresses of the host (addresses.go), the connection
// (connect.go), the dialogue on it (session.go), the report.
// Spec: spec/remote.md sections 1 to 8.
package remote

import (
	"errors"
	"io"
	"net/netip"
	"strconv"
	"time"

	"goqmail/internal/address"
	"goqmail/internal/control"
	"goqmail/internal/dns"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/smtp"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
	"goqmail/internal/tcpto"
	"goqmail/internal/worker"
)

// smtpPort is the port of relays and exchangers unless a route says otherwise.
const smtpPort = 25

// A config is what the control files say.
type config struct {
	helo           string
	timeoutRemote  time.Duration // for each read and write
	timeoutConnect time.Duration
	routes         control.Map
	share          bool // a connection may serve several deliveries
}

// A delivery is one run of qmail-remote. The fields below config are what it
// needs of the world.
type delivery struct {
	host       string
	sender     string
	recipients []string
	message    io.Reader

	config
	resolver resolver
	timeouts timeouts
	table    func() timeouts // another one like it, for a connection of its own; nil: none
	local    func() (sock.Addresses, error)
	dial     func(to netip.AddrPort) (io.ReadWriteCloser, error)
	now      func() time.Time

	report *report
}

// A resolver looks up names; dns.Resolver is one.
type resolver interface {
	MX(domain string) ([]dns.MX, error)
	A(host string) ([]netip.Addr, error)
}

// A timeouts remembers hosts that do not answer; tcpto.Table is one.
type timeouts interface {
	Skip(ip [4]byte) bool
	Success(ip [4]byte)
	Timeout(ip [4]byte)
}

// Run is qmail-remote HOST SENDER RECIPIENT... . Its exit code is always 0:
// what happened is in the report on descriptor 1. If that cannot be written
// nobody is left to tell.
func Run(p *prog.Process) int {
	if o := worker.Offered(p.Args[0], pipe.MarkRemote); o != nil {
		return carry(p, o)
	}
	var r report
	v := safely(func() verdict { return run(p, &r) })
	r.add(v.letter, v.text)
	_, _ = p.FD(1).Write(r.buf) // see above
	return 0
}

// safely is f's verdict; a panic in f becomes one too, so that our bug defers
// mail and does not bounce it.
func safely(f func() verdict) (v verdict) {
	defer func() {
		if recover() != nil {
			v = crashed
		}
	}()
	return f()
}

// run is Run but for the message report, which is the result.
func run(p *prog.Process, r *report) verdict {
	if len(p.Args) < 4 {
		return invoked
	}
	d := newDelivery(p, r)
	if p.FD(0).WasClosed() {
		d.message = noMessage{}
	}
	home, err := sys.Cwd().OpenSearchDir(p.Home)
	if err != nil {
		return noHome
	}
	if d.config, err = readControls(p.Home); err != nil {
		return noControls
	}
	if queue, err := home.OpenSearchDir("queue"); err == nil {
		d.timeouts = tcpto.New(queue, sys.Getpid(), p.Now)
	}
	d.dial = func(to netip.AddrPort) (io.ReadWriteCloser, error) {
		c, err := sock.Dial(to, netip.Addr{}, d.timeoutConnect)
		if err != nil {
			return nil, err
		}
		c.Limit = d.timeoutRemote
		return c, nil
	}
	return d.run()
}

// newDelivery makes the delivery that the arguments ask for, without what the
// control files say and without a way to connect.
func newDelivery(p *prog.Process, r *report) *delivery {
	return &delivery{
		host: p.Args[1], sender: p.Args[2], recipients: p.Args[3:], message: p.FD(0),
		report: r, resolver: dns.System(""), timeouts: noTable{}, local: sock.LocalAddresses, now: p.Now,
	}
}

// noMessage stands for a descriptor 0 that was not given: no message is not an
// empty one.
type noMessage struct{}

func (noMessage) Read([]byte) (int, error) { return 0, errors.New("no message") }

// noTable is used when there is no queue directory.
type noTable struct{}

func (noTable) Skip([4]byte) bool { return false }
func (noTable) Success([4]byte)   {}
func (noTable) Timeout([4]byte)   {}

// readControls reads the control files below home.
func readControls(home string) (config, error) {
	var d config
	c, err := control.Open(home)
	if err != nil {
		return d, err
	}
	defer c.Close()
	seconds := func(name string, def int) time.Duration {
		n, e := c.Int(name, def)
		if e != nil {
			err = e
		}
		return time.Duration(max(n, 1)) * time.Second
	}
	d.timeoutRemote = seconds("timeoutremote", 1200)
	d.timeoutConnect = seconds("timeoutconnect", 60)
	if err != nil {
		return d, err
	}
	helo, ok, err := c.LineOrMe("helohost", "")
	if err != nil {
		return d, err
	}
	if !ok {
		return d, errNoName
	}
	d.helo = helo
	routes, _, err := c.List("smtproutes")
	if err != nil {
		return d, err
	}
	d.routes = control.NewColonMap(routes)
	share, err := c.Int("remoteshare", 0)
	d.share = share == 1
	return d, err
}

// errNoName: there is neither control/helohost nor control/me.
var errNoName = errors.New("this host has no name")

// run sends the message.
func (d *delivery) run() verdict {
	relay, port, v := d.way()
	if v != (verdict{}) {
		return v
	}
	s, v := d.open(relay, port)
	if v != (verdict{}) {
		return v
	}
	defer s.close()
	return d.converse(s)
}

// way checks the addresses and finds the relay for the host, if there is one.
func (d *delivery) way() (relay *string, port uint16, v verdict) {
	if !smtp.ValidPath(d.sender) {
		return nil, 0, invoked
	}
	for _, r := range d.recipients {
		if !smtp.ValidPath(r) {
			return nil, 0, invoked
		}
	}
	relay, port, err := d.route()
	if err != nil {
		return nil, 0, noControls
	}
	return relay, port, verdict{}
}

// open connects to the relay, or to the host's exchangers.
func (d *delivery) open(relay *string, port uint16) (*session, verdict) {
	var to []target
	var v verdict
	if relay != nil {
		to, v = d.relayTargets(*relay)
	} else {
		to, v = d.hostTargets()
	}
	if v != (verdict{}) {
		return nil, v
	}
	return d.connect(to, port)
}

// route finds the host's entry in smtproutes: the host, its suffixes that begin
// with a dot, longest first, the empty key. The first hit counts. relay is nil
// for the way by MX: no entry, or one that is empty.
func (d *delivery) route() (relay *string, port uint16, err error) {
	var value string
	found := false
	address.Suffixes(d.host, func(key string) bool {
		value, found = d.routes.Lookup(key)
		return !found
	})
	if !found {
		value, _ = d.routes.Lookup("")
	}
	if value == "" {
		return nil, smtpPort, nil
	}
	port = smtpPort
	for i := 0; i < len(value); i++ {
		if value[i] == ':' {
			port, err = parsePort(value[i+1:])
			value = value[:i]
			break
		}
	}
	return &value, port, err
}

// parsePort reads the digits at the start of s; without any the port is 25. A
// number that is no port is an error (C took it modulo 65536).
func parsePort(s string) (uint16, error) {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if n == 0 {
		return smtpPort, nil
	}
	v, err := strconv.ParseUint(s[:n], 10, 16)
	return uint16(v), err
}
