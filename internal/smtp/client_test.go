package smtp

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
)

// push gives s to a decoder; rest is what it did not take.
func push(d *ReplyDecoder, s string) (done bool, rest string, err error) {
	for i := 0; i < len(s); i++ {
		if done, err = d.Push(s[i]); done || err != nil {
			return done, s[i+1:], err
		}
	}
	return false, "", nil
}

func TestReplyDecoder(t *testing.T) {
	long := strings.Repeat("y", 9000)
	tests := []struct {
		name, in string
		done     bool
		want     Reply
		rest     string
		err      error
	}{
		{"one line", "250 ok\r\n", true, Reply{250, "250 ok\n"}, "", nil},
		{"what follows stays", "250 ok\r\n354 go", true, Reply{250, "250 ok\n"}, "354 go", nil},
		{"bare LF", "250 ok\n", true, Reply{250, "250 ok\n"}, "", nil},
		{"code alone", "250\r\n", true, Reply{250, "250\n"}, "", nil},
		{"code and LF", "250\n", true, Reply{250, "250\n"}, "", nil},
		{"several lines", "220-a\r\n220-b\r\n220 c\r\n", true, Reply{220, "220-a\n220-b\n220 c\n"}, "", nil},
		{"the first code counts", "550-no\r\n250 yes\r\n", true, Reply{550, "550-no\n250 yes\n"}, "", nil},
		{"other codes are not looked at", "250-a\r\nxyz b\r\n", true, Reply{250, "250-a\nxyz b\n"}, "", nil},
		{"CR inside", "25\r", false, Reply{}, "", ErrReplyCode},
		{"CRs are dropped", "250 a\rb\r\r\n", true, Reply{250, "250 ab\n"}, "", nil},
		{"NUL and 8-bit", "554 \x00\xe9\n", true, Reply{554, "554 \x00\xe9\n"}, "", nil},
		{"not complete", "250-a\r\n250", false, Reply{}, "", nil},
		{"empty line", "\r\n", false, Reply{}, "\n", ErrReplyCode},
		{"no digits", "OK\r\n", false, Reply{}, "K\r\n", ErrReplyCode},
		{"cut to 5000 bytes", "554-" + long + "\r\n554 end\r\n", true, Reply{554, "554-" + long[:4996]}, "", nil},
		{"1000 lines", strings.Repeat("250-\n", 999) + "250 \n", true, Reply{250, strings.Repeat("250-\n", 999) + "250 \n"}, "", nil},
		{"1001 lines", strings.Repeat("250-\n", 1000) + "250 \n", false, Reply{}, "250 \n", ErrReplyLong},
		{"no end", "250 " + strings.Repeat("x", ReplyBytes), false, Reply{}, "xxx", ErrReplyLong},
	}
	for _, tt := range tests {
		var d ReplyDecoder
		done, rest, err := push(&d, tt.in)
		if done != tt.done || rest != tt.rest || err != tt.err {
			t.Errorf("%s: done %v, rest %q, %v, want %v, %q, %v", tt.name, done, rest, err, tt.done, tt.rest, tt.err)
		}
		if !done {
			continue
		}
		if got := d.Take(); got != tt.want {
			t.Errorf("%s: %d %.60q, want %d %.60q", tt.name, got.Code, got.Text, tt.want.Code, tt.want.Text)
		}
		if done, _, err := push(&d, "123 next\n"); !done || err != nil || d.Take() != (Reply{123, "123 next\n"}) {
			t.Errorf("%s: the decoder cannot be used again", tt.name)
		}
	}
}

// FuzzReplyDecoder: a reply ends with an LF, its text is what was taken without
// CRs, its code the three digits at its start.
func FuzzReplyDecoder(f *testing.F) {
	for _, s := range []string{"250 ok\r\n", "220-a\r\n220 b\n", "250\n", "250-\r\nx\r\n\n\n", "junk", "", "554-\r\r\r-554\n554\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		var d ReplyDecoder
		done, rest, err := push(&d, in)
		if !done || err != nil {
			return
		}
		taken := in[:len(in)-len(rest)]
		r := d.Take()
		text := strings.ReplaceAll(taken, "\r", "")
		if r.Text != text[:min(len(text), ReplyKept)] || !strings.HasSuffix(taken, "\n") {
			t.Errorf("took %q, text %q", taken, r.Text)
		}
		if code, err := strconv.Atoi(taken[:3]); err != nil || r.Code != code {
			t.Errorf("took %q, code %d", taken, r.Code)
		}
		if lines := strings.Count(taken, "\n"); lines > 1 && taken[3] != '-' {
			t.Errorf("took %q: %d lines, and the first does not say that there are more", taken, lines)
		}
	})
}

// encode encodes a message given in parts of n bytes.
func encode(msg []byte, n int) ([]byte, error) {
	var e BodyEncoder
	var b []byte
	for len(msg) > n {
		b, msg = e.Append(b, msg[:n]), msg[n:]
	}
	return e.Finish(e.Append(b, msg))
}

var bodyTests = []struct{ name, msg, want string }{
	{"empty", "", ".\r\n"},
	{"one line", "a\n", "a\r\n.\r\n"},
	{"empty lines", "\n\n", "\r\n\r\n.\r\n"},
	{"dots", ".\n..\n.x\nx.\n", "..\r\n...\r\n..x\r\nx.\r\n.\r\n"},
	{"bytes", "\x00\x80\xff\n", "\x00\x80\xff\r\n.\r\n"},
	{"partial", "a\nb", ""},
	{"partial dot", ".", ""},
	// the table of spec/remote.md section 6
	{"CR LF", "a\r\n", "a\r\n.\r\n"},
	{"CR inside", "a\rb\n", "a\r\nb\r\n.\r\n"},
	{"CR CR LF", "a\r\r\nb\n", "a\r\n\r\nb\r\n.\r\n"},
	{"CR at the end", "a\nb\r", "a\r\nb\r\n.\r\n"},
	{"smuggling", "a\r.\nMAIL FROM:<evil@x>\nb\n", "a\r\n..\r\nMAIL FROM:<evil@x>\r\nb\r\n.\r\n"},
	{"smuggling with CRs", "a\r.\rMAIL FROM:<evil@x>\r", "a\r\n..\r\nMAIL FROM:<evil@x>\r\n.\r\n"},
	{"smuggling with LFs", "a\n.\n.\r\n.\rb\n", "a\r\n..\r\n..\r\n..\r\nb\r\n.\r\n"},
	{"LF CR", "a\n\rb\n", "a\r\n\r\nb\r\n.\r\n"},
	{"only CRs", "\r\r\r", "\r\n\r\n\r\n.\r\n"},
}

func TestBodyEncoder(t *testing.T) {
	for _, tt := range bodyTests {
		for n := 1; n <= len(tt.msg)+1; n++ {
			got, err := encode([]byte(tt.msg), n)
			if tt.want == "" {
				if err != ErrPartialLine {
					t.Errorf("%s in parts of %d: %q, %v, want ErrPartialLine", tt.name, n, got, err)
				}
				continue
			}
			if string(got) != tt.want || err != nil {
				t.Errorf("%s in parts of %d: %q, %v, want %q", tt.name, n, got, err, tt.want)
			}
		}
	}
}

// FuzzBodyEncoder: what is sent has CR and LF only as pairs and the end only at
// the end; taken apart by the rules of RFC 5321 it is the message's lines; and
// it does not depend on the parts in which the message came.
func FuzzBodyEncoder(f *testing.F) {
	for _, tt := range bodyTests {
		f.Add([]byte(tt.msg), 3)
	}
	f.Fuzz(func(t *testing.T, msg []byte, n int) {
		if n < 1 {
			n = 1
		}
		got, err := encode(msg, n)
		whole, err2 := encode(msg, len(msg)+1)
		if !bytes.Equal(got, whole) || err != err2 {
			t.Fatalf("in parts of %d: %q, %v; whole: %q, %v", n, got, err, whole, err2)
		}
		// The message's lines, by the rule that LF, CR LF and CR end one.
		text := strings.ReplaceAll(strings.ReplaceAll(string(msg), "\r\n", "\n"), "\r", "\n")
		if text != "" && !strings.HasSuffix(text, "\n") {
			if err != ErrPartialLine {
				t.Fatalf("encode(%q) = %q, %v, want ErrPartialLine", msg, got, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("encode(%q) = %v", msg, err)
		}
		body, ok := bytes.CutSuffix(got, []byte(".\r\n"))
		if !ok || len(body) > 0 && !bytes.HasSuffix(body, []byte("\r\n")) {
			t.Fatalf("encode(%q) = %q: no end", msg, got)
		}
		if bytes.Contains(got[:len(got)-1], []byte("\r\n.\r\n")) && !bytes.HasSuffix(got, []byte("\r\n.\r\n")) ||
			bytes.Contains(body, []byte("\r\n.\r\n")) || bytes.HasPrefix(body, []byte(".\r\n")) {
			t.Fatalf("encode(%q) = %q: an end inside", msg, got)
		}
		if left := bytes.ReplaceAll(got, []byte("\r\n"), nil); bytes.ContainsAny(left, "\r\n") {
			t.Fatalf("encode(%q) = %q: CR or LF alone", msg, got)
		}
		var back strings.Builder
		for _, line := range strings.SplitAfter(string(body), "\r\n") {
			back.WriteString(strings.TrimPrefix(strings.TrimSuffix(line, "\r\n"), "."))
			if line != "" {
				back.WriteByte('\n')
			}
		}
		if back.String() != text {
			t.Fatalf("encode(%q) = %q, received as %q, want %q", msg, got, back.String(), text)
		}
	})
}

// The time for a part must not grow with the square of its size.
func BenchmarkBodyEncoder(b *testing.B) {
	for _, line := range []string{"a line of sixty characters or so, as they are in most messages\n", "\r", ".\n"} {
		b.Run(strings.TrimSpace(line[:1]), func(b *testing.B) {
			msg := bytes.Repeat([]byte(line), (64<<10)/len(line))
			buf := make([]byte, 0, 4*len(msg))
			b.SetBytes(int64(len(msg)))
			for b.Loop() {
				var e BodyEncoder
				_ = e.Append(buf, msg)
			}
		})
	}
}

func TestCommands(t *testing.T) {
	tests := []struct{ addr, want string }{
		{"", "MAIL FROM:<>\r\n"},
		{"a@b", "MAIL FROM:<a@b>\r\n"},
		{"noat", "MAIL FROM:<noat>\r\n"},
		{"a b@a", "MAIL FROM:<\"a b\"@a>\r\n"},
		{`"x"@b`, "MAIL FROM:<\"\\\"x\\\"\"@b>\r\n"},
		{".dot@b", "MAIL FROM:<\".dot\"@b>\r\n"},
		{"a..b@b", "MAIL FROM:<\"a..b\"@b>\r\n"},
		{"@b", "MAIL FROM:<\"\"@b>\r\n"},
		{"a@b@c", "MAIL FROM:<\"a@b\"@c>\r\n"},
		{"\xff@b", "MAIL FROM:<\"\xff\"@b>\r\n"},
	}
	for _, tt := range tests {
		if got := string(AppendMail(nil, tt.addr)); got != tt.want {
			t.Errorf("AppendMail(%q) = %q, want %q", tt.addr, got, tt.want)
		}
		rcpt := "RCPT TO" + strings.TrimPrefix(tt.want, "MAIL FROM")
		if got := string(AppendRcpt(nil, tt.addr)); got != rcpt {
			t.Errorf("AppendRcpt(%q) = %q, want %q", tt.addr, got, rcpt)
		}
		if !ValidPath(tt.addr) {
			t.Errorf("ValidPath(%q) = false", tt.addr)
		}
	}
	for _, addr := range []string{"a\r@b", "a\n@b", "a@b\nRCPT TO:<c@d>", "a@b\x00"} {
		if ValidPath(addr) {
			t.Errorf("ValidPath(%q) = true", addr)
		}
	}
	if got := string(AppendHelo(nil, "mx.test")); got != "HELO mx.test\r\n" {
		t.Errorf("AppendHelo = %q", got)
	}
}
