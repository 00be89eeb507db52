package mbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"goqmail/internal/header"
)

// F is a From_ line for these tests, G one without a date.
const (
	F = "From s@x Fri Nov 20 19:03:56 2026\n"
	G = "From s@x\n"
)

// split gives the messages of an mbox.
func split(in io.Reader, flavour Flavour) (all []string, err error) {
	r := NewReader(in, flavour)
	for {
		if _, err := r.Next(); err != nil {
			return all, noEOF(err)
		}
		var m strings.Builder
		err := r.Copy(&m)
		if err != nil {
			return all, err
		}
		all = append(all, m.String())
	}
}

func counted(header, body string, n int) string {
	return fmt.Sprintf("%s%sContent-Length: %d\n\n%s", F, header, n, body)
}

var splitTests = []struct {
	name, in string
	flavour  Flavour
	want     string // messages with | between
}{
	{"empty", "", RD, ""},
	{"empty lines", "\n\r\n\n", RD, ""},
	{"one", F + "A: b\n\nc\n\n", RD, "A: b\n\nc\n"},
	{"two", F + "A: b\n\nc\n\n" + F + "D: e\n\n", RD, "A: b\n\nc\n|D: e\n"},
	{"empty lines before", "\n\n" + F + "A: b\n\n", RD, "A: b\n"},
	{"empty lines at the end stay", F + "A: b\n\nc\n\n\n\n" + F + "x\n\n\n", RD, "A: b\n\nc\n\n\n|x\n\n"},
	{"no empty line between", F + "A: b\n\nc\n" + F + "D: e\n" + F, RD, "A: b\n\nc\n|D: e\n|"},
	{"messages without a byte", F + F + "\n" + F + "\n", RD, "||"},
	{"last line open", F + "A: b\n\nc", RD, "A: b\n\nc\n"},
	{"last line open after an empty one", F + "A: b\n\n\nc", RD, "A: b\n\n\nc\n"},
	{"ends in a From_ line", F + "a\n\nFrom x Fri Nov 20 19:03:56 2026", RD, "a\n|"},
	{"a NUL at the end", F + "a\n\x00", RD, "a\n\x00\n"},
	{"quoted", F + ">From a\n>>From b\n>>>From c\n>From\n >From d\n>Fromage\n\n", RD, "From a\n>From b\n>>From c\n>From\n >From d\n>Fromage\n"},
	{"quoted, mboxo", F + ">From a\n>>From b\n", O, "From a\n>>From b\n"},
	{"From in the text", F + "A: b\n\nx\nFrom now on\ny\n\nFrom here\n\n\nFrom there\n: x\n", RD, "A: b\n\nx\nFrom now on\ny\n\nFrom here\n\n\nFrom there\n: x\n"},
	{"no date", G + "A: b\n\nc\n\n" + G + "D: e\n\n", RD, "A: b\n\nc\n|D: e\n"},
	{"no date and no empty line", G + "A: b\n\nc\n" + G + "D: e\n\n", RD, "A: b\n\nc\n" + G + "D: e\n"},
	{"no date and no header", G + "A: b\n\nc\n\n" + G + "d e\n\n", RD, "A: b\n\nc\n\n" + G + "d e\n"},
	{"CR LF", "From s@x Fri Nov 20 19:03:56 2026\r\nA: b\r\n\r\nc\rd\r\r\n\r\n" + F + "e\r\n\r\n\n", RD, "A: b\n\nc\rd\r\n|e\r\n\r\n"},
	{"CR LF, last line open", "From s@x Fri Nov 20 19:03:56 2026\r\na\r\nb\r", RD, "a\nb\r\n"},
	{"Content-Length that is not true", counted("", "a\nb\n\n", 1) + counted("", "b\n", 2), RD, "Content-Length: 1\n\na\nb\n|Content-Length: 2\n\nb\n"},
	{"Content-Length of one message only", counted("", "a\n\n"+F+"b\n", len("a\n\n"+F+"b\n")) + "\n" + F + "c\n", RD,
		"Content-Length: " + fmt.Sprint(len(F)+5) + "\n\na\n|b\n|c\n"},
	{"mboxcl", counted("A: b\n", ">From x\n\n\n", 10) + "\n" + counted("", "", 0) + counted("", "y\n", 2), CL, "A: b\n\nFrom x\n\n\n|\n|\ny\n"},
	{"mboxcl2", counted("A: b\n", F+">From x\n\n", len(F)+9) + "\n" + counted("", "y", 1) + "\n" + counted("", "z", 1), CL2, "A: b\n\n" + F + ">From x\n\n|\ny|\nz"},
	{"mboxcl2, no empty line between", counted("", "From x\n", 7) + counted("", "y\n", 2) + "\n\n", CL2, "\nFrom x\n|\ny\n"},
	{"mboxcl2, CR LF", "From s@x Fri Nov 20 19:03:56 2026\r\nContent-Length: 8\r\n\r\nFrom x\r\n\r\n", CL2, "\nFrom x\n"},
	{"mboxcl, folded", F + "Content-Length:\n 2\nContent-Length: 7\n more\nX: y\n\na\n", RD, "Content-Length:\n 2\nContent-Length: 7\n more\nX: y\n\na\n"},
	{"mboxcl, two", F + "content-length : 2\n more\nX: y\n z\nContent-Length: 7\n\na\n\n", CL, "X: y\n z\n\na\n"},
	{"length too large", counted("", "a\n", 99), RD, "Content-Length: 99\n\na\n"},
	{"length absurd", F + "Content-Length: 99999999999999999999\n\na\n", RD, "Content-Length: 99999999999999999999\n\na\n"},
	{"length within a line", counted("", "abc\n", 2), RD, "Content-Length: 2\n\nabc\n"},
	{"length before From in a line", counted("", "aFrom s@x Fri Nov 20 19:03:56 2026\nContent-Length: 0\n\n", 1), RD, "Content-Length: 1\n\naFrom s@x Fri Nov 20 19:03:56 2026\nContent-Length: 0\n"},
	{"header without end", F + "Content-Length: 2\n", RD, "Content-Length: 2\n"},
	{"one message without length", counted("", "a\n", 2) + F + "b\n\nc\n", RD, "Content-Length: 2\n\na\n|b\n\nc\n"},
}

func TestSplit(t *testing.T) {
	for _, tt := range splitTests {
		if tt.flavour != O {
			if got, err := Detect(strings.NewReader(tt.in)); got != tt.flavour || err != nil {
				t.Errorf("%s: Detect = %v, %v, want %v", tt.name, got, err, tt.flavour)
			}
		}
		for _, in := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in)), iotest.DataErrReader(strings.NewReader(tt.in))} {
			all, err := split(in, tt.flavour)
			if got := strings.Join(all, "|"); got != tt.want || err != nil {
				t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
			}
		}
	}
}

// Lines that come in pieces.
func TestSplitLong(t *testing.T) {
	x := strings.Repeat("x", 3*maxLine)
	arrows := strings.Repeat(">", 3*maxLine)
	tests := []struct{ name, in, want string }{
		{"body", F + "A: b\n\n" + x + "\n\n" + F + x, "A: b\n\n" + x + "\n|" + x + "\n"},
		{"From_ line", "From " + x + " Fri Nov 20 19:03:56 2026\n" + "a\n\n" + "From " + x + "\nb", "a\n\nFrom " + x + "\nb\n"},
		{"quoted", F + ">From " + x + "\n" + arrows + "From y\n", "From " + x + "\n" + arrows + "From y\n"},
		{"From within a line", F + x[:maxLine] + "From x Fri Nov 20 19:03:56 2026\n", x[:maxLine] + "From x Fri Nov 20 19:03:56 2026\n"},
		{"CR LF", "From " + x + "\r\n" + x[:maxLine-1] + "\r\n" + x + "\r\n", x[:maxLine-1] + "\n" + x + "\n"},
		{"CR in the middle", "From " + x + "\r\n" + x[:maxLine-1] + "\r" + x + "\r\n", x[:maxLine-1] + "\r" + x + "\n"},
	}
	for _, tt := range tests {
		all, err := split(strings.NewReader(tt.in), RD)
		if got := strings.Join(all, "|"); got != tt.want || err != nil {
			t.Errorf("%s: %d bytes, %v, want %d", tt.name, len(got), err, len(tt.want))
		}
		if f, err := Detect(strings.NewReader(tt.in)); f != RD || err != nil {
			t.Errorf("%s: Detect = %v, %v", tt.name, f, err)
		}
	}
}

func TestSplitErrors(t *testing.T) {
	errIO := errors.New("input/output error")
	tests := []struct {
		name    string
		in      io.Reader
		flavour Flavour
		detect  error
		want    error
	}{
		{"no mbox", strings.NewReader("A: b\n"), RD, ErrFormat, ErrFormat},
		{"no mbox, binary", strings.NewReader("\x7fELF"), RD, ErrFormat, ErrFormat},
		{"From without a blank", strings.NewReader("From\n"), RD, ErrFormat, ErrFormat},
		{"no length", strings.NewReader(F + "A: b\n\n"), CL, nil, ErrFormat},
		{"no end of the header", strings.NewReader(F + "A: b\n"), CL, nil, ErrFormat},
		{"length too large", strings.NewReader(counted("", "a", 2)), CL2, nil, ErrFormat},
		{"length too small", strings.NewReader(counted("", "ab\n", 1)), CL2, nil, ErrFormat},
		{"no From_ line after", strings.NewReader(counted("", "a\nb\n", 2)), CL2, nil, ErrFormat},
		{"read", io.MultiReader(strings.NewReader(F+"A: b\n\n"), iotest.ErrReader(errIO)), RD, nil, errIO},
		{"read, length", io.MultiReader(strings.NewReader(counted("", "a\n", 3)), iotest.ErrReader(errIO)), CL, errIO, errIO},
		{"read, header", io.MultiReader(strings.NewReader(F+"A: b\n"), iotest.ErrReader(errIO)), CL, errIO, errIO},
		{"read, line end", io.MultiReader(strings.NewReader(counted("", "a", 1)), iotest.ErrReader(errIO)), CL, errIO, errIO},
		{"read at once", iotest.ErrReader(errIO), RD, errIO, errIO},
		{"read after a message", io.MultiReader(strings.NewReader(counted("", "a\n", 2)), iotest.ErrReader(errIO)), CL, errIO, errIO},
	}
	for _, tt := range tests {
		all, _ := io.ReadAll(tt.in)
		broken := func() io.Reader {
			if tt.want == errIO {
				return io.MultiReader(bytes.NewReader(all), iotest.ErrReader(errIO))
			}
			return bytes.NewReader(all)
		}
		if _, err := Detect(broken()); !errors.Is(err, tt.detect) || (err == nil) != (tt.detect == nil) {
			t.Errorf("%s: Detect: %v, want %v", tt.name, err, tt.detect)
		}
		if _, err := split(broken(), tt.flavour); !errors.Is(err, tt.want) || IsWriteError(err) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	for _, f := range []Flavour{RD, CL} {
		r := NewReader(strings.NewReader(counted("", "a\n", 2)), f)
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
		if err := r.Copy(failingWriter{errIO}); !IsWriteError(err) || !errors.Is(err, errIO) {
			t.Errorf("%v: a writer that fails: %v", f, err)
		}
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestNext(t *testing.T) {
	const in = F + "a\n\n" + "From b Fri Nov 20 19:03:57 2026\r\nb\r\n"
	r := NewReader(strings.NewReader(in), RD)
	for _, want := range []string{F, "From b Fri Nov 20 19:03:57 2026\r\n"} {
		if got, err := r.Next(); string(got) != want || err != nil {
			t.Errorf("Next = %q, %v, want %q", got, err, want)
		}
		if err := r.Copy(io.Discard); err != nil {
			t.Error(err)
		}
	}
	if _, err := r.Next(); err != io.EOF || r.Pos() != int64(len(in)) {
		t.Errorf("at the end: %v, %d bytes, want %d", err, r.Pos(), len(in))
	}
}

func TestParseFlavour(t *testing.T) {
	for f := range flavourNames {
		if got, ok := ParseFlavour(Flavour(f).String()); got != Flavour(f) || !ok {
			t.Errorf("ParseFlavour(%v) = %v, %v", Flavour(f), got, ok)
		}
	}
	if _, ok := ParseFlavour("mbx"); ok {
		t.Error("mbx is a flavour")
	}
}

// What a Quoter writes a Reader reads, and what a Reader reads is written as
// something that is read the same way.
func FuzzSplit(f *testing.F) {
	for _, tt := range splitTests {
		f.Add([]byte(tt.in), []byte("a\n"))
	}
	f.Fuzz(func(t *testing.T, in, m []byte) {
		var mb bytes.Buffer
		add := func(m string) {
			mb.WriteString(header.FromLine("s@x", 1795201436))
			q := NewQuoter(&mb)
			_, _ = q.Write([]byte(m))
			_ = q.Close()
		}
		flavour, err := Detect(bytes.NewReader(in))
		all, serr := split(bytes.NewReader(in), flavour)
		if (err == nil) != (serr == nil) {
			t.Fatalf("Detect: %v, but then %v", err, serr)
		}
		all = append(all, string(m), string(in))
		for _, m := range all {
			add(m)
		}
		again, err := split(bytes.NewReader(mb.Bytes()), RD)
		if err != nil || len(again) != len(all) {
			t.Fatalf("%q: %d messages, %v; want %d", mb.Bytes(), len(again), err, len(all))
		}
		for i, want := range all {
			if want != "" && want[len(want)-1] != '\n' {
				want += "\n"
			}
			if again[i] != want {
				t.Errorf("message %d is %q, want %q", i, again[i], want)
			}
		}
	})
}
