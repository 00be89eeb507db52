package ucspitools

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"goqmail/internal/prog"
	"goqmail/internal/testkit/progtest"
)

// filters are those of the programs, new ones each time.
var filters = map[string]func() filter{
	"addcr": func() filter { return addCR }, "delcr": delCR, "fixcrio": fixCR,
}

// Recorded from Debian's ucspi-tcp-ipv6 0.88-7, which keeps a CR at the very end.
func TestFilters(t *testing.T) {
	tests := []struct{ in, addcr, delcr, fixcrio string }{
		{"", "", "", ""},
		{"a", "a", "a", "a"},
		{"a\nb\n", "a\r\nb\r\n", "a\nb\n", "a\r\nb\r\n"},
		{"a\r\nb\r\n", "a\r\r\nb\r\r\n", "a\nb\n", "a\r\nb\r\n"},
		{"a\r\r\nb\r", "a\r\r\r\nb\r", "a\r\nb\r", "a\r\r\nb\r"},
		{"\r", "\r", "\r", "\r"},
		{"\n", "\r\n", "\n", "\r\n"},
		{"\x00\n\r\x00", "\x00\r\n\r\x00", "\x00\n\r\x00", "\x00\r\n\r\x00"},
		{"a\rb\r\rc\n", "a\rb\r\rc\r\n", "a\rb\r\rc\n", "a\rb\r\rc\r\n"},
		{"\r\r\n\r\r", "\r\r\r\n\r\r", "\r\n\r\r", "\r\r\n\r\r"},
	}
	for _, tt := range tests {
		for name, want := range map[string]string{"addcr": tt.addcr, "delcr": tt.delcr, "fixcrio": tt.fixcrio} {
			for size := 1; size <= 3; size++ {
				if got := through(filters[name](), []byte(tt.in), size); string(got) != want {
					t.Errorf("%s(%q) in pieces of %d = %q, want %q", name, tt.in, size, got, want)
				}
			}
		}
	}
}

// through passes in through f, n bytes at a time.
func through(f filter, in []byte, n int) (out []byte) {
	for len(in) > 0 {
		k := min(n, len(in))
		out = f(out, in[:k])
		in = in[k:]
	}
	return f(out, nil)
}

func TestFilterPrograms(t *testing.T) {
	long := strings.Repeat("x\r\n", filterSize)
	tests := []struct {
		name    string
		f       func(*prog.Process) int
		in, out string
	}{
		{"addcr", Addcr, "a\nb", "a\r\nb"},
		{"addcr", Addcr, long, strings.ReplaceAll(long, "\n", "\r\n")},
		{"delcr", Delcr, "a\r\nb\r", "a\nb\r"},
		{"delcr", Delcr, long, strings.ReplaceAll(long, "\r", "")},
	}
	for _, tt := range tests {
		r := progtest.Run(t, tt.f, progtest.Call{Args: []string{tt.name, "ignored"}, Stdin: tt.in})
		if r.Code != 0 || r.Out != tt.out || r.Err != "" {
			t.Errorf("%s: %d, %d bytes, %q, want %d bytes", tt.name, r.Code, len(r.Out), r.Err, len(tt.out))
		}
	}
}

// What cannot be read or written is 111, without a word.
func TestFilterErrors(t *testing.T) {
	dir, err := os.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	closed, err := os.OpenFile("/dev/null", os.O_RDWR, 0) // as the run-time does for a closed one
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close()
	for name, fds := range map[string]map[int]int{"read": {0: int(dir.Fd())}, "closed": {0: int(closed.Fd())}, "write": {1: int(full.Fd())}} {
		r := progtest.Run(t, Addcr, progtest.Call{Args: []string{"addcr"}, Stdin: "x\n", FDs: fds})
		if r.Code != 111 || r.Err != "" {
			t.Errorf("%s: %d, %q, want 111", name, r.Code, r.Err)
		}
	}
}

// FuzzFilters: delcr undoes addcr, fixcrio leaves no bare LF and only adds CRs,
// and pieces make no difference.
func FuzzFilters(f *testing.F) {
	f.Add([]byte("a\nb\r\nc\r\r\nd\re\r"), 3)
	f.Add([]byte("\r"), 1)
	f.Fuzz(func(t *testing.T, in []byte, n int) {
		n = max(1, n)
		for name, f := range filters {
			if a, b := through(f(), in, n), through(f(), in, len(in)+1); !bytes.Equal(a, b) {
				t.Errorf("%s(%q) in pieces of %d = %q, in one %q", name, in, n, a, b)
			}
		}
		if got := through(delCR(), through(addCR, in, n), n); !bytes.Equal(got, in) {
			t.Errorf("delcr(addcr(%q)) = %q", in, got)
		}
		fixed := through(fixCR(), in, n)
		if bytes.Count(fixed, []byte("\n")) != bytes.Count(fixed, []byte("\r\n")) ||
			!bytes.Equal(bytes.ReplaceAll(fixed, []byte("\r"), nil), bytes.ReplaceAll(in, []byte("\r"), nil)) {
			t.Errorf("fixcrio(%q) = %q", in, fixed)
		}
	})
}

// FuzzLines: the record of one direction is its bytes, one LF in each line.
func FuzzLines(f *testing.F) {
	f.Add([]byte("ab\ncd"))
	f.Add([]byte("\n\n \n+"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var got []byte
		l := &lines{pid: "7", say: func(line []byte) {
			text, ok := bytes.CutPrefix(line, []byte("7 < "))
			if !ok || bytes.Count(line, []byte{'\n'}) != 1 {
				t.Fatalf("line %q", line)
			}
			switch {
			case bytes.HasSuffix(text, []byte(" \n")):
				got = append(append(got, text[:len(text)-2]...), '\n')
			case bytes.HasSuffix(text, []byte("+\n")):
				got = append(got, text[:len(text)-2]...)
			default:
				t.Fatalf("line %q", line)
			}
		}}
		l.piece(" < ")(in)
		if !bytes.Equal(got, in) {
			t.Errorf("the record of %q says %q", in, got)
		}
	})
}
