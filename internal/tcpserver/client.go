package tcpserver

import (
	"errors"
	"net/netip"
	"strings"

	"goqmail/internal/cdb"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
	"goqmail/internal/tcpenv"
	"goqmail/internal/tcprules"
	"goqmail/internal/ucspi"
)

// A resolver looks up names and addresses.
type resolver = ucspi.Resolver

// A client is a connection that has been accepted and has no program yet.
type client struct {
	fd   sys.FD
	conn tcpenv.Conn
}

// identify finds out what the options want to know of both ends.
func (s *server) identify(c *client) {
	ucspi.Inquiry{
		Local: s.LookLocal, LocalName: s.LocalName, Remote: s.LookRemote, Paranoid: s.paranoid,
		Ident: s.AskIdent, IdentLimit: s.IdentLimit, Resolver: s.resolver,
	}.Make(&c.conn)
}

// decide looks the client up in the rules. The error means that they cannot be
// read.
func (o *options) decide(c tcpenv.Conn) (tcprules.Decision, error) {
	if o.rules == "" {
		return tcprules.Decision{}, nil
	}
	// Opened anew each time, so that the file can be replaced at any time.
	fd, err := sys.Cwd().Open(o.rules, sys.ReadOnly, 0)
	if err != nil {
		if o.rulesMay && sys.IsNotExist(err) {
			err = nil
		}
		return tcprules.Decision{}, err
	}
	defer func() { _ = fd.Close() }() // only read
	st, err := fd.Stat()
	if err != nil {
		return tcprules.Decision{}, err
	}
	db, err := cdb.New(fd, st.Size)
	if err != nil {
		return tcprules.Decision{}, err
	}
	get := func(key string) ([]byte, bool, error) { return db.Get([]byte(key)) }
	ip := c.IP(c.Remote)
	who := tcprules.Client{IP: &ip}
	if c.RemoteHost.Known {
		who.Host = &c.RemoteHost.Value
	}
	if c.RemoteInfo.Known {
		who.Info = &c.RemoteInfo.Value
	}
	return tcprules.Lookup(get, who)
}

// rulesText says why rules cannot be read.
func rulesText(err error) string {
	if errors.Is(err, cdb.ErrFormat) {
		return "protocol error" // C tcpserver's words
	}
	return sys.ErrText(err)
}

// environment is what the program gets: ours, the connection's variables, the
// rules' variables.
func environment(base prog.Env, c tcpenv.Conn, vars []string) []string {
	env := base.Clone()
	for _, v := range c.Vars() {
		if v.Known {
			env.Set(v.Name, v.Value)
		} else {
			env.Unset(v.Name)
		}
	}
	for _, v := range vars {
		if name, value, _ := strings.Cut(v, "="); name != "" {
			env.Set(name, value)
		}
	}
	return env.List()
}

// newClient reads both ends of an accepted connection.
func (s *server) newClient(fd sys.FD, peer netip.AddrPort) (*client, error) {
	local, err := sock.LocalName(fd)
	if err != nil {
		return nil, err
	}
	c := &client{fd: fd, conn: tcpenv.Conn{Local: local, Remote: peer, As6: s.As6}}
	c.conn.Interface.Value, c.conn.Interface.Known = sock.ZoneName(peer.Addr())
	return c, nil
}
