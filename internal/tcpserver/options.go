package tcpserver

import (
	"strconv"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/ucspi"
)

// usage is what stands after "tcpserver: usage: ".
const usage = "tcpserver [ -461UXpPhHrRoOdDqQv ] [ -c limit ] [ -x rules.cdb ] [ -B banner ] [ -g gid ] [ -u uid ] " +
	"[ -b backlog ] [ -l localname ] [ -t timeout ] [ -I interface ] host port program"

// How much is said on descriptor 2.
const (
	quiet    = ucspi.Quiet    // only what is wrong with the call
	warnings = ucspi.Warnings // and why tcpserver cannot start, and which connections it drops
	verbose  = ucspi.Verbose  // and every connection
)

// Options are the command line (spec/ucspi.md section 1).
type options struct {
	ucspi.Options
	limit      int    // most connections at a time
	backlog    int    // of listen
	rules      string // cdb file; "" for none
	rulesMay   bool   // an absent rules file allows everyone
	banner     string // sent before anything else
	paranoid   bool   // believe a name only if it has the address
	keepIPOpts bool   // leave the peer's IP options alone
	printPort  bool   // on descriptor 1
	uid, gid   *uint32

	host, port string
	argv       []string // the program
}

// parseOptions reads the command line. The error is a message and the code to
// exit with; an empty message means that the usage is enough.
func parseOptions(args []string, env prog.Env) (o options, bad string, code int) {
	o = options{Options: ucspi.Defaults(), limit: 40, backlog: 20}
	get := prog.NewOptions(args, "461UXpPhHrRoOdDqQvc:x:B:g:u:b:l:t:I:")
	for c := get.Next(); c != 0; c = get.Next() {
		if c == '?' {
			return o, get.Bad, exitUsage
		}
		if !o.flag(c) && !o.value(c, get.Value) {
			return o, "illegal number -- " + string([]byte{c}), exitUsage
		}
		if c == 'U' && !o.userFromEnv(env) {
			return o, "-U needs numbers in $UID and $GID", exitFailed
		}
	}
	rest := get.Rest()
	if len(rest) < 3 {
		return o, "", exitUsage
	}
	o.host, o.port, o.argv = rest[0], rest[1], rest[2:]
	return o, "", 0
}

// flag obeys an option without a value; false if c is none.
func (o *options) flag(c byte) bool {
	switch c {
	case '1':
		o.printPort = true
	case 'U': // see userFromEnv
	case 'X':
		o.rulesMay = true
	case 'p':
		o.paranoid = true
	case 'P':
		o.paranoid = false
	case 'o':
		o.keepIPOpts = true
	case 'O':
		o.keepIPOpts = false
	default:
		return o.Flag(c)
	}
	return true
}

// value obeys an option with a value; false if that is no number where one is
// needed.
func (o *options) value(c byte, v string) (ok bool) {
	var n int
	switch c {
	case 'x':
		o.rules = v
	case 'B':
		o.banner = v
	case 'c':
		o.limit, ok = ucspi.Leading(v)
		return ok
	case 'b':
		o.backlog, ok = ucspi.Leading(v)
		return ok
	case 't':
		n, ok = ucspi.Leading(v)
		o.IdentLimit = time.Duration(n) * time.Second
		return ok
	case 'u':
		o.uid = id(v)
		return o.uid != nil
	case 'g':
		o.gid = id(v)
		return o.gid != nil
	default:
		return o.Value(c, v)
	}
	return true
}

// userFromEnv takes uid and gid from $UID and $GID, as envuidgid sets them.
// Without them C tcpserver goes on as root.
func (o *options) userFromEnv(env prog.Env) bool {
	u, _ := env.Get("UID")
	g, _ := env.Get("GID")
	o.uid, o.gid = id(u), id(g)
	return o.uid != nil && o.gid != nil
}

// id reads a whole string as a uid or gid, nil if it is none. C tcpserver takes
// "nobody" for 0 and stays root.
func id(s string) *uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 1<<32-1 { // the kernel's "no change"
		return nil
	}
	v := uint32(n)
	return &v
}
