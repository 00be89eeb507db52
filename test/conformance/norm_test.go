package conformance

import (
	"bytes"
	"math/big"
	"regexp"
	"strconv"
	"time"
)

// caseHost is the host name of the machine that cases run on.
const caseHost = "vhost.example"

// slack is how far a time may lie outside of the time a case ran, in seconds.
const slack = 2

// A normaliser replaces what differs from run to run: dates, process ids and
// unique names. A time is replaced only if it lies in the time the case ran, so
// that a date which the input brought, or a wrong one, stays and is compared.
type normaliser struct {
	from, to int64 // Unix time
	extra    []replacement
}

// A replacement is a regular expression of the case's own with its template.
type replacement struct {
	re *regexp.Regexp
	to []byte
}

// The time in a pattern is in a group of its own; see the method that each
// pattern is used in.
var (
	months = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"

	re822   = regexp.MustCompile(`(\d{1,2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)`)
	reCtime = regexp.MustCompile(`(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(\d{1,2}) (\d\d):(\d\d):(\d\d) (\d{4})`)
	// Message-ID as qmail-inject makes it
	reMessageID = regexp.MustCompile(`(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\.\d+\.qmail@`)
	// Received line of qmail-queue, after its date was replaced
	reInvoked = regexp.MustCompile(`\(qmail \d+ (invoked [^)]*\); <DATE)`)
	// replies of the network daemons; reKok as a netstring
	reKok = regexp.MustCompile(`(\d+):(Kok (\d{9,11}) qp \d+),`)
	reOk  = regexp.MustCompile(`(ok:? )(\d{9,11}) qp \d+`)
	reQp  = regexp.MustCompile(`(?m)(^|: )qp \d+$`)
	rePop = regexp.MustCompile(`<\d+\.(\d{9,11})@`)
	// Maildir names; VERP senders of QMAILINJECT=m, which are followed by - or @
	reMaildir = regexp.MustCompile(`(\d{9,11})\.[A-Za-z0-9_#]+\.` + caseHost)
	reVerp    = regexp.MustCompile(`-(\d{9,11})\.\d+([@-])`)
	// qmail-tcpto
	reTimedOut = regexp.MustCompile(`timed out (-?\d+) seconds ago`)
)

// atoi reads digits that a pattern matched.
func atoi(b []byte) int64 {
	n, _ := strconv.ParseInt(string(b), 10, 64) // at most 11 digits, or too large to be a time
	return n
}

// current reports whether t is a time of this run.
func (n *normaliser) current(t int64) bool {
	return n.from-slack <= t && t <= n.to+slack
}

// currentAt is current for digits.
func (n *normaliser) currentAt(b []byte) bool { return n.current(atoi(b)) }

// currentDate is current for the parts of a date in UTC; month may be a name.
func (n *normaliser) currentDate(year, month, day, h, m, s []byte, zone int64) bool {
	mon := int64(bytes.Index([]byte(months), month))/4 + 1
	if month[0] <= '9' {
		mon = atoi(month)
	}
	if y := atoi(year); y < 1 || mon < 1 || mon > 12 {
		return false
	}
	t := time.Date(int(atoi(year)), time.Month(mon), int(atoi(day)), int(atoi(h)), int(atoi(m)), int(atoi(s)), 0, time.UTC)
	return n.current(t.Unix() - zone)
}

// replace calls f with the groups of every match in b, and puts its result in
// the place of the match. Nil leaves the match as it is.
func replace(re *regexp.Regexp, b []byte, f func(g [][]byte) []byte) []byte {
	var out []byte
	end := 0
	for _, m := range re.FindAllSubmatchIndex(b, -1) {
		g := make([][]byte, len(m)/2)
		for i := range g {
			if m[2*i] >= 0 {
				g[i] = b[m[2*i]:m[2*i+1]]
			}
		}
		out = append(out, b[end:m[0]]...)
		if r := f(g); r != nil {
			out = append(out, r...)
		} else {
			out = append(out, g[0]...)
		}
		end = m[1]
	}
	return append(out, b[end:]...)
}

// verp replaces the time and process id in VERP senders. The byte after them
// may begin the next one, so matches may share it.
func (n *normaliser) verp(b []byte) []byte {
	var out []byte
	for {
		m := reVerp.FindSubmatchIndex(b)
		if m == nil {
			return append(out, b...)
		}
		out = append(out, b[:m[0]]...)
		if n.currentAt(b[m[2]:m[3]]) {
			out = append(out, "-<TS>.<PID>"...)
		} else {
			out = append(out, b[m[0]:m[4]]...)
		}
		b = b[m[4]:]
	}
}

// when returns s if ok, else nil.
func when(ok bool, s string) []byte {
	if ok {
		return []byte(s)
	}
	return nil
}

// standard makes the replacements that every result gets. Later ones see what
// earlier ones left.
func (n *normaliser) standard(b []byte) []byte {
	b = replace(re822, b, func(g [][]byte) []byte {
		zone := (atoi(g[8])*60 + atoi(g[9])) * 60
		if g[7][0] == '-' {
			zone = -zone
		}
		return when(n.currentDate(g[3], g[2], g[1], g[4], g[5], g[6], zone),
			"<DATE "+string(g[7])+string(g[8])+string(g[9])+">")
	})
	b = replace(reCtime, b, func(g [][]byte) []byte {
		return when(n.currentDate(g[6], g[1], g[2], g[3], g[4], g[5], 0), "<CTIME>")
	})
	b = replace(reMessageID, b, func(g [][]byte) []byte {
		return when(n.currentDate(g[1], g[2], g[3], g[4], g[5], g[6], 0), "<TS>.<PID>.qmail@")
	})
	b = replace(reInvoked, b, func(g [][]byte) []byte {
		return []byte("(qmail <PID> " + string(g[1]))
	})
	b = replace(reKok, b, func(g [][]byte) []byte {
		return when(n.currentAt(g[3]) && atoi(g[1]) == int64(len(g[2])), "<LEN>:Kok <TS> qp <PID>,")
	})
	b = replace(reOk, b, func(g [][]byte) []byte {
		return when(n.currentAt(g[2]), string(g[1])+"<TS> qp <PID>")
	})
	b = replace(rePop, b, func(g [][]byte) []byte {
		return when(n.currentAt(g[1]), "<<PID>.<TS>@")
	})
	b = replace(reMaildir, b, func(g [][]byte) []byte {
		return when(n.currentAt(g[1]), "<UNIQ>."+caseHost)
	})
	b = n.verp(b)
	b = replace(reTimedOut, b, func(g [][]byte) []byte {
		t, _ := new(big.Int).SetString(string(g[1]), 10) // a negative age may be printed as 2^64 less it
		sixty := big.NewInt(60)
		t.Mul(t.Div(t, sixty), sixty)
		return []byte("timed out ~" + t.String() + " seconds ago")
	})
	return replace(reQp, b, func(g [][]byte) []byte {
		return []byte(string(g[1]) + "qp <PID>")
	})
}

// bytes makes the standard replacements, then those of the case.
func (n *normaliser) bytes(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	b = n.standard(b)
	for _, r := range n.extra {
		b = r.re.ReplaceAll(b, r.to)
	}
	return b
}

// newReplacement compiles a pattern and a template in which \1 stands for the
// first group.
func newReplacement(pattern, to string) (replacement, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return replacement{}, err
	}
	var t []byte
	for i := 0; i < len(to); i++ {
		switch c := to[i]; {
		case c == '$':
			t = append(t, "$$"...)
		case c == '\\' && i+1 < len(to) && '0' <= to[i+1] && to[i+1] <= '9':
			i++
			t = append(t, '$', '{', to[i], '}')
		default:
			t = append(t, c)
		}
	}
	return replacement{re, t}, nil
}

// ports returns the replacements for two port numbers that the kernel chose.
func portReplacement(port int, name string) replacement {
	return replacement{regexp.MustCompile(`\b` + strconv.Itoa(port) + `\b`), []byte(name)}
}
