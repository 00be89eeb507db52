// Package tcpclient is tcpclient: it connects to a TCP port and becomes a
// program, with the connection as descriptors 6 and 7.
//
//	resolve, connect (connect.go) -> ask who is there (package ucspi) -> exec
//
// Spec: spec/ucspi.md section 3; what that leaves open as tcpclient of Debian's
// ucspi-tcp-ipv6 0.88 does it.
package tcpclient

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/sys/sock"
	"goqmail/internal/tcpenv"
	"goqmail/internal/ucspi"
)

// Exit codes; the program's own if it runs.
const (
	exitUsage  = 100
	exitFailed = 111
)

// Descriptors of the program.
const (
	fdRead  = 6 // from the network
	fdWrite = 7 // to the network; the same connection
)

const (
	name  = "tcpclient: "
	fatal = "tcpclient: fatal: "
)

// A client is one call of tcpclient.
type client struct {
	options
	p        *prog.Process
	resolver resolver
	dial     func(to, from netip.AddrPort, limit time.Duration) (*sock.Conn, error)
}

// Run is tcpclient [OPTIONS] HOST PORT PROGRAM [ARGUMENTS]. It returns only on
// failure.
func Run(p *prog.Process) int {
	o, bad := parseOptions(p.Args[1:])
	if bad != "" {
		p.Say(2, name, bad, "\n")
	}
	if o.argv == nil {
		return p.Die(exitUsage, name, "usage: ", usage)
	}
	// The runtime opens descriptors of its own when it first needs them; it must
	// not get the program's numbers.
	if err := reserve(p.FD(fdRead), p.FD(fdWrite)); err != nil {
		return p.Die(exitFailed, fatal, "unable to set up descriptor 6: ", sys.ErrText(err))
	}
	c := &client{options: o, p: p, resolver: ucspi.SystemResolver(p.Env), dial: sock.DialFrom}
	conn, code := c.connection()
	if code != 0 {
		return code
	}
	return c.run(conn)
}

// reserve opens /dev/null at the numbers that are free, in ascending order.
func reserve(fds ...sys.FD) error {
	for _, fd := range fds {
		if fd.IsOpen() {
			continue
		}
		null, err := sys.Cwd().Open("/dev/null", sys.ReadWrite, 0)
		if err != nil {
			return err
		}
		if null == fd {
			continue
		}
		if err := null.DupTo(fd); err != nil {
			return err
		}
		_ = null.Close() // nothing was written
	}
	return nil
}

// run tells the program about the connection and becomes it.
func (c *client) run(conn *sock.Conn) int {
	p := c.p
	if c.NoDelay {
		_ = sock.NoDelay(conn.FD) // slower is all it can be without
	}
	var about tcpenv.Conn
	var err error
	if about.Local, err = sock.LocalName(conn.FD); err != nil {
		return c.fail("unable to get local address: ", sys.ErrText(err))
	}
	if about.Remote, err = sock.PeerName(conn.FD); err != nil {
		return c.fail("unable to get remote address: ", sys.ErrText(err))
	}
	about.As6 = c.As6
	ucspi.Inquiry{
		Local: c.LookLocal, LocalName: c.LocalName, Remote: c.LookRemote, Ident: c.AskIdent, IdentLimit: c.IdentLimit,
		Resolver: func() ucspi.Resolver { return ucspi.SystemResolver(p.Env) },
	}.Make(&about)
	for _, n := range []int{fdRead, fdWrite} {
		if err := conn.FD.DupTo(p.FD(n)); err != nil {
			return c.fail("unable to set up descriptor ", strconv.Itoa(n), ": ", sys.ErrText(err))
		}
	}
	err = child.ExecSearch(c.argv[0], c.argv, environment(p.Env, about))
	return c.fail("unable to run ", c.argv[0], ": ", sys.ErrText(err))
}

// environment is ours with the variables of the connection. Unlike tcpserver's
// the C program sets none of those with TCP6 in their names; here they do not
// survive from outside either.
func environment(base prog.Env, about tcpenv.Conn) []string {
	env := base.Clone()
	for _, v := range about.Vars() {
		if v.Known && !strings.HasPrefix(v.Name, "TCP6") {
			env.Set(v.Name, v.Value)
		} else {
			env.Unset(v.Name)
		}
	}
	return env.List()
}

// say writes a line on descriptor 2 if the verbosity asks for it.
func (c *client) say(level int, parts ...string) {
	if c.Verbosity >= level {
		c.p.Say(2, append(append([]string{name}, parts...), "\n")...)
	}
}

// fail says why there is no connection, unless option -q forbids it.
func (c *client) fail(parts ...string) int {
	if c.Verbosity >= warnings {
		c.p.Say(2, append(append([]string{fatal}, parts...), "\n")...)
	}
	return exitFailed
}
