package syslogmsg

import (
	"bytes"
	"testing"
)

var tests = []struct {
	line, source, stamp, text string // stamp "": no line of splogger
	more                      bool
}{
	{"Nov 20 19:25:56 host qmail: 1795202756.746548 status: x", "host qmail: ", "1795202756.746548", "status: x", false},
	{"<22>Nov 20 19:25:56 qmail: 1795202756.746548 status: x", "qmail: ", "1795202756.746548", "status: x", false},
	{"Nov  1 09:25:56 a.b qmail[12]: 1795202756.746548+rest: of it", "a.b qmail[12]: ", "1795202756.746548", "rest: of it", true},
	{"2026-11-20T19:25:56.746621+00:00 host qmail: 1795202756.746548 new msg 5", "host qmail: ", "1795202756.746548", "new msg 5", false},
	{"2026-11-20T19:25:56Z host mail info qmail: 1795202756.746548 ", "host mail info qmail: ", "1795202756.746548", "", false},

	{line: ""},
	{line: "1795202756.746548 new msg 5"},
	{line: "qmail: 1795202756.746548 new msg 5"},
	{line: "Nov 20 19:25:56"},
	{line: "Nov 20 19:25:56 host"},
	{line: "Nov 20 19:25:56 host qmail: "},
	{line: "Nov 20 19:25:56 host qmail: 1795202756.746548"},
	{line: "Nov 20 19:25:56 host qmail: 1795202756 new msg 5"},
	{line: "Nov 20 19:25:56 host qmail: 1795202756.7465481 new msg 5"},
	{line: "Nov 20 19:25:56 host dovecot: imap-login: 1795202756.746548 new msg 5"},
	{line: "Nov 20 19:25:56 a b c d qmail: 1795202756.746548 new msg 5"},
	{line: "nov 20 19:25:56 host qmail: 1795202756.746548 new msg 5"},
	{line: "November 20 19:25:56 host qmail: 1795202756.746548 new msg 5"},
	{line: "Nov xx 19:25:56 host qmail: 1795202756.746548 new msg 5"},
	{line: "Nov 20 19h25m56 host qmail: 1795202756.746548 new msg 5"},
	{line: "<22"},
	{line: "<"},
}

func TestParse(t *testing.T) {
	for _, tt := range tests {
		l, ok := Parse([]byte(tt.line))
		if ok != (tt.stamp != "") {
			t.Errorf("Parse(%q) = %+v, %v", tt.line, l, ok)
			continue
		}
		if !ok {
			continue
		}
		if string(l.Source) != tt.source || string(l.Stamp) != tt.stamp || tt.line[l.Start:] != tt.text || l.More != tt.more {
			t.Errorf("Parse(%q) = source %q, stamp %q, text %q, more %v, want %+v", tt.line, l.Source, l.Stamp, tt.line[l.Start:], l.More, tt)
		}
		if got := string(l.Piece(nil, []byte(tt.line), []byte(tt.text), tt.more)); got != tt.line {
			t.Errorf("Piece: %q, want %q", got, tt.line)
		}
	}
}

func TestJournal(t *testing.T) {
	for in, want := range map[string]string{
		"host qmail[123]: new msg 5": "new msg 5", " host qmail: x ": "x ", "host qmail: ": "", "delivery 1: success: x": "success: x",
		"": "-", "host": "-", "host qmail": "-", "host : x": "-", "new msg 5:": "-",
	} {
		got, ok := Journal([]byte(in))
		if ok != (want != "-") || ok && string(got) != want {
			t.Errorf("Journal(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
}

// What splogger sends is read back, as sent and as a logger writes it.
func FuzzParse(f *testing.F) {
	for _, tt := range tests {
		f.Add([]byte(tt.line), tt.more)
	}
	f.Fuzz(func(t *testing.T, b []byte, more bool) {
		if l, ok := Parse(b); ok && !bytes.Equal(l.Piece(nil, b, b[l.Start:], l.More), b) {
			t.Errorf("Parse(%q) = %+v", b, l)
		}
		sent := Message{"22", "Nov 20 19:25:56", "qmail", "1795202756.746548", more, b}.Append(nil)
		for _, line := range [][]byte{sent, sent[len("<22>"):]} {
			l, ok := Parse(line)
			if !ok || string(l.Source) != "qmail: " || string(l.Stamp) != "1795202756.746548" || l.More != more || !bytes.Equal(line[l.Start:], b) {
				t.Errorf("Parse(%q) = %+v, %v", line, l, ok)
			}
		}
	})
}
