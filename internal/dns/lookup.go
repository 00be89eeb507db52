package dns

import (
	"net/netip"
	"strconv"

	"golang.org/x/net/dns/dnsmessage"

	"goqmail/internal/address"
)

// MX lists the mail exchangers of a domain in the order of the answer. No error
// and no exchanger: the domain is an alias for a name without any.
func (r *Resolver) MX(domain string) ([]MX, error) {
	a, err := r.lookup(domain, dnsmessage.TypeMX)
	return a.mx, err
}

// A lists the IPv4 addresses of a host in the order of the answer. No error and
// no address: the host is an alias for a name without any.
func (r *Resolver) A(host string) ([]netip.Addr, error) {
	a, err := r.lookup(host, dnsmessage.TypeA)
	return a.addrs, err
}

// AAAA lists the IPv6 addresses of a host, as A does the IPv4 ones.
func (r *Resolver) AAAA(host string) ([]netip.Addr, error) {
	a, err := r.lookup(host, dnsmessage.TypeAAAA)
	return a.addrs, err
}

// TXT lists the texts of a name, the strings of each record joined.
func (r *Resolver) TXT(name string) ([]string, error) {
	a, err := r.lookup(name, dnsmessage.TypeTXT)
	return a.texts, err
}

// PTR is the first name of an address, as HostText has it; "" without error:
// the address is an alias for a name without any.
func (r *Resolver) PTR(ip netip.Addr) (string, error) {
	a, err := r.lookup(ReverseName(ip), dnsmessage.TypePTR)
	if err != nil || len(a.names) == 0 {
		return "", err
	}
	return HostText(a.names[0]), nil
}

// ReverseName is the name at which an address has its PTR record:
// 4.3.2.1.in-addr.arpa, or 32 hexadecimal digits and ip6.arpa. An IPv4-mapped
// address counts as the IPv4 one.
func ReverseName(ip netip.Addr) string {
	var b []byte
	if ip = ip.Unmap(); ip.Is4() {
		v := ip.As4()
		for i := len(v) - 1; i >= 0; i-- {
			b = append(strconv.AppendUint(b, uint64(v[i]), 10), '.')
		}
		return string(b) + "in-addr.arpa"
	}
	const hex = "0123456789abcdef"
	v := ip.As16()
	for i := len(v) - 1; i >= 0; i-- {
		b = append(b, hex[v[i]&15], '.', hex[v[i]>>4], '.')
	}
	return string(b) + "ip6.arpa"
}

// HostText makes a name that came from DNS fit for logs and environments:
// lower case, no final dot, and every byte but letters, digits, hyphens and
// underscores as a backslash and three octal digits, so that no name can
// contain a blank, a colon or a newline.
func HostText(name string) string {
	if name != "" && name[len(name)-1] == '.' {
		name = name[:len(name)-1]
	}
	var b []byte
	for i := 0; i < len(name); i++ {
		c := address.LowerByte(name[i])
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' {
			b = append(b, c)
			continue
		}
		b = append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
	}
	return string(b)
}
