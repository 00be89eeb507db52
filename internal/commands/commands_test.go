package commands

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"goqmail/internal/testkit"
)

func TestParse(t *testing.T) {
	tests := []struct{ line, verb, arg string }{
		{"QUIT", "QUIT", ""},
		{"MAIL FROM:<a@b>", "MAIL", "FROM:<a@b>"},
		{"MAIL   FROM:<a@b>  ", "MAIL", "FROM:<a@b>  "},
		{"noop\tx", "noop\tx", ""},
		{" HELO x", "", "HELO x"},
		{"HELO ", "HELO", ""},
		{"", "", ""},
		{"HE\x00LO x", "HE", ""},
		{"HELO a\x00b", "HELO", "a"},
		{"HELO\u00a0x", "HELO\u00a0x", ""},
	}
	for _, tt := range tests {
		if verb, arg := Parse([]byte(tt.line)); string(verb) != tt.verb || string(arg) != tt.arg {
			t.Errorf("Parse(%q) = %q, %q, want %q, %q", tt.line, verb, arg, tt.verb, tt.arg)
		}
	}
}

func TestLine(t *testing.T) {
	x := strings.Repeat("x", lineKept)
	tests := []struct {
		name, in string
		want     []string
		cut      bool
	}{
		{"CR LF, LF", "a\r\nb\n\r\n\n", []string{"a", "b", "", ""}, false},
		{"CRs", "a\r\r\nb\rc\n\r\r\n", []string{"a\r", "b\rc", "\r"}, false},
		{"no end", "a\nb", []string{"a"}, false},
		{"longest", x[1:] + "\r\n" + "b\n", []string{x[1:], "b"}, false},
		{"too long", x + "yz\r\n", []string{x}, true},
	}
	for _, tt := range tests {
		for _, in := range []io.Reader{strings.NewReader(tt.in), iotest.HalfReader(strings.NewReader(tt.in)), iotest.DataErrReader(strings.NewReader(tt.in))} {
			c := NewConn(in, io.Discard)
			for _, want := range tt.want {
				got, cut, err := c.Line()
				if string(got) != want || cut != tt.cut || err != nil {
					t.Errorf("%s: Line() = %.20q (%d bytes), %v, %v, want %.20q (%d), %v", tt.name, got, len(got), cut, err, want, len(want), tt.cut)
				}
			}
			if _, _, err := c.Line(); err != io.EOF {
				t.Errorf("%s: at the end: %v", tt.name, err)
			}
		}
	}
}

// A long line leaves no long buffer behind.
func TestLongBuffer(t *testing.T) {
	c := NewConn(strings.NewReader(strings.Repeat("x", lineKept)+"\nb\n"), io.Discard)
	for range 2 {
		if _, _, err := c.Line(); err != nil {
			t.Fatal(err)
		}
	}
	if cap(c.long) > longKept {
		t.Errorf("%d bytes are kept", cap(c.long))
	}
}

// writes counts what is written together.
type writes struct{ list []string }

func (w *writes) Write(p []byte) (int, error) {
	w.list = append(w.list, string(p))
	return len(p), nil
}

var errQuit = errors.New("quit")

func TestServe(t *testing.T) {
	out := &writes{}
	c := NewConn(strings.NewReader("one a\r\ntwo\r\nOne b\r\nthree\r\ntwo x\r\nquit\r\none\r\n"), out)
	say := func(name string) func(Argument) error {
		return func(a Argument) error { return c.Put(name, "(", a.Text, ")") }
	}
	err := Serve(c, []Command{
		{Name: "one", Do: say("one")},
		{Name: "TWO", Do: say("two"), Flush: true},
		{Name: "quit", Do: func(Argument) error { return errQuit }},
	}, Command{Do: say("other")})
	if err != errQuit {
		t.Errorf("Serve = %v", err)
	}
	if want := []string{"one(a)two()", "one(b)other()two(x)"}; fmt.Sprint(out.list) != fmt.Sprint(want) {
		t.Errorf("written %q, want %q", out.list, want)
	}
}

func TestFlush(t *testing.T) {
	out := &writes{}
	c := NewConn(strings.NewReader("a\nb\n"), out)
	for _, s := range []string{"1", strings.Repeat("2", outSize), "3"} {
		if err := c.Put(s); err != nil {
			t.Fatal(err)
		}
	}
	if len(out.list) != 2 { // before the long one, and after it
		t.Errorf("%d writes, want 2", len(out.list))
	}
	if _, _, err := c.Line(); err != nil || len(out.list) != 3 {
		t.Errorf("reading did not flush (%v): %d writes", err, len(out.list))
	}
	if err := c.Put("4"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Line(); err != nil || len(out.list) != 3 {
		t.Errorf("a line that was there flushed (%v): %d writes", err, len(out.list))
	}
	c.Replace(strings.NewReader("c\n"), out)
	if line, _, err := c.Line(); string(line) != "c" || err != nil {
		t.Errorf("after Replace: %q, %v", line, err)
	}
}

// Renew leaves nothing of the conversation before it.
func TestRenew(t *testing.T) {
	out := &writes{}
	c := NewConn(strings.NewReader("secret read\n"+strings.Repeat("x", inSize)), out)
	if _, _, err := c.Line(); err != nil || c.Put("secret put") != nil {
		t.Fatal(err)
	}
	next := &writes{}
	c.Renew(strings.NewReader("a\n"), next)
	for _, b := range [][]byte{c.buf, c.pend[:cap(c.pend)], c.long[:cap(c.long)]} {
		if i := bytes.IndexFunc(b, func(r rune) bool { return r != 0 }); i >= 0 {
			t.Errorf("left: %.20q", b[i:])
		}
	}
	if line, _, err := c.Line(); string(line) != "a" || err != nil {
		t.Errorf("Line() = %q, %v", line, err)
	}
	if err := c.Flush(); err != nil || len(out.list)+len(next.list) != 0 {
		t.Errorf("%v, written %q %q", err, out.list, next.list)
	}
}

// Write adds what fits, and writes what does not at once, in its place.
func TestWrite(t *testing.T) {
	out := &writes{}
	c := NewConn(strings.NewReader("a\n"), out)
	long := strings.Repeat("2", outSize+1)
	for _, s := range []string{"0", "1", long, "3", strings.Repeat("4", outSize)} {
		if n, err := c.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := []string{"01", long, "3"}; !slices.Equal(out.list, want) {
		t.Errorf("%d writes, want %d", len(out.list), len(want))
	}
	c = NewConn(nil, testkit.BrokenPipe(t))
	var w *WriteError
	for _, first := range []string{"", "x"} {
		if err := c.Put(first); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(long)); !errors.As(err, &w) {
			t.Errorf("broken output: %v", err)
		}
	}
}

func TestErrors(t *testing.T) {
	nothing := func(Argument) error { return nil }
	var w *WriteError
	c := NewConn(strings.NewReader("a\n"), testkit.BrokenPipe(t))
	if err := c.Put("x"); err != nil {
		t.Fatal(err)
	}
	if err := Serve(c, nil, Command{Do: nothing}); !errors.As(err, &w) {
		t.Errorf("broken output, found before reading: %v", err)
	}
	c = NewConn(strings.NewReader("a\n"), testkit.BrokenPipe(t))
	if err := Serve(c, nil, Command{Do: func(Argument) error { return c.Put("x") }, Flush: true}); !errors.As(err, &w) {
		t.Errorf("broken output, found after a command: %v", err)
	}
	c = NewConn(strings.NewReader("a\n"), testkit.BrokenPipe(t))
	if err := c.Put(strings.Repeat("x", outSize+1)); err != nil {
		t.Fatal(err)
	}
	if err := c.Put("x"); !errors.As(err, &w) {
		t.Errorf("broken output, found when the buffer was full: %v", err)
	}
	want := errors.New("broken input")
	if err := Serve(NewConn(iotest.ErrReader(want), io.Discard), nil, Command{Do: nothing}); err != want {
		t.Errorf("broken input: %v", err)
	}
}

// FuzzLine: lines do not depend on how the bytes arrive, and together with
// their ends they are the input.
func FuzzLine(f *testing.F) {
	f.Add([]byte("HELO x\r\nMAIL FROM:<a@b>\n\r\n\x00\n rest"), 3)
	f.Fuzz(func(t *testing.T, in []byte, n int) {
		c := NewConn(&pieces{in, n}, io.Discard)
		rest := in
		for {
			line, cut, err := c.Line()
			if err != nil {
				break
			}
			if cut {
				return
			}
			if !bytes.HasPrefix(rest, line) {
				t.Fatalf("line %q of %q", line, rest)
			}
			rest = bytes.TrimPrefix(rest[len(line):], []byte("\r"))
			if len(rest) == 0 || rest[0] != '\n' {
				t.Fatalf("line %q is not followed by its end: %q", line, rest)
			}
			rest = rest[1:]
			verb, arg := Parse(line)
			if bytes.IndexByte(verb, ' ') >= 0 || bytes.HasPrefix(arg, []byte(" ")) || len(verb)+len(arg) > len(line) {
				t.Errorf("Parse(%q) = %q, %q", line, verb, arg)
			}
		}
		if bytes.IndexByte(rest, '\n') >= 0 {
			t.Errorf("left over: %q", rest)
		}
	})
}

// pieces gives n bytes at a time.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b[:min(len(p.b), max(1, p.n))])
	p.b = p.b[n:]
	return n, nil
}
