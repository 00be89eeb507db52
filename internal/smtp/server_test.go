package smtp

import (
	"bytes"
	"strings"
	"testing"

	"goqmail/internal/address"
)

var pathTests = []struct {
	arg, want string
	ended     bool
}{
	{"FROM:<a@b>", "a@b", true},
	{"FROM: a@b", "a@b", false},
	{"from:x <a@b>", "a@b", true},
	{"FROM:<a@b", "a@b", false},
	{"FROM:a@b BODY=8BITMIME", "a@b", true},
	{"FROM:a@b>", "a@b>", false},
	{"FROM:<@x,@y:a@b>", "a@b", true},
	{"FROM:@h:a@b", "a@b", false},
	{"FROM:<a@b>junk", "a@b", true},
	{`FROM:"a b"@c`, "a b@c", false},
	{`FROM:<"a b"@c> SIZE=3`, "a b@c", true},
	{`FROM:<"a>b"@c>`, "a>b@c", true},
	{`FROM:<a\@b@c>`, "a@b@c", true},
	{`FROM:<\>>`, ">", true},
	{`FROM:<a\`, "a", false},
	{`FROM:<"a\"b"@c>`, `a"b@c`, true},
	{`FROM:<"@c>`, "@c>", false}, // the quote never ends
	{"FROM:<a b>", "a b", true},
	{"<>", "", true},
	{"FROM:", "", false},
	{"", "", false},
	{"a@b", "", false},
	{"FROM a@b", "", false},
	{"FROM:<@x>", "", false},
	{"FROM:<@x:>", "", true},
	{"FROM:<:a@b>", ":a@b", true},
	{"FROM:<a:b@c>", "a:b@c", true},
	{"FROM:  a@b  ", "a@b", true},
	{"FROM:< a@b >", " a@b ", true},
	{"FROM:\ta@b", "\ta@b", false},
	{"x:y<a><b>", "a", true},
	{"FROM:<\xff\x80@b>", "\xff\x80@b", true},
}

func TestParsePath(t *testing.T) {
	for _, tt := range pathTests {
		if got, ended := ParsePath(tt.arg); got != tt.want || ended != tt.ended {
			t.Errorf("ParsePath(%q) = %q, %v, want %q, %v", tt.arg, got, ended, tt.want, tt.ended)
		}
	}
}

func TestReplaceLiteral(t *testing.T) {
	local := func(ip [4]byte) bool { return ip == [4]byte{127, 0, 0, 1} }
	for _, tt := range []struct{ addr, want string }{
		{"a@[127.0.0.1]", "a@mx"},
		{"a@[383.256.512.000001]", "a@mx"},
		{"a@x@[127.0.0.1]", "a@x@mx"},
		{"@[127.0.0.1]", "@mx"},
		{"a@[127.0.0.1]x", "a@[127.0.0.1]x"},
		{"a@[127.0.0.1", "a@[127.0.0.1"},
		{"a@[127.0.0.1.]", "a@[127.0.0.1.]"},
		{"a@[127.0.0.1.1]", "a@[127.0.0.1.1]"},
		{"a@[127.0.0]", "a@[127.0.0]"},
		{"a@[127.0.0.]", "a@[127.0.0.]"},
		{"a@[127..0.1]", "a@[127..0.1]"},
		{"a@[]", "a@[]"},
		{"a@[", "a@["},
		{"a@", "a@"},
		{"a@127.0.0.1", "a@127.0.0.1"},
		{"a@[1.2.3.4]", "a@[1.2.3.4]"},
		{"a@[IPv6:::1]", "a@[IPv6:::1]"},
		{"[127.0.0.1]", "[127.0.0.1]"},
		{"", ""},
	} {
		if got := ReplaceLiteral(tt.addr, "mx", local); got != tt.want {
			t.Errorf("ReplaceLiteral(%q) = %q, want %q", tt.addr, got, tt.want)
		}
	}
}

// FuzzParsePath: the address is never longer than the argument; what the client
// side writes for an address reads back as that address.
func FuzzParsePath(f *testing.F) {
	for _, tt := range pathTests {
		f.Add(tt.arg)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, _ := ParsePath(s)
		if len(addr) > len(s) {
			t.Errorf("ParsePath(%q) = %q", s, addr)
		}
		_ = ReplaceLiteral(addr, "", func([4]byte) bool { return true })
		// As a mailbox: the client does not quote what follows the last @, nor
		// an address without one.
		local, host, ok := address.SplitLast(s)
		if !ValidPath(s) || !ok || local == "" || strings.ContainsAny(host, `"\> <`) {
			return
		}
		line := string(AppendMail(nil, s))
		line = line[len("MAIL ") : len(line)-len(EOL)]
		if got, ended := ParsePath(line); got != s || !ended {
			t.Errorf("%q is sent as %q, which reads as %q, %v", s, line, got, ended)
		}
	})
}

var decodeTests = []struct {
	name, in, want string
	rest           string
	err            error // or the end is not reached, if rest is "-"
}{
	{"empty", ".\r\n", "", "", nil},
	{"lines", "a\r\n\r\nb c\r\n.\r\nQUIT\r\n", "a\n\nb c\n", "QUIT\r\n", nil},
	{"dots", "..\r\n.x\r\n...\r\na.b.\r\n.\r\n", ".\nx\n..\na.b.\n", "", nil},
	{"CR CR LF", "a\r\r\n.\r\n", "a\r\n", "", nil},
	{"dot CR CR LF", ".\r\r\n.\r\n", ".\r\n", "", nil},
	{"dot CR byte", ".\rx\r\n.\r\n", ".\rx\n", "", nil},
	{"dot CR dot", ".\r.\r\n.\r\n", ".\r.\n", "", nil},
	{"CR inside", "a\rb\r\rc\r\n.\r\n", "a\rb\r\rc\n", "", nil},
	{"CR at the start", "\rx\r\n.\r\n", "\rx\n", "", nil},
	{"CR dot", "\r.\r\n.\r\n", "\r.\n", "", nil},
	{"bytes", "\x00\x80\xff\r\n.\r\n", "\x00\x80\xff\n", "", nil},
	{"not complete", "a\r\n.\r", "a\n", "-", nil},
	{"nothing", "", "", "-", nil},
	{"bare LF at the start", "\n", "", "", ErrBareLF},
	{"bare LF in a line", "a\r\nb\nc\r\n.\r\n", "a\nb", "c\r\n.\r\n", ErrBareLF},
	{"bare LF after a dot", ".\n\r\n.\r\n", "", "\r\n.\r\n", ErrBareLF},
	// SMTP smuggling: none of these ends a message
	{"LF dot CR LF", "a\r\n\n.\r\n", "a\n", ".\r\n", ErrBareLF},
	{"CR LF dot LF", "a\r\n.\n", "a\n", "", ErrBareLF},
	{"CR dot CR", "a\r.\rb\r\n.\r\n", "a\r.\rb\n", "", nil},
	{"CR LF dot CR", "a\r\n.\rb\r\n.\r\n", "a\n.\rb\n", "", nil},
	{"NUL dot", "a\r\n\x00.\r\n.\r\n", "a\n\x00.\n", "", nil},
	{"dot NUL", "a\r\n.\x00\r\n.\r\n", "a\n\x00\n", "", nil},
	{"dot blank", "a\r\n. \r\n.\r\n", "a\n \n", "", nil},
}

// decode decodes in parts of n bytes; rest is "-" if the end was not reached.
func decode(in []byte, n int) (out []byte, rest string, err error) {
	var d BodyDecoder
	for len(in) > 0 {
		part := in[:min(n, len(in))]
		var k int
		var done bool
		out, k, done, err = d.Append(out, part)
		in = in[k:]
		if done || err != nil {
			return out, string(in), err
		}
		if k != len(part) {
			panic("not all was taken")
		}
	}
	return out, "-", nil
}

func TestBodyDecoder(t *testing.T) {
	for _, tt := range decodeTests {
		for n := 1; n <= len(tt.in)+1; n++ {
			out, rest, err := decode([]byte(tt.in), n)
			if string(out) != tt.want || rest != tt.rest || err != tt.err {
				t.Errorf("%s in parts of %d: %q, rest %q, %v, want %q, %q, %v", tt.name, n, out, rest, err, tt.want, tt.rest, tt.err)
			}
		}
	}
}

// FuzzBodyDecoder: the result does not depend on the parts in which the bytes
// arrive, nor on the fast way through a line.
func FuzzBodyDecoder(f *testing.F) {
	for _, tt := range decodeTests {
		f.Add([]byte(tt.in), 3)
	}
	f.Fuzz(func(t *testing.T, in []byte, n int) {
		out, rest, err := decode(in, max(1, n))
		var slow []byte
		var d BodyDecoder
		slowRest, slowErr := "-", error(nil)
		for i, c := range in {
			var done bool
			if slow, done, slowErr = d.step(slow, c); done || slowErr != nil {
				slowRest = string(in[i+1:])
				break
			}
		}
		if !bytes.Equal(out, slow) || rest != slowRest || err != slowErr {
			t.Errorf("%q: %q, %q, %v; byte by byte %q, %q, %v", in, out, rest, err, slow, slowRest, slowErr)
		}
		if len(out) > len(in) {
			t.Errorf("%q grew to %q", in, out)
		}
	})
}

// FuzzRoundTrip: what the client side sends, the server side reads back: the
// lines of the message, with every kind of line end as LF.
func FuzzRoundTrip(f *testing.F) {
	for _, tt := range bodyTests {
		f.Add([]byte(tt.msg))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		var e BodyEncoder
		wire, err := e.Finish(e.Append(nil, msg))
		if err != nil {
			return
		}
		want := bytes.ReplaceAll(bytes.ReplaceAll(msg, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
		wire = append(wire, "QUIT\r\n"...)
		got, rest, err := decode(wire, 7)
		if !bytes.Equal(got, want) || rest != "QUIT\r\n" || err != nil {
			t.Errorf("%q is sent as %q, which reads as %q, rest %q, %v", msg, wire, got, rest, err)
		}
	})
}

func BenchmarkBodyDecoder(b *testing.B) {
	in := bytes.Repeat([]byte("a line of text as it is usually found in messages, 64 bytes long\r\n"), 1000)
	b.SetBytes(int64(len(in)))
	out := make([]byte, 0, len(in))
	for b.Loop() {
		var d BodyDecoder
		out, _, _, _ = d.Append(out[:0], in)
	}
}
