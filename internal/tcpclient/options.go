package tcpclient

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/ucspi"
)

// usage is what stands after "tcpclient: usage: ".
const usage = "tcpclient [ -46hHrRdDqQv ] [ -i localip ] [ -p localport ] [ -T timeoutconn ] " +
	"[ -l localname ] [ -t timeoutinfo ] [ -I interface ] host port program"

// How much is said on descriptor 2.
const (
	warnings = ucspi.Warnings // why there is no connection
	verbose  = ucspi.Verbose  // and that there is one
)

// Default time limits. Each address is first tried for a short time, so that
// one that is silent delays the others little.
const (
	firstLimit  = 2 * time.Second
	secondLimit = 58 * time.Second
)

// Options are the command line (spec/ucspi.md section 3).
type options struct {
	ucspi.Options
	from   netip.AddrPort   // local side; an invalid address and 0 leave it to the kernel
	limits [2]time.Duration // for each address: at first, and again if it was silent; 0: not again

	host, port string
	argv       []string // the program; nil: the call is no good
}

// parseOptions reads the command line; bad is a message besides the usage.
func parseOptions(args []string) (o options, bad string) {
	o = options{Options: ucspi.Defaults(), limits: [2]time.Duration{firstLimit, secondLimit}}
	get := prog.NewOptions(args, "46hHrRdDqQvi:p:T:l:t:I:")
	for c := get.Next(); c != 0; c = get.Next() {
		if c == '?' {
			return o, get.Bad
		}
		if !o.Flag(c) && !o.value(c, get.Value) {
			return o, "" // as in C, no word about which
		}
	}
	if rest := get.Rest(); len(rest) >= 3 {
		o.host, o.port, o.argv = rest[0], rest[1], rest[2:]
	}
	return o, ""
}

// value obeys an option with a value; false if that is wrong. Times without
// digits are 0, as in C.
func (o *options) value(c byte, v string) bool {
	switch c {
	case 't':
		o.IdentLimit = seconds(v)
	case 'T': // FIRST or FIRST+SECOND
		first, second, _ := strings.Cut(v, "+")
		o.limits = [2]time.Duration{seconds(first), seconds(second)}
	case 'i':
		ip, err := netip.ParseAddr(v)
		if err != nil {
			return false
		}
		o.from = netip.AddrPortFrom(ip.Unmap(), o.from.Port())
	case 'p':
		n, err := strconv.ParseUint(v, 10, 16)
		if err != nil {
			return false
		}
		o.from = netip.AddrPortFrom(o.from.Addr(), uint16(n))
	default:
		return o.Value(c, v)
	}
	return true
}

// seconds reads a time at the start of v.
func seconds(v string) time.Duration {
	n, _ := ucspi.Leading(v) // no digits: 0
	return time.Duration(n) * time.Second
}
