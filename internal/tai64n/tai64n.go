// Package tai64n writes and reads TAI64N time stamps, as multilog puts them
// before lines and into file names:
//
//	@ SECONDS NANOSECONDS
//
// "@", then 16 hexadecimal digits: 2^62 plus the seconds since the beginning
// of 1970 TAI, then 8 digits: the nanoseconds within that second; digits are
// lower case. Text order is time order.
//
// As in daemontools, TAI is taken to be 10 seconds before Unix time for ever:
// no leap second table is used. Spec: spec/logs.md section 3.
//
// The other form of stamps, decimal Unix time, is Decimal.
package tai64n

// Len is the length of a stamp in bytes, with its "@".
const Len = 25

const (
	base   = 1<<62 + 10 // what is added to Unix seconds
	second = 1000000000 // nanoseconds
	digits = "0123456789abcdef"
)

// A Stamp is a moment: Unix seconds and nanoseconds, 0 to 999999999.
type Stamp struct {
	Sec  int64
	Nano uint32
}

// Next is the moment one nanosecond later.
func (s Stamp) Next() Stamp {
	if s.Nano++; s.Nano >= second {
		return Stamp{s.Sec + 1, 0}
	}
	return s
}

// Append adds the stamp's text to b.
func (s Stamp) Append(b []byte) []byte {
	b = append(b, '@')
	b = appendHex(b, uint64(s.Sec)+base, 16)
	return appendHex(b, uint64(s.Nano), 8)
}

// String is the stamp's text.
func (s Stamp) String() string { return string(s.Append(make([]byte, 0, Len))) }

// appendHex adds the low n hexadecimal digits of v.
func appendHex(b []byte, v uint64, n int) []byte {
	for n--; n >= 0; n-- {
		b = append(b, digits[v>>(4*n)&15])
	}
	return b
}

// Parse reads the stamp at the beginning of s. It is not ok if there is none:
// no "@", a byte that is no lower-case hexadecimal digit, more than 999999999
// nanoseconds, or a second that Unix time does not have.
func Parse(s string) (stamp Stamp, ok bool) {
	if len(s) < Len || s[0] != '@' {
		return stamp, false
	}
	label, ok1 := parseHex(s[1:17])
	nano, ok2 := parseHex(s[17:Len])
	// Labels from 2^63 on are reserved; below, all fit Unix seconds.
	if !ok1 || !ok2 || label >= 1<<63 || nano >= second {
		return stamp, false
	}
	return Stamp{int64(label) - base, uint32(nano)}, true
}

// parseHex reads lower-case hexadecimal digits, at most 16.
func parseHex(s string) (v uint64, ok bool) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			v = v<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}
