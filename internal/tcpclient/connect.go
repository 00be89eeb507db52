package tcpclient

import (
	"net/netip"
	"strconv"
	"time"

	"goqmail/internal/address"
	"goqmail/internal/dns"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
	"goqmail/internal/tcpenv"
	"goqmail/internal/ucspi"
)

// A resolver looks up names; dns.Resolver is one.
type resolver interface {
	A(host string) ([]netip.Addr, error)
	AAAA(host string) ([]netip.Addr, error)
	Complete(host, local string) []string
}

// Addresses of this machine: what the host 0 means, and localhost (RFC 6761,
// 6.3), which no DNS server is asked for.
var (
	loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	loopback6 = netip.IPv6Loopback()
)

// shortest is the time limit that 0 stands for.
const shortest = time.Millisecond

// connection makes the connection. The code is not 0 if there is none, which
// has been said.
func (c *client) connection() (*sock.Conn, int) {
	port, ok := ucspi.Port(c.port)
	if !ok {
		return nil, c.fail("unable to figure out port number for ", c.port)
	}
	ips, code := c.addresses()
	if code != 0 {
		return nil, code
	}
	return c.connect(ips, port)
}

// addresses lists what the host means, in the order to try.
func (c *client) addresses() ([]netip.Addr, int) {
	if c.local() {
		if c.Only4 {
			return []netip.Addr{loopback4}, 0
		}
		return []netip.Addr{loopback6, loopback4}, 0
	}
	if ip, err := netip.ParseAddr(c.host); err == nil {
		ip = ip.Unmap()
		if c.Only4 && ip == loopback6 {
			ip = loopback4 // as in C
		}
		if ip, err = ucspi.Zoned(ip, c.NetIf); err != nil {
			return nil, c.fail(err.Error())
		}
		return []netip.Addr{ip}, 0
	}
	domain, _ := c.p.Env.Get("LOCALDOMAIN")
	var soft error
	for _, host := range c.resolver.Complete(c.host, domain) {
		ips, err := c.lookUp(host)
		if len(ips) > 0 {
			return ips, 0
		}
		if err != nil {
			soft = err
		}
	}
	if soft != nil {
		return nil, c.fail("temporarily unable to figure out IP address for ", c.host, ": ", soft.Error())
	}
	return nil, c.fail("no IP address for ", c.host)
}

// local tells whether the host is this machine itself.
func (c *client) local() bool {
	return c.host == "" || c.host == "0" || address.EqualFold(c.host, "localhost") || address.EqualFold(c.host, "localhost.")
}

// lookUp lists the addresses of a complete name, those of IPv4 first. The error
// is only about those that DNS cannot tell now.
func (c *client) lookUp(host string) ([]netip.Addr, error) {
	ips, soft := c.resolver.A(host)
	if soft == dns.ErrNotFound {
		soft = nil
	}
	if c.Only4 {
		return ips, soft
	}
	six, err := c.resolver.AAAA(host)
	if err != nil && err != dns.ErrNotFound {
		soft = err
	}
	for _, ip := range six {
		if zoned, err := ucspi.Zoned(ip, c.NetIf); err == nil {
			ip = zoned // else connecting will say why not
		}
		ips = append(ips, ip)
	}
	return ips, soft
}

// connect tries the addresses in turn, and then those that were silent once
// more, longer. What fails is said at once, silence only at the end. The two
// addresses of this machine are one host: only the first failure is said.
func (c *client) connect(ips []netip.Addr, port uint16) (*sock.Conn, int) {
	if c.Only4 && c.from.Addr().Is6() {
		return nil, c.fail("unable to bind socket: address family not supported")
	}
	var said bool
	sorry := func(ip netip.Addr, why string) {
		if !said || !c.local() {
			c.say(warnings, "unable to connect to ", ipText(ip), " port ", strconv.Itoa(int(port)), ": ", why)
		}
		said = true
	}
	for i, limit := range c.limits {
		var silent []netip.Addr
		again := i == 0 && c.limits[1] > 0
		for _, ip := range ips {
			conn, err := c.try(netip.AddrPortFrom(ip, port), max(limit, shortest))
			switch {
			case err == nil:
				c.say(verbose, "connected to ", ipText(ip), " port ", strconv.Itoa(int(port)))
				return conn, 0
			case sock.NotBound(err):
				return nil, c.fail("unable to bind socket: ", sys.ErrText(err))
			case sock.NoSocket(err) && ip.Is4():
				return nil, c.fail("unable to create socket: ", sys.ErrText(err))
			case again && sys.IsTimeout(err):
				silent = append(silent, ip)
			case err == errFamily:
				sorry(ip, "address family not supported")
			case err == errMixed:
				sorry(ip, "network unreachable")
			default:
				sorry(ip, sys.ErrText(err))
			}
		}
		if len(silent) == 0 {
			break
		}
		ips = silent
	}
	return nil, exitFailed
}

// Reasons to leave an address alone.
const (
	errFamily familyError = "an IPv6 address, with option -4"
	errMixed  familyError = "an address of another family than that of option -i"
)

type familyError string

func (e familyError) Error() string { return string(e) }

// try tries one address.
func (c *client) try(to netip.AddrPort, limit time.Duration) (*sock.Conn, error) {
	from := c.from.Addr()
	switch {
	case c.Only4 && to.Addr().Is6():
		return nil, errFamily
	case from.IsValid() && from.Is4() != to.Addr().Is4():
		return nil, errMixed
	}
	return c.dial(to, c.from, limit)
}

// ipText is an address as messages have it.
func ipText(ip netip.Addr) string {
	if ip.Is4() {
		return ip.String()
	}
	return tcpenv.IP6(ip)
}
