// Package dnstest is a resolver in memory, for the tests of what holds one as an
// interface. Tests of package dns itself use testkit.StartDNS. For tests only.
package dnstest

import (
	"net/netip"
	"strings"

	"goqmail/internal/dns"
)

// Soft is a name, or a host to look up, that DNS cannot tell now.
const Soft = "soft"

// A Zone answers look-ups. What is not in it does not exist.
type Zone struct {
	Names     map[string]string // by address; "panic" is a bug of the resolver
	Addresses map[string]string // by host: of either kind, separated by blanks
	// Hold has channels by address: its look-up waits until the channel is closed.
	Hold map[string]chan struct{}
}

// PTR is the name of an address.
func (z Zone) PTR(ip netip.Addr) (string, error) {
	if c := z.Hold[ip.String()]; c != nil {
		<-c
	}
	switch name := z.Names[ip.String()]; name {
	case "":
		return "", dns.ErrNotFound
	case Soft:
		return "", dns.ErrTemporary
	case "panic":
		panic("a bug")
	default:
		return name, nil
	}
}

// A lists the IPv4 addresses of a host.
func (z Zone) A(host string) ([]netip.Addr, error) { return z.addresses(host, true) }

// AAAA lists the IPv6 addresses of a host.
func (z Zone) AAAA(host string) ([]netip.Addr, error) { return z.addresses(host, false) }

func (z Zone) addresses(host string, v4 bool) (out []netip.Addr, err error) {
	if host == Soft {
		return nil, dns.ErrTemporary
	}
	for _, s := range strings.Fields(z.Addresses[host]) {
		if ip := netip.MustParseAddr(s); ip.Is4() == v4 {
			out = append(out, ip)
		}
	}
	if out == nil {
		return nil, dns.ErrNotFound
	}
	return out, nil
}
