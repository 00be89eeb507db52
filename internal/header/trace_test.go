package header

import (
	"testing"
	"time"
)

func TestDates(t *testing.T) {
	tests := []struct {
		t                  int64
		date, ctime, stamp string
	}{
		{1795201436, "20 Nov 2026 19:03:56", "Fri Nov 20 19:03:56 2026", "20261120190356"},
		{0, "1 Jan 1970 00:00:00", "Thu Jan 01 00:00:00 1970", "19700101000000"},
		{-1, "31 Dec 1969 23:59:59", "Wed Dec 31 23:59:59 1969", "19691231235959"},
		{951827696, "29 Feb 2000 12:34:56", "Tue Feb 29 12:34:56 2000", "20000229123456"},
	}
	for _, tt := range tests {
		if got := Date(tt.t); got != tt.date {
			t.Errorf("Date(%d) = %q, want %q", tt.t, got, tt.date)
		}
		if got := Ctime(tt.t); got != tt.ctime {
			t.Errorf("Ctime(%d) = %q, want %q", tt.t, got, tt.ctime)
		}
		if got := Stamp(tt.t); got != tt.stamp {
			t.Errorf("Stamp(%d) = %q, want %q", tt.t, got, tt.stamp)
		}
	}
}

func TestDateLocal(t *testing.T) {
	tests := []struct {
		east int
		want string
	}{
		{0, "1 Jan 2027 00:29:30 +0000"},
		{3600, "1 Jan 2027 01:29:30 +0100"},
		{-3600, "31 Dec 2026 23:29:30 -0100"},
		{-3*3600 - 45*60, "31 Dec 2026 20:44:30 -0345"},
		{14 * 3600, "1 Jan 2027 14:29:30 +1400"},
		{45, "1 Jan 2027 00:30:15 +0000"},
		{-45, "1 Jan 2027 00:28:45 +0000"},
	}
	for _, tt := range tests {
		if got := DateLocal(1798763370, tt.east); got != tt.want {
			t.Errorf("DateLocal(1798763370, %d) = %q, want %q", tt.east, got, tt.want)
		}
	}
}

func TestLines(t *testing.T) {
	tests := []struct{ got, want string }{
		{ReceivedQueue(6133, ByAlias, 1795201436), "Received: (qmail 6133 invoked by alias); 20 Nov 2026 19:03:56 -0000\n"},
		{DeliveredTo("a\nb@c"), "Delivered-To: a_b@c\n"},
		{ReturnPath(""), "Return-Path: <>\n"},
		{ReturnPath("#@[]"), "Return-Path: <#@[]>\n"},
		{ReturnPath("a b@c"), "Return-Path: <\"a b\"@c>\n"},
		{ReturnPath("From me"), "Return-Path: <\"From me\">\n"},
		{ReturnPath("a\nb"), "Return-Path: <\"a\\_b\">\n"},
		{FromLine("a b\tc@d", 1795201706), "From a-b-c@d Fri Nov 20 19:08:26 2026\n"},
		{FromLine("", 0), "From MAILER-DAEMON Thu Jan 01 00:00:00 1970\n"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

var returnPathTests = []struct {
	line, sender string
	ok           bool
}{
	{"Return-Path: <s@x>\n", "s@x", true},
	{"Return-Path: <s@x>", "s@x", true},
	{"Return-Path: <>\n", "", true},
	{"Return-Path: <> (bounce)\n", "", true},
	{"Return-Path: <\"a\tb\"@c>\n", "\"a\tb\"@c", true},
	{"Return-Path: <s@x\n", "s@", true}, // the last byte is taken for >
	{"Return-Path: <s@x> \n", "s@x>", true},
	{"Return-Path: <\n", "", false},
	{"Return-Path: <", "", false},
	{"Return-Path: \n", "", false},
	{"Return-Path:<s@x>\n", "", false},
	{"return-path: <s@x>\n", "", false},
	{"", "", false},
	{"\n", "", false},
}

func TestParseReturnPath(t *testing.T) {
	for _, tt := range returnPathTests {
		if sender, ok := ParseReturnPath([]byte(tt.line)); sender != tt.sender || ok != tt.ok {
			t.Errorf("ParseReturnPath(%q) = %q, %v, want %q, %v", tt.line, sender, ok, tt.sender, tt.ok)
		}
	}
}

// FuzzReturnPath: what ReturnPath wrote is read back, quotes and all.
func FuzzReturnPath(f *testing.F) {
	for _, tt := range returnPathTests {
		f.Add(tt.sender)
		f.Add(tt.line)
	}
	f.Fuzz(func(t *testing.T, sender string) {
		line := ReturnPath(sender)
		got, ok := ParseReturnPath([]byte(line))
		if want := line[len(returnPath) : len(line)-2]; got != want || !ok {
			t.Errorf("ParseReturnPath(%q) = %q, %v, want %q", line, got, ok, want)
		}
	})
}

func TestHops(t *testing.T) {
	tests := []struct {
		in   string
		want int
	}{
		{"Received: x\n", 1}, {"rEcEiVeD-SPF: x\nDelivered-To: y\n", 2}, {" Received: x\n", 0},
		{"\nReceived: x\n", 0}, {"A: b\n\nReceived: x\n", 0}, {"Receive: x\nDelivere: y\n", 0}, {"receivedX", 1}, {"deliverreceived", 0},
	}
	for _, tt := range tests {
		var h HopCounter
		for i := 0; i < len(tt.in); i++ {
			h.Push(tt.in[i])
		}
		if h.hops != tt.want {
			t.Errorf("hops of %q = %d, want %d", tt.in, h.hops, tt.want)
		}
	}
	var h HopCounter
	for i := 1; i <= HopLimit; i++ {
		for _, c := range []byte("Received: x\n") {
			h.Push(c)
		}
		if h.Looping() != (i == HopLimit) {
			t.Fatalf("after %d fields Looping() = %v", i, h.Looping())
		}
	}
}

func FuzzDate(f *testing.F) {
	f.Add(int64(1795201436))
	f.Fuzz(func(t *testing.T, sec int64) {
		if sec < -62135596800 || sec > 253402300799 {
			return // years 1 to 9999
		}
		u := time.Unix(sec, 0).UTC()
		if got, want := Date(sec), u.Format("2 Jan 2006 15:04:05"); got != want {
			t.Errorf("Date(%d) = %q, want %q", sec, got, want)
		}
		if got, want := Ctime(sec), u.Format("Mon Jan 02 15:04:05 2006"); got != want {
			t.Errorf("Ctime(%d) = %q, want %q", sec, got, want)
		}
	})
}
