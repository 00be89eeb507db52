package queue

import (
	"bytes"
	"strings"
	"testing"
)

func TestPath(t *testing.T) {
	tests := []struct {
		kind Kind
		id   ID
		want string
	}{
		{Mess, 457, "mess/20/457"},
		{Todo, 457, "todo/457"},
		{Intd, 457, "intd/457"},
		{Info, 23, "info/0/23"},
		{Local, 24, "local/1/24"},
		{Remote, 1<<64 - 1, "remote/5/18446744073709551615"},
		{Bounce, 0, "bounce/0"},
	}
	for _, tt := range tests {
		if got := tt.kind.Path(tt.id); got != tt.want {
			t.Errorf("%s.Path(%d) = %q, want %q", tt.kind, tt.id, got, tt.want)
		}
		if !strings.HasPrefix(tt.want, tt.kind.Dir(tt.id)+"/") {
			t.Errorf("%s.Dir(%d) = %q", tt.kind, tt.id, tt.kind.Dir(tt.id))
		}
	}
}

func TestParseID(t *testing.T) {
	tests := []struct {
		in   string
		want ID
		ok   bool
	}{
		{"0", 0, true}, {"12", 12, true}, {"012", 12, true}, {"18446744073709551615", 1<<64 - 1, true},
		{"18446744073709551616", 0, false}, {"", 0, false}, {"+1", 0, false}, {"1_0", 0, false}, {"12a", 0, false}, {"-1", 0, false},
	}
	for _, tt := range tests {
		if got, ok := ParseID(tt.in); ok != tt.ok || ok && got != tt.want {
			t.Errorf("ParseID(%q) = %d, %v, want %d, %v", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

func TestEnvelope(t *testing.T) {
	long := strings.Repeat("a", MaxAddress)
	tests := []struct {
		name, in, stored string
		done             bool
		code             int
	}{
		{"one", "Fs\x00Tr\x00\x00", "Fs\x00Tr\x00", true, 0},
		{"no recipient", "F\x00\x00", "F\x00", true, 0},
		{"trailing bytes", "Fs\x00Tr\x00\x00Txxx", "Fs\x00Tr\x00", true, 0},
		{"short", "Fs\x00Tr\x00", "Fs\x00Tr\x00", false, 0},
		{"first letter", "Tr\x00", "", false, ExitLetter},
		{"later letter", "Fs\x00Fr\x00", "Fs\x00", false, ExitLetter},
		{"longest", "F" + long + "\x00\x00", "F" + long + "\x00", true, 0},
		{"too long", "F" + long + "a\x00\x00", "F" + long, false, ExitAddress},
	}
	for _, tt := range tests {
		var c EnvelopeChecker
		var stored []byte
		done, code := false, 0
		for i := 0; i < len(tt.in) && !done && code == 0; i++ {
			var store bool
			if store, done, code = c.Push(tt.in[i]); store {
				stored = append(stored, tt.in[i])
			}
		}
		if string(stored) != tt.stored || done != tt.done || code != tt.code {
			t.Errorf("%s: stored %q done %v code %d, want %q %v %d", tt.name, stored, done, code, tt.stored, tt.done, tt.code)
		}
	}
}

func TestResult(t *testing.T) {
	tests := []struct {
		code   int
		failed bool
		custom string
		want   string
	}{
		{0, false, "", ""},
		{0, true, "", "Zqq read error (#4.3.0)"},
		{54, false, "", "Zqq read error (#4.3.0)"},
		{12, false, "", "Dqq permanent problem (#5.3.0)"},
		{40, false, "", "Dqq permanent problem (#5.3.0)"},
		{41, false, "", "Zqq temporary problem (#4.3.0)"},
		{2, false, "", "Zqq temporary problem (#4.3.0)"},
		{82, false, "Dno", "Dno"},
		{82, false, "Zxy", "Zxy"},
		{82, false, "xyz", "Zyz"},
		{82, false, "Dno\x00text", "Dno"},
		{82, false, "\x00no", "Zno"},
		{82, false, "Dn", "Zqq temporary problem (#4.3.0)"},
		{91, false, "", "Zqq internal bug (#4.3.0)"},
	}
	for _, tt := range tests {
		if got := Result(tt.code, tt.failed, tt.custom); got != tt.want {
			t.Errorf("Result(%d, %v, %q) = %q, want %q", tt.code, tt.failed, tt.custom, got, tt.want)
		}
	}
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte("u7791\x00p6011\x00Fs@a\x00Tr@b\x00Tq@c\x00"))
	f.Add([]byte("\x00F\x00junk"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var out []byte
		rest := b
		for {
			r, next, ok := NextRecord(rest)
			if !ok {
				break
			}
			if r.Letter == 0 {
				out = AppendEnd(out)
			} else {
				out = AppendRecord(out, r.Letter, r.Text)
			}
			rest = next
		}
		if out = append(out, rest...); !bytes.Equal(out, b) {
			t.Errorf("records of %q encode to %q", b, out)
		}
	})
}

func FuzzEnvelope(f *testing.F) {
	f.Add("s@a", "r@b", []byte("x"))
	f.Fuzz(func(t *testing.T, sender, rcpt string, junk []byte) {
		b := AppendEnd(AppendRecipient(AppendSender(nil, sender), rcpt))
		var c EnvelopeChecker
		n := 0
		for i, ch := range append(b, junk...) {
			store, done, code := c.Push(ch)
			if code != 0 {
				if code != ExitAddress || len(sender) <= MaxAddress && len(rcpt) <= MaxAddress {
					t.Fatalf("byte %d of %q: code %d", i, b, code)
				}
				return
			}
			if done {
				if i != len(b)-1 {
					t.Fatalf("%q ended at %d", b, i)
				}
				return
			}
			if store {
				n++
			}
		}
		t.Fatalf("%q never ended", b)
	})
}
