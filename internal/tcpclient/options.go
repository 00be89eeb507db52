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
	quiet    = 0 // nothing but what is wrong with the call
	warnings = 1 // and why there is no connection
	verbose  = 2 // and that there is one
)

// Default time limits. Each address is first tried for a short time, so that
// one that is silent delays the others little.
const (
	firstLimit  = 2 * time.Second
	secondLimit = 58 * time.Second
	identLimit  = 26 * time.Second
)

// Options are the command line (spec/ucspi.md section 3).
type options struct {
	verbosity  int
	only4      bool // IPv4 sockets only
	as6        bool // show IPv4 as IPv6
	lookRemote bool // look TCPREMOTEHOST up
	lookLocal  bool // look TCPLOCALHOST up
	localName  string
	askIdent   bool // ask for TCPREMOTEINFO
	identLimit time.Duration
	noDelay    bool             // TCP_NODELAY
	netIf      string           // interface of link-local addresses
	from       netip.AddrPort   // local side; an invalid address and 0 leave it to the kernel
	limits     [2]time.Duration // for each address: at first, and again if it was silent; 0: not again

	host, port string
	argv       []string // the program; nil: the call is no good
}

// parseOptions reads the command line; bad is a message besides the usage.
func parseOptions(args []string) (o options, bad string) {
	o = options{verbosity: warnings, lookRemote: true, lookLocal: true, askIdent: true,
		identLimit: identLimit, limits: [2]time.Duration{firstLimit, secondLimit}}
	get := prog.NewOptions(args, "46hHrRdDqQvi:p:T:l:t:I:")
	for c := get.Next(); c != 0; c = get.Next() {
		if c == '?' {
			return o, get.Bad
		}
		if !o.flag(c) && !o.value(c, get.Value) {
			return o, "" // as in C, no word about which
		}
	}
	if rest := get.Rest(); len(rest) >= 3 {
		o.host, o.port, o.argv = rest[0], rest[1], rest[2:]
	}
	return o, ""
}

// flag obeys an option without a value; false if c is none.
func (o *options) flag(c byte) bool {
	switch c {
	case '4':
		o.only4 = true
	case '6':
		o.as6 = true
	case 'h':
		o.lookRemote = true
	case 'H':
		o.lookRemote = false
	case 'r':
		o.askIdent = true
	case 'R':
		o.askIdent = false
	case 'd':
		o.noDelay = false
	case 'D':
		o.noDelay = true
	case 'q':
		o.verbosity = quiet
	case 'Q':
		o.verbosity = warnings
	case 'v':
		o.verbosity = verbose
	default:
		return false
	}
	return true
}

// value obeys an option with a value; false if that is wrong. Times without
// digits are 0, as in C.
func (o *options) value(c byte, v string) bool {
	switch c {
	case 'l':
		o.localName, o.lookLocal = v, false
	case 'I':
		o.netIf = v
	case 't':
		o.identLimit = seconds(v)
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
	}
	return true
}

// seconds reads a time at the start of v.
func seconds(v string) time.Duration {
	n, _ := ucspi.Leading(v) // no digits: 0
	return time.Duration(n) * time.Second
}
