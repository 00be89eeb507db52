package tai64n

import (
	"strings"
	"testing"
)

var decimals = []struct {
	text   string
	sec    int64
	nano   uint32
	digits int
}{
	{"0", 0, 0, 0},
	{"1795201397.030000", 1795201397, 30000000, 6},
	{"935467445", 935467445, 0, 0},
	{"5.5", 5, 500000000, 1},
	{"0.000000001", 0, 1, 9},
	{"999999999999.999999999", 999999999999, 999999999, 9},
}

func TestDecimal(t *testing.T) {
	for _, tt := range decimals {
		want := Decimal{Stamp{tt.sec, tt.nano}, tt.digits}
		if got, ok := ParseDecimal([]byte(tt.text)); !ok || got != want {
			t.Errorf("ParseDecimal(%s) = %v, %v, want %v", tt.text, got, ok, want)
		}
		if got := want.String(); got != tt.text {
			t.Errorf("%v is written as %s, want %s", want, got, tt.text)
		}
	}
	for _, bad := range []string{
		"", ".", "1.", ".5", "01", "00.5", "-1", "+1", "1.0000000001", "1000000000000", "1.5x", "1,5", "1e9", " 1", "1 ",
		strings.Repeat("9", 40),
	} {
		if got, ok := ParseDecimal([]byte(bad)); ok {
			t.Errorf("ParseDecimal(%q) = %v, want none", bad, got)
		}
	}
}

func TestStampDecimal(t *testing.T) {
	for _, tt := range []struct {
		in   Stamp
		want string
	}{
		{Stamp{1795201397, 30000000}, "1795201397.030000000"},
		{Stamp{-1, 0}, ""},
		{Stamp{1 << 60, 0}, ""},
	} {
		got := ""
		if d, ok := tt.in.Decimal(); ok {
			got = d.String()
		}
		if got != tt.want {
			t.Errorf("%v.Decimal() = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestParseEither(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"@400000006b00997f01c9c380", "1795201397.030000000"},
		{"1795201397.030000", "1795201397.030000"},
		{"1795201397", "1795201397"},
		{"@400000006b00997f01c9c380 ", ""},
		{"@400000006b00997f01c9c38", ""},
		{"@400000006b00997f01c9c38g", ""},
		{"@3fffffffffffffff3b9ac9ff", ""},
		{"@", ""},
		{"", ""},
	} {
		got := ""
		if d, ok := ParseEither([]byte(tt.in)); ok {
			got = d.String()
		}
		if got != tt.want {
			t.Errorf("ParseEither(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestSpan(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		want     float64
	}{
		{"10.25", "12.5", 2.25},
		{"10.75", "12.5", 1.75},
		{"12.5", "10.75", -1.75},
		{"12.5", "12.5", 0},
		{"999999.999999999", "0", -999999.999999999},
	} {
		from, _ := ParseDecimal([]byte(tt.from))
		to, _ := ParseDecimal([]byte(tt.to))
		s := to.Since(from)
		if got := s.Seconds(); got != tt.want {
			t.Errorf("from %s to %s: %v, want %v", tt.from, tt.to, got, tt.want)
		}
		if got := s.Plus(s).Seconds(); got != 2*tt.want {
			t.Errorf("twice from %s to %s: %v, want %v", tt.from, tt.to, got, 2*tt.want)
		}
		if got := s.Times(1e12).Seconds(); got != 1e12*tt.want {
			t.Errorf("1e12 times from %s to %s: %v, want %v", tt.from, tt.to, got, 1e12*tt.want)
		}
		if got, want := to.Before(from), tt.want < 0; got != want {
			t.Errorf("%s before %s: %v", tt.to, tt.from, got)
		}
	}
}

// What is a moment is written as it was read.
func FuzzParseDecimal(f *testing.F) {
	for _, tt := range decimals {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		if d, ok := ParseDecimal(s); ok && d.String() != string(s) {
			t.Errorf("ParseDecimal(%q) = %v, which is written as %s", s, d, d)
		}
	})
}
