package tcpserver

import (
	"errors"
	"net/netip"
	"sync"

	"goqmail/internal/cdb"
	"goqmail/internal/dns"
	"goqmail/internal/ident"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
	"goqmail/internal/tcpenv"
	"goqmail/internal/tcprules"
)

// A resolver looks up names and addresses; dns.Resolver is one.
type resolver interface {
	A(host string) ([]netip.Addr, error)
	AAAA(host string) ([]netip.Addr, error)
	PTR(ip netip.Addr) (string, error)
}

// A client is a connection that has been accepted and has no program yet.
type client struct {
	fd   sys.FD
	conn tcpenv.Conn
}

// identify finds out what the options want to know of both ends, all at once.
// It may take as long as strangers please, up to the time limits of dns and
// ident.
func (s *server) identify(c *client) {
	var wait sync.WaitGroup
	look := func(wanted bool, to *tcpenv.Text, f func() tcpenv.Text) {
		if !wanted {
			return
		}
		wait.Go(func() {
			defer func() { _ = recover() }() // our bug: then it is not known
			*to = f()
		})
	}
	look(s.lookLocal, &c.conn.LocalHost, func() tcpenv.Text { return nameOf(s.resolver(), c.conn.Local.Addr(), false) })
	look(s.lookRemote, &c.conn.RemoteHost, func() tcpenv.Text { return nameOf(s.resolver(), c.conn.Remote.Addr(), s.paranoid) })
	look(s.askIdent, &c.conn.RemoteInfo, func() tcpenv.Text {
		info, ok := ident.Ask(c.conn.Local, c.conn.Remote, s.identLimit)
		return tcpenv.Text{Value: info, Known: ok}
	})
	wait.Wait()
	if !s.lookLocal {
		c.conn.LocalHost = tcpenv.Known(s.localName)
	}
}

// nameOf finds the name of an address; not known if it has none or DNS cannot
// tell. A paranoid look-up believes only a name that has the address.
func nameOf(r resolver, ip netip.Addr, paranoid bool) tcpenv.Text {
	ip = ip.Unmap().WithZone("")
	name, err := r.PTR(ip)
	if err != nil || name == "" {
		return tcpenv.Text{}
	}
	if !paranoid {
		return tcpenv.Known(name)
	}
	look := r.AAAA
	if ip.Is4() {
		look = r.A
	}
	ips, _ := look(name) // without an answer there are none
	for _, a := range ips {
		if a.Unmap() == ip {
			return tcpenv.Known(name)
		}
	}
	return tcpenv.Text{}
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
		if name, value := cut(v, '='); name != "" {
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
	c := &client{fd: fd, conn: tcpenv.Conn{Local: local, Remote: peer, As6: s.as6}}
	c.conn.Interface.Value, c.conn.Interface.Known = sock.ZoneName(peer.Addr())
	return c, nil
}

// systemResolver is the resolver for one look-up: resolv.conf is read again, so
// that changes count at once. $DNSCACHEIP goes before it.
func systemResolver(env prog.Env) resolver {
	cacheIP, _ := env.Get("DNSCACHEIP")
	return dns.System(cacheIP)
}
