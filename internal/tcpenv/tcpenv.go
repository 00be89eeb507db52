// Package tcpenv holds the environment variables by which a program learns of
// the connection it serves (UCSPI): who sets them is tcpserver, tcp-env and
// tcpclient, who reads them qmail-smtpd and its like.
//
//	PROTO                         TCP, or TCP6 for an IPv6 connection
//	TCPLOCALIP   TCPREMOTEIP      addresses
//	TCPLOCALPORT TCPREMOTEPORT    ports in decimal
//	TCPLOCALHOST TCPREMOTEHOST    names of the addresses, lower case; unset when not known
//	TCPREMOTEINFO                 what the peer's ident server said; unset when nothing
//
// and TCP6LOCALIP and so on, with the same values, but the addresses always in
// IPv6 form (::ffff:192.0.2.1), and TCP6INTERFACE, the network interface of a
// link-local peer. Spec: spec/ucspi.md section 1, spec/smtpd.md A8.
package tcpenv

import (
	"net/netip"
	"strconv"
)

// Names of the variables that others use by name.
const (
	Proto      = "PROTO"
	LocalIP    = "TCPLOCALIP"
	LocalPort  = "TCPLOCALPORT"
	LocalHost  = "TCPLOCALHOST"
	RemoteIP   = "TCPREMOTEIP"
	RemotePort = "TCPREMOTEPORT"
	RemoteHost = "TCPREMOTEHOST"
	RemoteInfo = "TCPREMOTEINFO"
	Interface  = "TCP6INTERFACE"
)

// Values of PROTO.
const (
	TCP  = "TCP"
	TCP6 = "TCP6"
)

// SoftDNSError is the host name that tcp-env gives when DNS cannot tell now.
const SoftDNSError = "softdnserror"

// A Text is a value that may not be known.
type Text struct {
	Value string
	Known bool
}

// Known is a text that is known.
func Known(s string) Text { return Text{s, true} }

// A Conn is what is known of a connection. IPv4-mapped addresses count as IPv4.
type Conn struct {
	Local, Remote netip.AddrPort
	LocalHost     Text
	RemoteHost    Text
	RemoteInfo    Text
	Interface     Text // of a link-local peer
	As6           bool // treat IPv4 as IPv6
}

// A Var is a variable to be set, or, if the text is not known, to be unset.
type Var struct {
	Name string
	Text
}

// Vars lists every variable of a connection; an older value of one that is not
// known must not survive.
func (c Conn) Vars() []Var {
	proto := TCP
	if c.Is6() {
		proto = TCP6
	}
	port := func(a netip.AddrPort) Text { return Known(strconv.Itoa(int(a.Port()))) }
	return []Var{
		{Proto, Known(proto)},
		{LocalIP, Known(c.IP(c.Local))},
		{LocalPort, port(c.Local)},
		{LocalHost, c.LocalHost},
		{RemoteIP, Known(c.IP(c.Remote))},
		{RemotePort, port(c.Remote)},
		{RemoteHost, c.RemoteHost},
		{RemoteInfo, c.RemoteInfo},
		{"TCP6LOCALIP", Known(IP6(c.Local.Addr()))},
		{"TCP6LOCALPORT", port(c.Local)},
		{"TCP6LOCALHOST", c.LocalHost},
		{"TCP6REMOTEIP", Known(IP6(c.Remote.Addr()))},
		{"TCP6REMOTEPORT", port(c.Remote)},
		{"TCP6REMOTEHOST", c.RemoteHost},
		{"TCP6REMOTEINFO", c.RemoteInfo},
		{Interface, c.Interface},
	}
}

// Is6 tells whether the connection is to be shown as one of IPv6.
func (c Conn) Is6() bool { return c.As6 || !c.Remote.Addr().Unmap().Is4() }

// IP is the address of one side as TCPLOCALIP and TCPREMOTEIP have it: a dotted
// quad for IPv4, unless the connection is to be shown as one of IPv6.
func (c Conn) IP(a netip.AddrPort) string {
	if ip := a.Addr().Unmap(); ip.Is4() && !c.Is6() {
		return ip.String()
	}
	return IP6(a.Addr())
}

// IP6 is the IPv6 text of an address without its zone, in lower case, the
// longest run of zero groups, the first of equal ones, as "::". As in the C
// programs a run of one group counts too, unlike in RFC 5952: keys of tcprules
// depend on this form. IPv4 addresses are ::ffff:192.0.2.1.
func IP6(ip netip.Addr) string {
	if u := ip.Unmap(); u.Is4() {
		return "::ffff:" + u.String()
	}
	v := ip.As16()
	group := func(i int) uint64 { return uint64(v[2*i])<<8 | uint64(v[2*i+1]) }
	start, length := 8, 0 // of the longest run
	for i := 0; i < 8; i++ {
		n := 0
		for i+n < 8 && group(i+n) == 0 {
			n++
		}
		if n > length {
			start, length = i, n
		}
		i += n
	}
	var b []byte
	for i := 0; i < 8; i++ {
		if i == start {
			b = append(b, "::"...)
			i += length - 1
			continue
		}
		if i > 0 && i != start+length {
			b = append(b, ':')
		}
		b = strconv.AppendUint(b, group(i), 16)
	}
	return string(b)
}
