// Package tcpident is tcp-env: started by inetd for a connection, it finds out
// who is at both ends, puts that into the environment, and becomes the program
// that serves the connection. Spec: spec/smtpd.md A8.
package tcpident

import (
	"net/netip"
	"time"

	"goqmail/internal/dns"
	"goqmail/internal/ident"
	"goqmail/internal/prog"
	"goqmail/internal/sys/child"
	"goqmail/internal/sys/sock"
	"goqmail/internal/tcpenv"
)

// exitFailed is the exit code for every failure; there is no message, since
// descriptor 2 may be the connection.
const exitFailed = 111

// defaultTimeout is the time limit of the ident exchange in seconds.
const defaultTimeout = 30

// Run is tcp-env [-rR] [-tSECONDS] PROGRAM [ARGS]. It returns only on failure.
func Run(p *prog.Process) int {
	ask, timeout := true, defaultTimeout
	o := prog.NewOptions(p.Args[1:], "rRt:")
	for c := o.Next(); c != 0; c = o.Next() {
		switch c {
		case 'r':
			ask = true
		case 'R':
			ask = false
		case 't':
			timeout = seconds(o.Value)
		}
	}
	argv := o.Rest()
	if len(argv) == 0 {
		return exitFailed
	}
	env := p.Env.Clone()
	if proto, _ := env.Get(tcpenv.Proto); proto != tcpenv.TCP {
		c, err := connection(p)
		if err != nil {
			return exitFailed
		}
		resolver := dns.System("")
		c.LocalHost = name(resolver, c.Local.Addr())
		c.RemoteHost = name(resolver, c.Remote.Addr())
		if ask {
			info, ok := ident.Ask(c.Local, c.Remote, time.Duration(timeout)*time.Second)
			c.RemoteInfo = tcpenv.Text{Value: info, Known: ok}
		}
		for _, v := range c.Vars() {
			if v.Known {
				env.Set(v.Name, v.Value)
			} else {
				env.Unset(v.Name)
			}
		}
	}
	file, err := child.LookPath(argv[0], child.SearchPath(env.List()))
	if err != nil {
		return exitFailed
	}
	_ = child.Exec(file, argv, env.List()) // returns only an error, and all are the same
	return exitFailed
}

// connection reads both ends of the connection on descriptor 0.
func connection(p *prog.Process) (c tcpenv.Conn, err error) {
	if c.Local, err = sock.LocalName(p.FD(0)); err != nil {
		return c, err
	}
	if c.Remote, err = sock.PeerName(p.FD(0)); err != nil {
		return c, err
	}
	c.Interface.Value, c.Interface.Known = sock.ZoneName(c.Remote.Addr())
	return c, nil
}

// A resolver finds the name of an address; dns.Resolver is one.
type resolver interface {
	PTR(ip netip.Addr) (string, error)
}

// name is the address's name: softdnserror while DNS cannot tell, not known if
// it has none.
func name(r resolver, ip netip.Addr) tcpenv.Text {
	switch n, err := r.PTR(ip); {
	case err == dns.ErrNotFound, err == nil && n == "":
		return tcpenv.Text{}
	case err != nil:
		return tcpenv.Known(tcpenv.SoftDNSError)
	default:
		return tcpenv.Known(n)
	}
}

// seconds reads the leading digits of a time limit, 0 without any, at most a
// day: long enough to mean for ever.
func seconds(s string) int {
	const day = 86400
	n := 0
	for i := 0; i < len(s) && s[i] >= '0' && s[i] <= '9' && n < day; i++ {
		n = n*10 + int(s[i]-'0')
	}
	return min(n, day)
}
