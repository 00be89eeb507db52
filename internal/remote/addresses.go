package remote

import (
	"math/rand/v2"
	"net/netip"
	"sort"

	"goqmail/internal/address"
	"goqmail/internal/dns"
)

// A target is an address to try. Lower preferences are better.
type target struct {
	ip   netip.Addr
	pref int
}

// maxTargets is how many addresses one run keeps, from the best on. An answer
// can hold 4000, and connectTime is over long before.
const maxTargets = 1000

// literal reads host as d.d.d.d or [d.d.d.d]. Numbers over 255 make it a name;
// C took them modulo 256.
func literal(host string) (ip netip.Addr, ok bool) {
	v, ok := address.ParseIPv4(host)
	if !ok {
		v, ok = address.ParseLiteral(host)
	}
	return netip.AddrFrom4(v), ok
}

// relayTargets finds the addresses of a relay from smtproutes. There is no MX
// look-up, and no looking whether they are our own: the administrator knows.
func (d *delivery) relayTargets(relay string) ([]target, verdict) {
	if ip, ok := literal(relay); ok {
		return []target{{ip, 0}}, verdict{}
	}
	return d.addressTargets(relay)
}

// addressTargets finds the A records of a host that has to have some.
func (d *delivery) addressTargets(host string) ([]target, verdict) {
	ips, err := d.resolver.A(host)
	switch {
	case err == dns.ErrNotFound:
		return nil, noHost(host)
	case err != nil:
		return nil, noAnswer
	case len(ips) == 0:
		return nil, noExchanger
	}
	var to []target
	for _, ip := range ips {
		to = append(to, target{ip, 0})
	}
	return to, verdict{}
}

// hostTargets finds where mail for the host goes, and leaves out what is no
// better than this host itself.
func (d *delivery) hostTargets() ([]target, verdict) {
	to, v := d.exchangers()
	if v != (verdict{}) {
		return nil, v
	}
	own, err := d.local()
	if err != nil {
		return nil, noResources
	}
	const none = 1 << 16 // worse than any MX
	self := none
	for _, t := range to {
		if own.Contains(t.ip) && t.pref < self {
			self = t.pref
		}
	}
	better := to[:0]
	for _, t := range to {
		if t.pref < self {
			better = append(better, t)
		}
	}
	if len(better) == 0 {
		return nil, selfListed
	}
	return better, verdict{}
}

// exchangers lists the addresses of the host's exchangers, best first, or of
// the host itself if it has none.
func (d *delivery) exchangers() ([]target, verdict) {
	if ip, ok := literal(d.host); ok {
		return []target{{ip, 0}}, verdict{}
	}
	mx, err := d.resolver.MX(d.host)
	if err != nil && err != dns.ErrNotFound {
		return nil, noAnswer
	}
	if len(mx) == 0 {
		return d.addressTargets(d.host)
	}
	var to []target
	soft := false
	for _, m := range sorted(mx) {
		if len(to) >= maxTargets {
			break
		}
		if ip, ok := literal(m.Host); ok {
			to = append(to, target{ip, int(m.Pref)})
			continue
		}
		ips, err := d.resolver.A(m.Host)
		if err != nil && err != dns.ErrNotFound {
			soft = true
		}
		for _, ip := range ips {
			to = append(to, target{ip, int(m.Pref)})
		}
	}
	switch {
	case len(to) > 0:
		return to, verdict{}
	case soft:
		return nil, noAnswer
	}
	return nil, noExchanger
}

// sorted orders exchangers by preference, equal ones at random, each name once,
// and leaves out the root, which stands for "no mail here" (RFC 7505).
func sorted(in []dns.MX) []dns.MX {
	mx := append([]dns.MX(nil), in...)
	rand.Shuffle(len(mx), func(i, j int) { mx[i], mx[j] = mx[j], mx[i] })
	sort.SliceStable(mx, func(i, j int) bool { return mx[i].Pref < mx[j].Pref })
	seen := map[string]bool{"": true}
	out := mx[:0]
	for _, m := range mx {
		if key := address.Lower(m.Host); !seen[key] {
			seen[key] = true
			out = append(out, m)
		}
	}
	return out
}
