package rblsmtpd

import (
	"net/netip"
	"strings"

	"goqmail/internal/dns"
)

// A list is an option -r or -a: a DNS domain below which addresses have their
// records, 4.3.2.1.BASE for 1.2.3.4, and 32 nibbles for IPv6 (RFC 5782, 2.1 and
// 2.4). A client is on the list if there is
//
//	-r BASE        a TXT record; its text is the message
//	-r BASE:TEXT   an A record of 127.0.0.0/8; TEXT is the message, with %IP%
//	               for the client's address (as other versions of rblsmtpd have it)
//	-a BASE        an A record; it clears the client
type list struct {
	base   string
	clears bool   // -a
	text   string // of BASE:TEXT
	byA    bool   // it has a TEXT
	never  bool   // refuse with codeNever
	closed bool   // refuse when the list cannot tell now (but later means later)
}

// set fills in the value of an option.
func (l *list) set(clears bool, value string) {
	l.base, l.clears = value, clears
	if !clears {
		l.base, l.text, l.byA = strings.Cut(value, ":")
	}
	l.base = strings.TrimPrefix(l.base, ".")
}

// A verdict is what is to be done with a client.
type verdict struct {
	refused bool
	never   bool // for good
	text    string
}

// An answer is what one list says.
type answer struct {
	listed bool
	text   string
	soft   bool // it cannot tell now
}

// A resolver looks up names; dns.Resolver is one.
type resolver interface {
	A(host string) ([]netip.Addr, error)
	TXT(name string) ([]string, error)
}

// softText is the message when a list cannot tell and option -c refuses then.
const softText = "temporary RBL lookup error"

// decide asks all lists at once and weighs their answers in the order of the
// command line: the first that knows the client decides. A list that cannot tell
// now counts as silent (-r) or as clearing (-a); with -c as listing (-r) or as
// silent (-a). Once one before could not tell, nobody is refused for good.
func decide(lists []list, ip netip.Addr, newResolver func() resolver) verdict {
	answers := make([]chan answer, len(lists))
	for i, l := range lists {
		answers[i] = make(chan answer, 1)
		go func() {
			a := answer{soft: true} // our bug: then it could not tell
			defer func() {
				_ = recover()
				answers[i] <- a
			}()
			a = l.ask(ip, newResolver())
		}()
	}
	doubt := false
	for i, l := range lists {
		a := <-answers[i]
		doubt = doubt || a.soft
		switch {
		case a.listed && l.clears, a.soft && l.clears && !l.closed:
			return verdict{}
		case a.listed:
			return verdict{refused: true, never: l.never && !doubt, text: a.text}
		case a.soft && !l.clears && l.closed:
			return verdict{refused: true, text: softText}
		}
	}
	return verdict{}
}

// ask looks an address up in one list.
func (l list) ask(ip netip.Addr, r resolver) answer {
	name := reverse(ip) + "." + l.base
	if !l.clears && !l.byA {
		texts, err := r.TXT(name)
		// As in C all texts count, and the empty one lists nobody.
		text := strings.Join(texts, "")
		return answer{listed: text != "", text: text, soft: soft(err)}
	}
	ips, err := r.A(name)
	if l.clears {
		return answer{listed: len(ips) > 0, soft: soft(err)}
	}
	for _, a := range ips {
		v := a.As4()
		switch {
		case v[0] != 127: // a resolver that finds an address for everything
		case v[1] == 255 && v[2] == 255:
			return answer{soft: true} // the list refuses to answer us
		default:
			return answer{listed: true, text: strings.ReplaceAll(l.text, "%IP%", ip.String())}
		}
	}
	return answer{soft: soft(err)}
}

// soft tells whether a look-up says nothing. A name that cannot exist, as with a
// base that is none, is not on the list.
func soft(err error) bool { return err != nil && err != dns.ErrNotFound }

// reverse is what stands before the base.
func reverse(ip netip.Addr) string {
	name := dns.ReverseName(ip)
	name = strings.TrimSuffix(name, ".in-addr.arpa")
	return strings.TrimSuffix(name, ".ip6.arpa")
}
