// Package rblsmtpd is rblsmtpd: it looks the client's address up in DNS lists
// and becomes the SMTP server, or refuses the client's mail in a small SMTP
// session of its own.
//
//	options and $RBLSMTPD -> all lists at once (lists.go) -> exec, or refuse (session.go)
//
// Spec: spec/ucspi.md section 4; RFC 5782; what they leave open as Debian's
// ucspi-tcp-ipv6 0.88 does it.
package rblsmtpd

import (
	"net/netip"
	"strconv"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/tcpenv"
	"goqmail/internal/ucspi"
)

// Exit codes; the program's own if it runs.
const (
	exitRefused = 0 // the session is over, however it ended
	exitUsage   = 100
	exitFailed  = 111
)

// usage is the original's, -R, which it does not know, among it.
const usage = "rblsmtpd: usage: rblsmtpd [ -b ] [ -R ] [ -t timeout ] [ -r base ] [ -a base ] smtpd [ arg ... ]"

// defaultTimeout is the time limit of the whole session.
const defaultTimeout = 60 * time.Second

// varText is the variable that decides before any list: empty lets the client
// through, a text refuses it with codeLater, or with codeNever if a hyphen stands
// before it.
const varText = "RBLSMTPD"

// Options are the command line.
type options struct {
	lists   []list
	timeout time.Duration // 0: one line instead of a session
	argv    []string
}

// Run is rblsmtpd [OPTIONS] PROGRAM [ARGUMENTS].
func Run(p *prog.Process) int {
	o, bad := parseOptions(p.Args[1:])
	if bad != "" {
		p.Say(2, "rblsmtpd: ", bad, "\n")
	}
	if len(o.argv) == 0 {
		return p.Die(exitUsage, usage)
	}
	ip, _ := p.Env.Get(tcpenv.RemoteIP)
	v := o.judge(p, ip, func() resolver { return ucspi.SystemResolver(p.Env) })
	if !v.refused {
		err := child.ExecSearch(o.argv[0], o.argv, p.Env.List())
		return p.Die(exitFailed, "rblsmtpd: fatal: unable to run ", o.argv[0], ": ", sys.ErrText(err))
	}
	reply := v.reply()
	p.Say(2, "rblsmtpd: ", clean(ip, ipMax), " pid ", strconv.Itoa(sys.Getpid()), ": ", reply, "\n")
	refuse(p, reply, o.timeout)
	return exitRefused
}

// parseOptions reads the command line; bad is a message besides the usage.
// Options b, B, c and C are for the lists that follow them, as in C.
func parseOptions(args []string) (o options, bad string) {
	o.timeout = defaultTimeout
	var next list // what the next one is like
	get := prog.NewOptions(args, "bBcCt:r:a:")
	for c := get.Next(); c != 0; c = get.Next() {
		switch c {
		case '?':
			return o, get.Bad
		case 'b':
			next.never = true
		case 'B':
			next.never = false
		case 'c':
			next.closed = true
		case 'C':
			next.closed = false
		case 't':
			n, _ := ucspi.Leading(get.Value) // no digits: 0, as in C
			o.timeout = time.Duration(n) * time.Second
		case 'r', 'a':
			l := next
			l.set(c == 'a', get.Value)
			o.lists = append(o.lists, l)
		}
	}
	o.argv = get.Rest()
	return o, ""
}

// judge decides about a client. Without an address, as for programs run by hand,
// no list is asked.
func (o *options) judge(p *prog.Process, ip string, newResolver func() resolver) verdict {
	if text, ok := p.Env.Get(varText); ok {
		switch {
		case text == "":
			return verdict{}
		case text[0] == '-':
			return verdict{refused: true, never: true, text: text[1:]}
		}
		return verdict{refused: true, text: text}
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return verdict{}
	}
	return decide(o.lists, addr.Unmap().WithZone(""), newResolver)
}
