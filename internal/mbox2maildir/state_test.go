package mbox2maildir

import (
	"errors"
	"strings"
	"testing"
)

var stateTests = []struct{ name, in, out, info string }{ // info: "" for new
	{"none", "A: b\n\nStatus: RO\n", "A: b\n\nStatus: RO\n", ""},
	{"read", "Status: RO\nA: b\n\nc\n", "A: b\n\nc\n", ":2,S"},
	{"not new", "A: b\nStatus: O\n\nc\n", "A: b\n\nc\n", ":2,"},
	{"all", "X-Status: TDFA\nStatus: R\n\n", "\n", ":2,DFRST"},
	{"by halves", "status:O\nX-STATUS : F\n\n", "\n", ":2,F"},
	{"deleted", "Status: D\n\n", "\n", ":2,T"},
	{"new", "Status: N\nX-Status:\n\n", "\n", ""},
	{"Mozilla", "From - x\nX-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000000\nA: b\n\nc\n", "From - x\nX-Mozilla-Status2: 00000000\nA: b\n\nc\n", ":2,S"},
	{"Mozilla, all", "X-MOZILLA-STATUS:\t900f \r\n\n", "\n", ":2,FPRST"},
	{"Mozilla, new", "X-Mozilla-Status: 8080\n\n", "\n", ""},
	{"Mozilla, none", "X-Mozilla-Status: 1\nX-Mozilla-Status: 00xx\nX-Mozilla-Status: +001\nX-Mozilla-Status:\n\n", "X-Mozilla-Status: 1\nX-Mozilla-Status: 00xx\nX-Mozilla-Status: +001\nX-Mozilla-Status:\n\n", ""},
	{"folded", "Status: R\n x\n\ty\nA: b\n c\n\n", "A: b\n c\n\n", ":2,S"},
	{"similar", "Statuses: R\nX-Status-X: A\n\n", "Statuses: R\nX-Status-X: A\n\n", ""},
	{"no header", "hello\nStatus: R\n", "hello\nStatus: R\n", ""},
	{"From_ line within", ">From x\nStatus: R\nFrom y\nX-Status: F\n\n", ">From x\nFrom y\n\n", ":2,FS"},
	{"no body", "A: b\nStatus: RO", "A: b\n", ":2,S"},
	{"last line open", "A: b", "A: b", ""},
	{"empty", "", "", ""},
	{"long line", "A: " + strings.Repeat("x", 3*maxLine) + "Status: R\nStatus: R\n\n", "A: " + strings.Repeat("x", 3*maxLine) + "Status: R\n\n", ":2,S"},
	{"long Status", "Status: RO" + strings.Repeat(" ", 3*maxLine) + "\nA: b\n\n", "A: b\n\n", ":2,S"},
}

// passed is what a stateWriter makes of a message in pieces.
func passed(pieces ...string) (out, info string) {
	var b strings.Builder
	w := &stateWriter{out: &b}
	for _, p := range pieces {
		_, _ = w.Write([]byte(p))
	}
	_ = w.end()
	if w.old {
		info = w.info()
	}
	return b.String(), info
}

func TestState(t *testing.T) {
	for _, tt := range stateTests {
		if out, info := passed(tt.in); out != tt.out || info != tt.info {
			t.Errorf("%s: %.80q, %q, want %.80q, %q", tt.name, out, info, tt.out, tt.info)
		}
	}
	w := &stateWriter{out: failing{}}
	for _, in := range []string{"A: b\n", "A: b", "\n\nx"} {
		_, err := w.Write([]byte(in))
		if err == nil {
			err = w.end()
		}
		if err != errFail {
			t.Errorf("%q to what cannot be written: %v", in, err)
		}
	}
}

var errFail = errors.New("no")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFail }

// Pieces do not matter, and only whole lines go.
func FuzzState(f *testing.F) {
	for _, tt := range stateTests {
		f.Add(tt.in[:min(len(tt.in), 100)], 3)
	}
	f.Fuzz(func(t *testing.T, in string, cut int) {
		cut = max(0, min(cut, len(in)))
		out, info := passed(in)
		out2, info2 := passed(in[:cut], in[cut:])
		if out != out2 || info != info2 {
			t.Errorf("%q: %q, %q; in pieces of %d: %q, %q", in, out, info, cut, out2, info2)
		}
		again, _ := passed(out)
		if again != out && !strings.Contains(strings.ToLower(in), "status") {
			t.Errorf("%q loses more the second time: %q, %q", in, out, again)
		}
		if len(out) > len(in) {
			t.Errorf("%q has become more: %q", in, out)
		}
	})
}

func TestJournal(t *testing.T) {
	tests := []struct {
		in   string
		want journal
		ok   bool
	}{
		{"1795201436 7 h.x\n", journal{1795201436, 7, "h.x"}, true},
		{"1 2 h x\n", journal{}, false},
		{"1 2 h", journal{}, false},
		{"1 2\n", journal{}, false},
		{"", journal{}, false},
		{"a 2 h\n", journal{}, false},
		{"1 b h\n", journal{}, false},
		{"-1 2 h\n", journal{}, false},
		{"1 0 h\n", journal{}, false},
		{"1 2 ../h\n", journal{}, false},
		{"1 2 h:2,S\n", journal{}, false},
		{"1 2 h\n3 4 i\n", journal{}, false},
	}
	for _, tt := range tests {
		got, ok := parseJournal([]byte(tt.in))
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("parseJournal(%q) = %+v, %v", tt.in, got, ok)
		}
		if ok && string(got.bytes()) != tt.in {
			t.Errorf("%q is written as %q", tt.in, got.bytes())
		}
	}
	j := journal{1, 2, "h"}
	if got := j.name(3, 0) + " " + j.name(3, 4); got != "1.2_3.h 1.2_3_4.h" {
		t.Errorf("names: %s", got)
	}
	for base, want := range map[string]bool{"1.2_3.h": true, "1.2_3_4.h": true, "1.2.h": false, "1.22_3.h": false, "x": false} {
		if got := j.isName(base); got != want {
			t.Errorf("isName(%s) = %v", base, got)
		}
	}
	if j := (journal{1, 2, hostName()}); string(j.bytes()) == "" {
		t.Error("no journal")
	} else if _, ok := parseJournal(j.bytes()); !ok {
		t.Errorf("this host's journal %q is none", j.bytes())
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte("1795201436 7 h.x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		j, ok := parseJournal(b)
		if !ok {
			return
		}
		if again, ok := parseJournal(j.bytes()); !ok || again != j {
			t.Errorf("%q: %+v, written and read again %+v, %v", b, j, again, ok)
		}
		if n := j.name(1, 0); !j.isName(n) || strings.ContainsAny(n, "/:\x00\n") {
			t.Errorf("%q gives the name %q", b, n)
		}
	})
}
