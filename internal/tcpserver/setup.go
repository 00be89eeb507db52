package tcpserver

import (
	"errors"
	"net/netip"
	"strconv"

	"goqmail/internal/dns"
	"goqmail/internal/sys"
	"goqmail/internal/sys/creds"
	"goqmail/internal/sys/sock"
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
	port, err := o.portNumber()
	if err != nil {
		return -1, err
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
		if o.only4 {
			return netip.IPv4Unspecified(), nil
		}
		return netip.IPv6Unspecified(), nil
	}
	if ip, err := netip.ParseAddr(o.host); err == nil {
		if ip.Is6() && o.only4 {
			return ip, setupError("unable to bind: address family not supported")
		}
		return o.zoned(ip)
	}
	ips, err := resolver.A(o.host)
	if len(ips) == 0 && !o.only4 && (err == nil || err == dns.ErrNotFound) {
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

// zoned gives a link-local address the number of its interface: that after the
// % or that of option -I.
func (o *options) zoned(ip netip.Addr) (netip.Addr, error) {
	name := ip.Zone()
	if name == "" {
		name = o.netIf
	}
	if name == "" || !ip.IsLinkLocalUnicast() || ip.Is4() {
		return ip, nil
	}
	n, err := sock.InterfaceIndex(name)
	if err != nil {
		return ip, unable("find interface "+name, err)
	}
	return ip.WithZone(strconv.FormatUint(uint64(n), 10)), nil
}

// servicesFile names ports.
const servicesFile = "/etc/services"

// portNumber reads the port: a number or the name of a TCP service. A number
// that is no port is an error (C took it modulo 65536).
func (o *options) portNumber() (uint16, error) {
	if n, err := strconv.ParseUint(o.port, 10, 16); err == nil {
		return uint16(n), nil
	}
	text, err := sys.Cwd().ReadFile(servicesFile, 1<<22)
	if err == nil {
		if n, ok := service(string(text), o.port); ok {
			return n, nil
		}
	}
	return 0, setupError("unable to figure out port number for " + o.port)
}

// service finds a TCP service by name or alias in the text of services(5).
func service(text, name string) (port uint16, ok bool) {
	for len(text) > 0 {
		line, rest := cut(text, '\n')
		text = rest
		line, _ = cut(line, '#')
		words := fields(line)
		if len(words) < 2 {
			continue
		}
		number, proto := cut(words[1], '/')
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || proto != "tcp" {
			continue
		}
		for i, w := range words {
			if i != 1 && w == name {
				return uint16(n), true
			}
		}
	}
	return 0, false
}

// cut cuts s at the first c.
func cut(s string, c byte) (before, after string) {
	for i := 0; i < len(s); i++ {
		if s[i] == c {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// fields cuts a line at blanks and tabs.
func fields(line string) []string {
	var out []string
	start := -1
	for i := 0; i <= len(line); i++ {
		blank := i == len(line) || line[i] == ' ' || line[i] == '\t'
		if !blank && start < 0 {
			start = i
		}
		if blank && start >= 0 {
			out, start = append(out, line[start:i]), -1
		}
	}
	return out
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
