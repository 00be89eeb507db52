package header

import "testing"

var fromDateTests = []struct {
	line string
	want int64
	ok   bool
}{
	{"From s@x Fri Nov 20 19:03:56 2026\n", 1795201436, true},
	{"From s@x Fri Nov 20 19:03:56 2026", 1795201436, true},
	{"From s@x Fri Nov 20 19:03:56 2026\r\n", 1795201436, true},
	{"From s@x  Fri Nov 20 19:03:56 2026", 1795201436, true},
	{"From MAILER-DAEMON Thu Jan 01 00:00:00 1970\n", 0, true},
	{"From x Thu Jan  1 00:00:00 1970\n", 0, true},
	{"From - Wed Dec 31 23:59:59 1969\n", -1, true},
	{"From x Tue Feb 29 12:00:00 2000", 951825600, true},
	{"From x Fri Nov 20 19:03 2026", 1795201380, true},
	{"From x Fri Nov 20 20:03:56 +0100 2026", 1795201436, true},
	{"From x Fri Nov 20 20:03:56 2026 +0100", 1795201436, true},
	{"From x Fri Nov 20 14:03:56 2026 -0500", 1795201436, true},
	{"From x Fri Nov 20 19:03:56 CET 2026", 1795201436, true},
	{"From x Fri Nov 20 19:03:56 2026 remote from y", 1795201436, true},
	{"From Fri Nov 20 19:03:56 2026", 1795201436, true},
	{"From x nov 20 19:03:56 2026", 1795201436, true},
	{"From a b Jan 1 0:00:00 1971 Fri Nov 20 19:03:56 2026", 1795201436, true},
	{"From x Fri, 20 Nov 2026 20:03:56 +0100", 1795201436, true},
	{"From x 20 Nov 2026 19:03:56", 1795201436, true},
	{"From x\n", 0, false},
	{"From here to May 2026", 0, false},
	{"From x Fri Nov 20 19:03:56 26", 0, false},
	{"From x Fri Nov 32 19:03:56 2026", 0, false},
	{"From x Fri Nov 0 19:03:56 2026", 0, false},
	{"From x Fri Nov 20 24:03:56 2026", 0, false},
	{"From x Fri Nov 20 19:03:5 2026", 0, false},
	{"From x Fri Nov 20 19 2026", 0, false},
	{"From x Fri Nov 20 1:2:3:4 2026", 0, false},
	{"From x Fri Nov 20 +9:03:56 2026", 0, false},
	{"From x Fri Nov 20 19:03:56", 0, false},
	{"From x Fri Nov 20 19:03:56 CET", 0, false},
	{"From x Fri Nov 20", 0, false},
	{"from x Fri Nov 20 19:03:56 2026", 0, false},
	{">From x Fri Nov 20 19:03:56 2026", 0, false},
	{"", 0, false},
}

func TestFromDate(t *testing.T) {
	for _, tt := range fromDateTests {
		if got, ok := FromDate([]byte(tt.line)); got != tt.want || ok != tt.ok {
			t.Errorf("FromDate(%q) = %d, %v, want %d, %v", tt.line, got, ok, tt.want, tt.ok)
		}
	}
}

// A line as we write it gives its time back, whoever the sender is.
func FuzzFromDate(f *testing.F) {
	for _, tt := range fromDateTests {
		f.Add(tt.line, tt.want)
	}
	f.Add("", int64(253402300799))
	f.Add("s", int64(-62135596800))
	f.Fuzz(func(t *testing.T, sender string, when int64) {
		FromDate([]byte(sender))
		if when < -62135596800 || when > 253402300799 { // the years 1 to 9999
			return
		}
		line := FromLine(sender, when)
		if got, ok := FromDate([]byte(line)); !ok || got != when {
			t.Errorf("FromDate(%q) = %d, %v, want %d", line, got, ok, when)
		}
	})
}
