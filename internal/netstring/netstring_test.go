package netstring

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// A source gives a few bytes at a time.
type source struct {
	b    []byte
	step int
	err  error // at the end
}

func (s *source) Next() ([]byte, error) {
	if len(s.b) == 0 {
		return nil, s.err
	}
	return s.b[:min(len(s.b), s.step)], nil
}

func (s *source) Discard(n int) { s.b = s.b[n:] }

func from(in string, step int) *source { return &source{[]byte(in), step, io.EOF} }

// readOne reads one whole string.
func readOne(r *Reader) (string, error) {
	n, err := r.Length()
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := r.Copy(&b, n); err != nil {
		return "", err
	}
	return b.String(), r.Comma()
}

var table = []struct {
	in, want string
	err      error
}{
	{"5:hello,", "hello", nil},
	{"0:,", "", nil},
	{":,", "", nil},
	{"0005:hello,", "hello", nil},
	{"3:\x00\xff:,", "\x00\xff:", nil},
	{"", "", io.EOF},
	{"5", "", io.EOF},
	{"5:hell", "", io.EOF},
	{"5:hello", "hello", io.EOF},
	{"5:hello;", "hello", ErrSyntax},
	{"5x:hello,", "", ErrSyntax},
	{"-1:,", "", ErrSyntax},
	{" 1:a,", "", ErrSyntax},
	{"200000001:", "", io.EOF},
	{"2000000010:x", "", ErrTooLarge},
	{"200000001x", "", ErrTooLarge},
	{"99999999999999999999999999:x", "", ErrTooLarge},
}

func TestRead(t *testing.T) {
	for _, tt := range table {
		for step := 1; step < 4; step++ {
			got, err := readOne(NewReader(from(tt.in, step)))
			if !errors.Is(err, tt.err) || err == nil && got != tt.want {
				t.Errorf("%q in steps of %d: %q, %v, want %q, %v", tt.in, step, got, err, tt.want, tt.err)
			}
		}
	}
}

func TestAppend(t *testing.T) {
	for _, s := range []string{"", "a", "hello", strings.Repeat("x", 1000)} {
		b := Append([]byte("before"), s)
		got, err := readOne(NewReader(from(string(b[6:]), 7)))
		if got != s || err != nil || string(b[:6]) != "before" || Size(uint64(len(s))) != uint64(len(b)-6) {
			t.Errorf("Append(%q) = %q: read as %q, %v; Size = %d", s, b, got, err, Size(uint64(len(s))))
		}
	}
}

// An inner reader ends where its string ends, and its own content goes on.
func TestInner(t *testing.T) {
	r := NewReader(from("9:1:a,5:xyz,,rest", 2))
	n, _ := r.Length()
	in := r.Inner(n)
	if s, err := readOne(in); s != "a" || err != nil || in.Left() != 5 {
		t.Errorf("first: %q, %v, %d left", s, err, in.Left())
	}
	if _, err := readOne(in); err != ErrSyntax || in.Left() != 0 {
		t.Errorf("beyond the end: %v, %d left", err, in.Left())
	}
	if err := r.Comma(); err != nil {
		t.Errorf("behind: %v", err)
	}
	if _, err := NewReader(from("000:", 9)).Inner(3).Length(); err != ErrSyntax {
		t.Errorf("length beyond the end: %v", err)
	}
}

func TestAddress(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		n        uint64
		ok       bool
		err      error
	}{
		{"a@b,", "a@b", 3, true, nil},
		{",", "", 0, true, nil},
		{"a@b;", "", 3, true, ErrSyntax},
		{"a\x00b,", "", 3, false, nil},
		{"abcde,", "abcde", 5, true, nil},
		{"abcdef,", "", 6, false, nil},
		{"abcdef;", "", 6, false, ErrSyntax},
		{"abc", "", 6, false, io.EOF},
		{"abc", "", 4, false, io.EOF},
	} {
		got, ok, err := NewReader(from(tt.in, 2)).Address(tt.n, 5)
		if err != tt.err || err == nil && (got != tt.want || ok != tt.ok) {
			t.Errorf("Address(%q, %d) = %q, %v, %v", tt.in, tt.n, got, ok, err)
		}
	}
}

var lineTable = []struct{ in, want string }{
	{"", ""},
	{"a\r\nb", "a\nb"},
	{"a\rb\r\rc\r\r\n", "a\rb\r\rc\r\n"},
	{"a\r", "a\r"},
	{"a\r\r", "a\r\r"},
	{"a\nb", "a\nb"},
}

func decode(in string, step int) string {
	var d LineDecoder
	var out []byte
	for i := 0; i < len(in); i += step {
		out = d.Append(out, []byte(in[i:min(i+step, len(in))]))
	}
	return string(d.End(out))
}

func TestLineDecoder(t *testing.T) {
	for _, tt := range lineTable {
		for step := 1; step < 4; step++ {
			if got := decode(tt.in, step); got != tt.want {
				t.Errorf("%q = %q, want %q", tt.in, got, tt.want)
			}
		}
	}
}

func TestQueued(t *testing.T) {
	if got := Queued(1795201640, 6966); got != "Kok 1795201640 qp 6966" {
		t.Error(got)
	}
}

// FuzzRead: what is read, written again, is the canonical form of what was read,
// however the bytes came.
func FuzzRead(f *testing.F) {
	for _, tt := range table {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		a, errA := readOne(NewReader(from(in, 1)))
		b, errB := readOne(NewReader(from(in, 5)))
		if errA != errB || errA == nil && a != b {
			t.Fatalf("%q, %v and %q, %v", a, errA, b, errB)
		}
		if errA == nil {
			if w := string(Append(nil, a)); !strings.HasPrefix(strings.TrimLeft(in, "0"), strings.TrimLeft(w, "0")) {
				t.Fatalf("%q written as %q", in, w)
			}
		}
	})
}

// FuzzLineDecoder: the same in one piece and byte by byte, and nothing but CRs
// before LFs is lost.
func FuzzLineDecoder(f *testing.F) {
	for _, tt := range lineTable {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := decode(in, 1)
		if whole := decode(in, len(in)+1); whole != got || got != strings.ReplaceAll(in, "\r\n", "\n") {
			t.Fatalf("%q: %q and %q", in, got, whole)
		}
	})
}
