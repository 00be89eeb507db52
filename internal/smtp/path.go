package smtp

import (
	"strings"

	"goqmail/internal/address"
)

// PathMax is the longest address that a server takes, in bytes, after quotes
// are removed and a local address literal is replaced.
const PathMax = 899

// ParsePath finds the address in the argument of MAIL or RCPT:
//
//	anything < ADDRESS >        up to the first > outside quotes
//	anything : ADDRESS blank    where there is no <
//
// What stands before is not looked at, nor what follows: parameters. A source
// route, @ up to the next colon, is skipped. In ADDRESS a backslash makes the
// next byte literal and is dropped; quotes are dropped, and inside them > and
// blank mean nothing. Where there is neither < nor colon, or a source route has
// no colon, the address is empty.
//
// A missing end is no error: ended is false then, and the address goes up to
// the end of the argument. Spec: spec/smtpd.md A5.
func ParsePath(arg string) (addr string, ended bool) {
	end := byte('>')
	if i := strings.IndexByte(arg, '<'); i >= 0 {
		arg = arg[i+1:]
	} else {
		end = ' '
		arg = arg[afterColon(arg):]
		for arg != "" && arg[0] == ' ' {
			arg = arg[1:]
		}
	}
	if arg != "" && arg[0] == '@' {
		arg = arg[afterColon(arg):]
	}
	var b []byte
	quoted := false
	for i := 0; i < len(arg); i++ {
		switch c := arg[i]; {
		case c == end && !quoted:
			return string(b), true
		case c == '\\':
			if i++; i < len(arg) {
				b = append(b, arg[i])
			}
		case c == '"':
			quoted = !quoted
		default:
			b = append(b, c)
		}
	}
	return string(b), false
}

// afterColon is the place after the first colon, or the end of s.
func afterColon(s string) int {
	if i := strings.IndexByte(s, ':'); i >= 0 {
		return i + 1
	}
	return len(s)
}

// ReplaceLiteral gives addr the host name instead of what follows its last @,
// if that is exactly [d.d.d.d] with an address for which isLocal is true. Each
// number has one digit or more and counts modulo 256.
func ReplaceLiteral(addr, name string, isLocal func(ip [4]byte) bool) string {
	local, host, ok := address.SplitLast(addr)
	if !ok {
		return addr
	}
	ip, ok := parseLiteral(host)
	if !ok || !isLocal(ip) {
		return addr
	}
	return local + "@" + name
}

// parseLiteral reads [d.d.d.d]. Package address has a stricter reader; clients
// of C servers may rely on this one.
func parseLiteral(s string) (ip [4]byte, ok bool) {
	if s == "" || s[0] != '[' {
		return ip, false
	}
	s = s[1:]
	for k := range ip {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			ip[k] = ip[k]*10 + s[n] - '0' // modulo 256, as its type is
			n++
		}
		if n == 0 || n == len(s) || s[n] != "...]"[k] {
			return ip, false
		}
		s = s[n+1:]
	}
	return ip, s == ""
}
