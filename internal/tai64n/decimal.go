package tai64n

// A Decimal is a moment as accustamp and splogger write it before a line, and
// as matchup writes it into its own lines:
//
//	SECONDS [ . FRACTION ]
//
// SECONDS is Unix time without leading zeros, at most 12 digits; FRACTION is 1
// to 9 digits, 6 from both writers. The number of digits is kept, so that a
// moment is written as it was read.
type Decimal struct {
	Stamp
	Digits int // of the fraction; 0: there is none
}

// maxSeconds is one more than the largest number of seconds.
const maxSeconds = 1_000_000_000_000

// maxDigits is how many digits a fraction of a second may have.
const maxDigits = 9

// Decimal is the stamp with all nine digits. It is not ok before 1970, and
// where the seconds have more than 12 digits.
func (s Stamp) Decimal() (d Decimal, ok bool) {
	return Decimal{s, maxDigits}, s.Sec >= 0 && s.Sec < maxSeconds
}

// ParseDecimal reads a moment; it is ok only if the whole of s is one.
func ParseDecimal(s []byte) (d Decimal, ok bool) {
	i := 0
	for ; i < len(s) && isDigit(s[i]); i++ {
		if d.Sec = d.Sec*10 + int64(s[i]-'0'); d.Sec >= maxSeconds {
			return Decimal{}, false
		}
	}
	if i == 0 || i > 1 && s[0] == '0' {
		return Decimal{}, false
	}
	if i == len(s) {
		return d, true
	}
	fraction := s[i+1:]
	if s[i] != '.' || len(fraction) == 0 || len(fraction) > maxDigits {
		return Decimal{}, false
	}
	for d.Digits = 0; d.Digits < maxDigits; d.Digits++ {
		d.Nano *= 10
		if d.Digits < len(fraction) {
			if !isDigit(fraction[d.Digits]) {
				return Decimal{}, false
			}
			d.Nano += uint32(fraction[d.Digits] - '0')
		}
	}
	d.Digits = len(fraction)
	return d, true
}

// ParseEither reads a moment in either form, TAI64N or decimal; it is ok only if
// the whole of s is one.
func ParseEither(s []byte) (d Decimal, ok bool) {
	if len(s) != Len || s[0] != '@' {
		return ParseDecimal(s)
	}
	stamp, ok := Parse(string(s))
	if !ok {
		return Decimal{}, false
	}
	return stamp.Decimal()
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// Append adds the text to b. What the fraction has no digits for is cut off.
func (d Decimal) Append(b []byte) []byte {
	b = appendDecimal(b, uint64(d.Sec), 1)
	if d.Digits == 0 {
		return b
	}
	b = appendDecimal(append(b, '.'), uint64(d.Nano), maxDigits)
	return b[:len(b)-maxDigits+d.Digits]
}

// String is the moment's text.
func (d Decimal) String() string { return string(d.Append(nil)) }

// appendDecimal adds v with at least width digits.
func appendDecimal(b []byte, v uint64, width int) []byte {
	var digits [20]byte // as many as 2^64 has
	i := len(digits)
	for ; v > 0 || width > 0; width-- {
		i--
		digits[i] = '0' + byte(v%10)
		v /= 10
	}
	return append(b, digits[i:]...)
}

// Before tells whether d is earlier than e.
func (d Decimal) Before(e Decimal) bool {
	return d.Sec < e.Sec || d.Sec == e.Sec && d.Nano < e.Nano
}

// Since is how long before d the moment e was.
func (d Decimal) Since(e Decimal) Span {
	return Span{Sec: d.Sec - e.Sec, Nano: int64(d.Nano) - int64(e.Nano)}.normal()
}

// A Span is a length of time, possibly negative: Sec seconds and Nano
// nanoseconds, 0 to 999999999, added. Sums of spans are exact, whatever their
// order. (A time.Duration ends at 292 years, less than what all the mail of a
// busy host may have waited together.)
type Span struct{ Sec, Nano int64 }

// normal brings Nano, not further than a second outside, into its limits.
func (s Span) normal() Span {
	switch {
	case s.Nano < 0:
		return Span{s.Sec - 1, s.Nano + second}
	case s.Nano >= second:
		return Span{s.Sec + 1, s.Nano - second}
	}
	return s
}

// Plus is the sum.
func (s Span) Plus(t Span) Span { return Span{s.Sec + t.Sec, s.Nano + t.Nano}.normal() }

// Seconds is the span in seconds.
func (s Span) Seconds() float64 { return float64(s.Sec) + float64(s.Nano)/second }

// Times is the span n times, n not negative.
func (s Span) Times(n int64) Span { return Span{s.Sec * n, 0}.Plus(nanos(s.Nano, n)) }

// nanos is n times ns, which is less than a second, without overflow.
func nanos(ns, n int64) Span {
	high, low := n/second, n%second // ns*low fits in 64 bits
	whole := ns * low
	return Span{ns*high + whole/second, whole % second}
}
