// Package address handles mailbox strings as bytes: the last @, ASCII case,
// quoting, VERP, domain suffixes, address literals, what can be shown. It knows
// nothing of Unicode: mail is bytes. Spec: spec/local.md section 2, spec/send.md
// sections 4 and 9, spec/remote.md sections 3 and 5.
package address

import "strings"

// Lower is s with the bytes A to Z in lower case; all others stay.
func Lower(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= 'A' && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				b[i] = LowerByte(b[i])
			}
			return string(b)
		}
	}
	return s
}

// LowerByte is c in lower case if it is an ASCII letter.
func LowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// EqualFold tells whether a and b are equal but for the case of ASCII letters.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if LowerByte(a[i]) != LowerByte(b[i]) {
			return false
		}
	}
	return true
}

// HasPrefixFold tells whether s begins with prefix, ASCII case aside.
func HasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && EqualFold(s[:len(prefix)], prefix)
}

// Printable is s with by in the place of every byte that a terminal might obey
// or that is not ASCII: what a stranger chose can be shown.
func Printable[T string | []byte](s T, by byte) []byte {
	b := []byte(s)
	for i, c := range b {
		if c < 32 || c > 126 {
			b[i] = by
		}
	}
	return b
}

// Fields cuts s at runs of the bytes in blanks.
func Fields(s, blanks string) []string {
	var out []string
	start := -1
	for i := 0; i <= len(s); i++ {
		blank := i == len(s) || strings.IndexByte(blanks, s[i]) >= 0
		if !blank && start < 0 {
			start = i
		}
		if blank && start >= 0 {
			out, start = append(out, s[start:i]), -1
		}
	}
	return out
}

// LastIndex is the position of the last c in s, or -1.
func LastIndex(s string, c byte) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == c {
			return i
		}
	}
	return -1
}

// SplitLast cuts addr at its last @. Without one, local is all of addr and ok
// is false.
func SplitLast(addr string) (local, host string, ok bool) {
	i := LastIndex(addr, '@')
	if i < 0 {
		return addr, "", false
	}
	return addr[:i], addr[i+1:], true
}

// atomByte marks the bytes that need no quotes in a local part, the dot aside.
var atomByte = func() (t [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~") {
		t[c] = true
	}
	return t
}()

// NeedsQuote tells whether a local part must be quoted: it is empty, begins or
// ends with a dot, has two dots together, or a byte outside letters, digits and
// !#$%&'*+-/=?^_`{|}~ and the dot.
func NeedsQuote(local string) bool {
	if local == "" || local[0] == '.' || local[len(local)-1] == '.' {
		return true
	}
	for i := 0; i < len(local); i++ {
		if local[i] == '.' && local[i-1] == '.' || local[i] != '.' && !atomByte[local[i]] {
			return true
		}
	}
	return false
}

// AppendQuoted adds the local part in quotes, with a backslash before CR, LF,
// the quote and the backslash. Bytes over 127 stay raw.
func AppendQuoted(b []byte, local string) []byte {
	b = append(b, '"')
	for i := 0; i < len(local); i++ {
		switch local[i] {
		case '\r', '\n', '"', '\\':
			b = append(b, '\\')
		}
		b = append(b, local[i])
	}
	return append(b, '"')
}

// Quote quotes the local part of addr where needed; the part from the last @ on
// stays as it is, and so does an address without @.
func Quote(addr string) string {
	i := LastIndex(addr, '@')
	if i < 0 || !NeedsQuote(addr[:i]) {
		return addr
	}
	return string(AppendQuoted(nil, addr[:i])) + addr[i:]
}

// QuoteLocal quotes a local part that stands alone, where needed.
func QuoteLocal(local string) string {
	if !NeedsQuote(local) {
		return local
	}
	return string(AppendQuoted(nil, local))
}

// VERP expands a sender for one recipient: PRE@HOST-@[] and BOX@RHOST give
// PREBOX=RHOST@HOST. A sender that does not end in -@[] after another @, or a
// recipient without @, leaves the sender as it is. Spec: spec/send.md section 9.
func VERP(sender, rcpt string) string {
	const mark = "-@[]"
	n := len(sender) - len(mark)
	if n < 0 || sender[n:] != mark {
		return sender
	}
	pre, host, ok := SplitLast(sender[:n])
	box, rhost, ok2 := SplitLast(rcpt)
	if !ok || !ok2 {
		return sender
	}
	return pre + box + "=" + rhost + "@" + host
}

// Suffixes calls f with host, then with each suffix of it that begins with a
// dot, longest first, until f returns false. The empty suffix is not included.
func Suffixes(host string, f func(string) bool) {
	if !f(host) {
		return
	}
	for i := 1; i < len(host); i++ {
		if host[i] == '.' && !f(host[i:]) {
			return
		}
	}
}

// ParseIPv4 reads d.d.d.d, nothing before or after. Each number has one digit or
// more and is at most 255; C takes larger ones modulo 256.
func ParseIPv4(s string) (ip [4]byte, ok bool) {
	for k := range ip {
		n, digits := 0, 0
		for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
			if n = n*10 + int(s[digits]-'0'); n > 255 {
				return ip, false
			}
			digits++
		}
		if digits == 0 {
			return ip, false
		}
		ip[k], s = byte(n), s[digits:]
		if k < 3 {
			if s == "" || s[0] != '.' {
				return ip, false
			}
			s = s[1:]
		}
	}
	return ip, s == ""
}

// ParseLiteral reads [d.d.d.d].
func ParseLiteral(s string) (ip [4]byte, ok bool) {
	if len(s) < 2 || s[0] != '[' || s[len(s)-1] != ']' {
		return ip, false
	}
	return ParseIPv4(s[1 : len(s)-1])
}
