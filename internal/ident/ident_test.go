package ident

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

var decoderTests = []struct {
	name, in   string
	info       string
	done, fail bool
}{
	{"user", "1, 2 : USERID : UNIX : joe\r\n", "joe", true, false},
	{"blanks are dropped", "51622 , 46209 : USERID : UNIX : joe blow:x\r\n", "joeblow:x", true, false},
	{"tabs and other bytes", "1,2:USERID:OTHER,US-ASCII:a\tb\x01\xe9%\n", "ab\x01\xe9%", true, false},
	{"error message", "1, 2 : ERROR : NO-USER\r\n", "", true, false},
	{"junk", "junk\n", "", true, false},
	{"empty line", "\n", "", true, false},
	{"only colons", ":::\n", "", true, false},
	{"no end", "1,2:USERID:UNIX:noeol", "noeol", false, false},
	{"nothing", "", "", false, false},
	{"long", ":::" + strings.Repeat("n", 2000) + "\n", strings.Repeat("n", InfoMax), true, false},
	{"long without info", strings.Repeat("n", 5000) + "\n", "", true, true},
	{"long blanks", ":::a" + strings.Repeat(" ", 5000) + "\n", "a", true, true},
}

func TestDecoder(t *testing.T) {
	for _, tt := range decoderTests {
		var d decoder
		done := false
		for i := 0; i < len(tt.in) && !done; i++ {
			done = d.push(tt.in[i])
		}
		if string(d.info) != tt.info || done != tt.done || d.failed != tt.fail {
			t.Errorf("%s: %q, done %v, failed %v, want %q, %v, %v", tt.name, d.info, done, d.failed, tt.info, tt.done, tt.fail)
		}
	}
}

// FuzzDecoder: the info is bounded and has none of the bytes that are dropped;
// given as the info of another answer it is itself again.
func FuzzDecoder(f *testing.F) {
	for _, tt := range decoderTests {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		run := func(in []byte) (string, bool) {
			var d decoder
			for _, b := range in {
				if d.push(b) {
					return string(d.info), !d.failed
				}
			}
			return "", false
		}
		info, ok := run(in)
		if len(info) > InfoMax || strings.ContainsAny(info, " \t\r\n") {
			t.Fatalf("info %q", info)
		}
		if !ok {
			return
		}
		if again, ok := run([]byte("1,2:USERID:UNIX:" + info + "\n")); !ok || again != info {
			t.Errorf("info %q, again %q, %v", info, again, ok)
		}
	})
}

func TestAsk(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := l.Addr().(*net.TCPAddr).AddrPort()
	replies := make(chan string, 1)
	queries := make(chan string, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 100)
			var got []byte
			for !bytes.HasSuffix(got, []byte("\n")) {
				n, err := c.Read(buf)
				if err != nil {
					break
				}
				got = append(got, buf[:n]...)
			}
			queries <- c.RemoteAddr().(*net.TCPAddr).IP.String() + " " + string(got)
			if r := <-replies; r == "silence" {
				c.Read(buf) // until the client gives up
			} else {
				c.Write([]byte(r))
			}
			c.Close()
		}
	}()
	local := netip.MustParseAddrPort("[::ffff:127.0.0.5]:25")
	remote := netip.AddrPortFrom(at.Addr(), 4321)
	tests := []struct {
		name, reply string
		limit       time.Duration
		info        string
		ok          bool
	}{
		{"answer", "4321, 25 : USERID : UNIX : joe\r\n", time.Minute, "joe", true},
		{"a NUL", "4321, 25 : USERID : UNIX : jo\x00e\r\n", time.Minute, "jo", true},
		{"closed", "", time.Minute, "", false},
		{"cut", "4321, 25 : USERID : UNIX : joe", time.Minute, "", false},
		{"silence", "silence", 50 * time.Millisecond, "", false},
	}
	for _, tt := range tests {
		replies <- tt.reply
		info, ok := ask(local, remote, at.Port(), tt.limit)
		if info != tt.info || ok != tt.ok {
			t.Errorf("%s: ask = %q, %v, want %q, %v", tt.name, info, ok, tt.info, tt.ok)
		}
		if got, want := <-queries, "127.0.0.5 4321 , 25\r\n"; got != want {
			t.Errorf("%s: asked %q, want %q", tt.name, got, want)
		}
	}
	if info, ok := ask(local, remote, at.Port(), 0); ok {
		t.Errorf("without time: ask = %q", info)
	}
	l.Close()
	if info, ok := ask(local, remote, at.Port(), time.Minute); ok {
		t.Errorf("without a server: ask = %q", info)
	}
}
