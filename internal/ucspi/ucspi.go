// Package ucspi is what tcpserver and tcpclient share, and rblsmtpd a little of
// it: options, who is at both ends of a connection, the numbers of named ports,
// the interfaces of link-local addresses. It opens no connection but to resolvers
// and ident servers. The variables by which programs learn of it are package
// tcpenv's.
// Spec: spec/ucspi.md sections 1 and 3.
package ucspi

import (
	"net/netip"
	"strconv"
	"sync"
	"time"

	"goqmail/internal/dns"
	"goqmail/internal/ident"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
	"goqmail/internal/tcpenv"
)

// A Resolver looks up names and addresses; dns.Resolver is one.
type Resolver interface {
	A(host string) ([]netip.Addr, error)
	AAAA(host string) ([]netip.Addr, error)
	PTR(ip netip.Addr) (string, error)
}

// SystemResolver is the resolver for one look-up: resolv.conf is read again, so
// that changes count at once. $DNSCACHEIP goes before it.
func SystemResolver(env prog.Env) *dns.Resolver {
	cacheIP, _ := env.Get("DNSCACHEIP")
	return dns.System(cacheIP)
}

// An Inquiry says what to find out about the ends of a connection.
type Inquiry struct {
	Local      bool          // look the local name up
	LocalName  string        // if it is not looked up
	Remote     bool          // look the remote name up
	Paranoid   bool          // and believe it only if it has the remote address
	Ident      bool          // ask the peer's ident server
	IdentLimit time.Duration // how long at most
	Resolver   func() Resolver
}

// Make fills in LocalHost, RemoteHost and RemoteInfo of a connection, all at
// once. It may take as long as strangers please, up to the time limits of dns
// and ident.
func (q Inquiry) Make(c *tcpenv.Conn) {
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
	look(q.Local, &c.LocalHost, func() tcpenv.Text { return nameOf(q.Resolver(), c.Local.Addr(), false) })
	look(q.Remote, &c.RemoteHost, func() tcpenv.Text { return nameOf(q.Resolver(), c.Remote.Addr(), q.Paranoid) })
	look(q.Ident, &c.RemoteInfo, func() tcpenv.Text {
		info, ok := ident.Ask(c.Local, c.Remote, q.IdentLimit)
		return tcpenv.Text{Value: info, Known: ok}
	})
	wait.Wait()
	if !q.Local {
		c.LocalHost = tcpenv.Known(q.LocalName)
	}
}

// nameOf finds the name of an address; not known if it has none or DNS cannot
// tell. A paranoid look-up believes only a name that has the address.
func nameOf(r Resolver, ip netip.Addr, paranoid bool) tcpenv.Text {
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

// Zoned gives a link-local address the number of its interface: that after its
// % or else the one with the name netIf ("" for none). The error is about the
// interface in Name.
func Zoned(ip netip.Addr, netIf string) (netip.Addr, error) {
	name := ip.Zone()
	if name == "" {
		name = netIf
	}
	if name == "" || !ip.IsLinkLocalUnicast() || ip.Is4() {
		return ip, nil
	}
	n, err := sock.InterfaceIndex(name)
	if err != nil {
		return ip, &ZoneError{name, err}
	}
	return ip.WithZone(strconv.FormatUint(uint64(n), 10)), nil
}

// A ZoneError says that there is no such network interface.
type ZoneError struct {
	Name string
	Err  error
}

func (e *ZoneError) Error() string {
	return "unable to find interface " + e.Name + ": " + sys.ErrText(e.Err)
}
