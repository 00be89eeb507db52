package tai64n

import (
	"strings"
	"testing"
)

var tests = []struct {
	stamp Stamp
	text  string
}{
	{Stamp{0, 0}, "@400000000000000a00000000"},
	{Stamp{935467445, 787492500}, "@4000000037c219bf2ef02e94"}, // the example of tai64n's manual
	{Stamp{1795201397, 30000000}, "@400000006b00997f01c9c380"},
	{Stamp{-11, 999999999}, "@3fffffffffffffff3b9ac9ff"},
}

func TestStamp(t *testing.T) {
	for _, tt := range tests {
		if got := tt.stamp.String(); got != tt.text {
			t.Errorf("%v = %s, want %s", tt.stamp, got, tt.text)
		}
		if got, ok := Parse(tt.text + " rest"); !ok || got != tt.stamp {
			t.Errorf("Parse(%s) = %v, %v, want %v", tt.text, got, ok, tt.stamp)
		}
	}
	for _, bad := range []string{
		"", "@", "400000000000000a00000000 ", "@400000000000000a0000000", "@400000000000000A00000000",
		"@400000000000000a3b9aca00", "@800000000000000a00000000", "@400000000000000a0000000g", "@@00000000000000a00000000",
	} {
		if got, ok := Parse(bad); ok {
			t.Errorf("Parse(%q) = %v, want none", bad, got)
		}
	}
}

func TestNext(t *testing.T) {
	for _, tt := range []struct{ in, want Stamp }{
		{Stamp{5, 6}, Stamp{5, 7}},
		{Stamp{5, 999999999}, Stamp{6, 0}},
		{Stamp{-1, 999999999}, Stamp{0, 0}},
	} {
		got := tt.in.Next()
		if got != tt.want {
			t.Errorf("%v.Next() = %v, want %v", tt.in, got, tt.want)
		}
		if a, b := tt.in.String(), got.String(); a >= b {
			t.Errorf("%s does not sort before %s", a, b)
		}
	}
}

// What is a stamp is written as it was read.
func FuzzParse(f *testing.F) {
	for _, tt := range tests {
		f.Add(tt.text)
		f.Add(strings.ToUpper(tt.text))
	}
	f.Fuzz(func(t *testing.T, s string) {
		stamp, ok := Parse(s)
		if !ok {
			return
		}
		if got := stamp.String(); got != s[:Len] {
			t.Errorf("Parse(%q) = %v, which is written as %s", s, stamp, got)
		}
	})
}
