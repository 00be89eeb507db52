package sendlog

import (
	"strings"
	"testing"

	"goqmail/internal/queue"
)

// TestLines holds the lines against spec/logs.md section 2; those of the good
// delivery are as notqmail 1.09 wrote them.
func TestLines(t *testing.T) {
	tests := []struct {
		got  []byte
		want string
	}{
		{Status(nil, Use{0, 10}, Use{0, 20}, false), "status: local 0/10 remote 0/20\n"},
		{Status(nil, Use{1, 10}, Use{20, 20}, true), "status: local 1/10 remote 20/20 exitasap\n"},
		{Exiting(nil), "status: exiting\n"},
		{New(nil, 10004122), "new msg 10004122\n"},
		{Info{10004122, 260, "s@mx.example.test", 6121, 0}.Append(nil),
			"info msg 10004122: bytes 260 from <s@mx.example.test> qp 6121 uid 0\n"},
		{Info{ID: 1, Sender: `a b"c@x`}.Append(nil), "info msg 1: bytes 0 from <a_b\"c@x> qp 0 uid 0\n"},
		{Starting(nil, 1, 10004122, queue.ChanLocal, "f6joe@mx.example.test"),
			"starting delivery 1: msg 10004122 to local f6joe@mx.example.test\n"},
		{Starting(nil, 2, 7, queue.ChanRemote, "we ird%x\tab@mx.example.test"),
			"starting delivery 2: msg 7 to remote we_ird_x_ab@mx.example.test\n"},
		{Delivery(nil, 1, Success, "did 1+0+0\n"), "delivery 1: success: did_1+0+0/\n"},
		{Delivery(nil, 2, Success, ""), "delivery 2: success: \n"},
		{Delivery(nil, 3, Deferral, "a\r\n\xff\x7f~!"), "delivery 3: deferral: a_/__~!\n"},
		{Delivery(nil, 4, Failure, "seen\x00unseen"), "delivery 4: failure: seen\n"},
		{Mangled(nil, 5), "delivery 5: report mangled, will defer\n"},
		{Bounce(nil, 10014465, 13727), "bounce msg 10014465 qp 13727\n"},
		{Triple(nil, queue.Bounce.Path(9)), "triple bounce: discarding bounce/9\n"},
		{End(nil, 1<<64-1), "end msg 18446744073709551615\n"},
		{Held(nil, "a b.test\n", 120), "destination a_b.test/: held for 120 seconds\n"},
		{Released(nil, ""), "destination : not held any more\n"},
		{CannotOpen.Append([]byte("x"), "todo/7"), "xwarning: unable to open todo/7\n"},
		{CannotStatLater.Append(nil, "info/1/24"), "warning: unable to stat info/1/24; will try again later\n"},
		{UnknownRecord.Append(nil, "local/1/24"), "warning: unknown record type in local/1/24!\n"},
		{CannotOpendir.Append(nil, "mess/0"), "alert: unable to opendir mess/0, sleeping...\n"},
		{StartSpawn.Append(nil, ""), "alert: cannot start: hath the daemon spawn no fire?\n"},
	}
	for _, tt := range tests {
		if string(tt.got) != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestEscape(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"a<b>\"c\"@d", "a<b>\"c\"@d"},
		{"a b%c\tz\n\x01\x7f\x80\xff~!x\n", "a_b_c_z/____~!x/"},
		{"\x00a", ""},
		{"caf\u00e9\u0085\u2028", "caf_______"},
	}
	for _, tt := range tests {
		if got := Escape(tt.in); got != tt.want {
			t.Errorf("Escape(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// FuzzFields: whatever an address or a report holds, the line is one line, and
// a reader that splits it at blanks finds the same fields in the same places.
func FuzzFields(f *testing.F) {
	for _, s := range []string{"", "s@mx.example.test", "a b%c\tz\n", "\x00", "x\x00y\n", "%%%", "\xff\u0085"} {
		f.Add(s, uint64(7))
	}
	f.Fuzz(func(t *testing.T, s string, n uint64) {
		e := Escape(s)
		if Escape(e) != e {
			t.Errorf("Escape(Escape(%q)) = %q, want %q", s, Escape(e), e)
		}
		for _, line := range [][]byte{
			Info{queue.ID(n), 1, s, n, n}.Append(nil),
			Starting(nil, n, queue.ID(n), queue.ChanLocal, s),
			Delivery(nil, n, Failure, s),
		} {
			text, ok := strings.CutSuffix(string(line), "\n")
			if !ok || strings.IndexByte(text, '\n') >= 0 {
				t.Fatalf("not one line: %q", line)
			}
			words := strings.Split(text, " ")
			at := map[string]int{"info": 6, "starting": 7, "delivery": 3}[words[0]]
			if want := map[bool]string{true: "<" + e + ">", false: e}[words[0] == "info"]; words[at] != want {
				t.Errorf("field %d of %q = %q, want %q", at, line, words[at], want)
			}
		}
	})
}
