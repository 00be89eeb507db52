package tcpserver

import (
	"errors"
	"net/netip"

	"goqmail/internal/dns"
	"goqmail/internal/sys"
	"goqmail/internal/sys/creds"
	"goqmail/internal/sys/sock"
	"goqmail/internal/ucspi"
)

// A setupError says why tcpserver cannot start: what stands after
// "tcpserver: fatal: ".
type setupError string

func (e setupError) Error() string { return string(e) }

// unable makes a setupError from what failed and a system call's error.
func unable(what string, err error) error {
	return setupError("unable to " + what + ": " + sys.ErrText(err))
}

// listen makes the listening socket.
func (o *options) listen(resolver resolver) (sys.FD, error) {
	port, ok := ucspi.Port(o.port)
	if !ok {
		return -1, setupError("unable to figure out port number for " + o.port)
	}
	ip, err := o.address(resolver)
	if err != nil {
		return -1, err
	}
	l, err := sock.Listen(netip.AddrPortFrom(ip, port), o.backlog)
	if err != nil && sock.NoSocket(err) && ip == netip.IPv6Unspecified() {
		// A kernel without IPv6.
		l, err = sock.Listen(netip.AddrPortFrom(netip.IPv4Unspecified(), port), o.backlog)
	}
	if err == nil {
		return l, nil
	}
	var e *sys.Error
	switch {
	case !errors.As(err, &e):
		return -1, unable("listen", err)
	case sock.NoSocket(err):
		return -1, unable("create socket", err)
	default:
		return -1, unable(e.Op, err)
	}
}

// address finds where to listen: "0" and "" mean everywhere, which includes
// IPv6 unless only4; a name means its first IPv4 address, else its first IPv6
// one.
func (o *options) address(resolver resolver) (netip.Addr, error) {
	if o.host == "" || o.host == "0" {
		if o.Only4 {
			return netip.IPv4Unspecified(), nil
		}
		return netip.IPv6Unspecified(), nil
	}
	if ip, err := netip.ParseAddr(o.host); err == nil {
		if ip.Is6() && o.Only4 {
			return ip, setupError("unable to bind: address family not supported")
		}
		return o.zoned(ip)
	}
	ips, err := resolver.A(o.host)
	if len(ips) == 0 && !o.Only4 && (err == nil || err == dns.ErrNotFound) {
		ips, err = resolver.AAAA(o.host)
	}
	switch {
	case len(ips) > 0:
		return o.zoned(ips[0])
	case err == nil || err == dns.ErrNotFound:
		return netip.Addr{}, setupError("no IP address for " + o.host)
	}
	return netip.Addr{}, setupError("temporarily unable to figure out IP address for " + o.host + ": " + err.Error())
}

// zoned gives a link-local address its interface: that after the % or that of
// option -I.
func (o *options) zoned(ip netip.Addr) (netip.Addr, error) {
	ip, err := ucspi.Zoned(ip, o.NetIf)
	if err != nil {
		return ip, setupError(err.Error())
	}
	return ip, nil
}

// drop becomes the user and group of the options, after the port is bound.
func (o *options) drop() error {
	if o.gid != nil {
		if err := creds.SetGroup(*o.gid, []uint32{*o.gid}); err != nil {
			return unable("set gid", err)
		}
	}
	if o.uid != nil {
		if err := creds.SetUser(*o.uid); err != nil {
			return unable("set uid", err)
		}
	}
	return nil
}
