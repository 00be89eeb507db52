package remote

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"goqmail/internal/sys"
)

// A server plays an SMTP server at the other end of a connection. What it says
// is by stage: greet, helo, mail, rcpt, data, dot, quit; "close" ends the
// connection instead. Replies of rcpt are used one after the other.
type server struct {
	script map[string]string
	rcpts  []string // replies to RCPT; then the script's

	wire   bytes.Buffer // what the client sent
	out    bytes.Buffer // what it has not read yet
	inBody bool
	gone   bool
	closed bool
}

var defaultScript = map[string]string{
	"greet": "220 hi", "helo": "250 hello", "mail": "250 ok", "rcpt": "250 ok", "data": "354 go", "dot": "250 queued", "quit": "221 bye",
}

func (s *server) say(stage string) {
	text, ok := s.script[stage]
	if !ok {
		text = defaultScript[stage]
	}
	if stage == "rcpt" && len(s.rcpts) > 0 {
		text, s.rcpts = s.rcpts[0], s.rcpts[1:]
	}
	if text == "close" {
		s.gone = true
		return
	}
	s.out.WriteString(text + "\r\n")
}

func (s *server) Read(p []byte) (int, error) {
	if s.wire.Len() == 0 && s.out.Len() == 0 && !s.gone {
		s.say("greet")
	}
	if s.out.Len() == 0 {
		return 0, io.EOF
	}
	return s.out.Read(p)
}

func (s *server) Write(p []byte) (int, error) {
	if s.gone {
		return 0, errors.New("broken pipe")
	}
	s.wire.Write(p)
	verb, _, _ := bytes.Cut(p, []byte(" "))
	switch {
	case s.inBody:
		if bytes.HasSuffix(s.wire.Bytes(), []byte("\r\n.\r\n")) {
			s.inBody = false
			s.say("dot")
		}
	case string(verb) == "HELO", string(verb) == "MAIL", string(verb) == "RCPT":
		s.say(strings.ToLower(string(verb)))
	case string(p) == "DATA\r\n":
		s.say("data")
		s.inBody = !s.gone && strings.HasPrefix(s.out.String(), "3")
	case string(p) == "QUIT\r\n":
		s.say("quit")
	}
	return len(p), nil
}

func (s *server) Close() error { s.closed = true; return nil }

// send delivers a message over a connection to s and returns the report, its
// NULs shown as |.
func send(s *server, message io.Reader, rcpts ...string) string {
	var r report
	d := &delivery{sender: "a@lv.test", recipients: rcpts, message: message, report: &r}
	d.helo = "me.test"
	c := newSession(s, "192.0.2.1")
	v := d.converse(c)
	c.close()
	r.add(v.letter, v.text)
	return strings.ReplaceAll(string(r.buf), "\x00", "|")
}

const died = "ZConnected to 192.0.2.1 but connection died. (#4.4.2)\n|"
const accepted = "K192.0.2.1 accepted message.\nRemote host said: 250 queued\n|"

func TestWire(t *testing.T) {
	s := &server{}
	body := "Subject: x\n\n.\n..\nnot .\n" + strings.Repeat("L", 5000) + "\n\x80\xfe\x00z\n\n"
	got := send(s, strings.NewReader(body), "x@far.test", "y z@far.test")
	if want := "r|r|" + accepted; got != want {
		t.Errorf("report %q, want %q", got, want)
	}
	want := "HELO me.test\r\nMAIL FROM:<a@lv.test>\r\nRCPT TO:<x@far.test>\r\nRCPT TO:<\"y z\"@far.test>\r\nDATA\r\n" +
		"Subject: x\r\n\r\n..\r\n...\r\nnot .\r\n" + strings.Repeat("L", 5000) + "\r\n\x80\xfe\x00z\r\n\r\n.\r\nQUIT\r\n"
	if s.wire.String() != want {
		t.Errorf("sent %q\nwant %q", s.wire.String(), want)
	}
	if !s.closed {
		t.Error("the connection is left open")
	}
}

func TestStages(t *testing.T) {
	type script = map[string]string
	const dislikes = "192.0.2.1 does not like recipient.\nRemote host said: "
	tests := []struct {
		name   string
		script script
		want   string
		quit   bool
	}{
		{"greeting 554", script{"greet": "554 no"}, "ZConnected to 192.0.2.1 but greeting failed.\nRemote host said: 554 no\n|", true},
		{"greeting 250", script{"greet": "250 odd"}, "ZConnected to 192.0.2.1 but greeting failed.\nRemote host said: 250 odd\n|", true},
		{"greeting in lines", script{"greet": "220-a\r\n220 b"}, "r|" + accepted, true},
		{"HELO 550", script{"helo": "550 bad"}, "ZConnected to 192.0.2.1 but my name was rejected.\nRemote host said: 550 bad\n|", true},
		{"HELO 220", script{"helo": "220 odd"}, "ZConnected to 192.0.2.1 but my name was rejected.\nRemote host said: 220 odd\n|", true},
		{"MAIL 550", script{"mail": "550 no"}, "DConnected to 192.0.2.1 but sender was rejected.\nRemote host said: 550 no\n|", true},
		{"MAIL 450", script{"mail": "450 no"}, "ZConnected to 192.0.2.1 but sender was rejected.\nRemote host said: 450 no\n|", true},
		{"MAIL 354 goes on", script{"mail": "354 odd"}, "r|" + accepted, true},
		{"RCPT 550", script{"rcpt": "550 no"}, "h" + dislikes + "550 no\n|DGiving up on 192.0.2.1.\n|", true},
		{"RCPT 450", script{"rcpt": "450 no"}, "s" + dislikes + "450 no\n|DGiving up on 192.0.2.1.\n|", true},
		{"RCPT 251", script{"rcpt": "251 ok"}, "r|" + accepted, true},
		{"DATA 554", script{"data": "554 no"}, "r|D192.0.2.1 failed on DATA command.\nRemote host said: 554 no\n|", true},
		{"DATA 451", script{"data": "451 no"}, "r|Z192.0.2.1 failed on DATA command.\nRemote host said: 451 no\n|", true},
		{"dot 554", script{"dot": "554 no"}, "r|D192.0.2.1 failed after I sent the message.\nRemote host said: 554 no\n|", true},
		{"dot 452", script{"dot": "452 no"}, "r|Z192.0.2.1 failed after I sent the message.\nRemote host said: 452 no\n|", true},
		{"dot in lines", script{"dot": "250-a\r\n250 b"}, "r|K192.0.2.1 accepted message.\nRemote host said: 250-a\n250 b\n|", true},
		{"NUL in a reply", script{"dot": "554 a\x00b"}, "r|D192.0.2.1 failed after I sent the message.\nRemote host said: 554 a?b\n|", true},
		{"closed at the greeting", script{"greet": "close"}, died, false},
		{"closed at HELO", script{"helo": "close"}, died, false},
		{"closed at MAIL", script{"mail": "close"}, died, false},
		{"closed at RCPT", script{"rcpt": "close"}, died, false},
		{"closed at DATA", script{"data": "close"}, "r|" + died, false},
		{"closed after the dot", script{"dot": "close"}, "r|ZConnected to 192.0.2.1 but connection died. Possible duplicate! (#4.4.2)\n|", false},
		{"closed at QUIT", script{"quit": "close"}, "r|" + accepted, true},
		{"no code in the greeting", script{"greet": "hello"}, died, false},
		{"no code after the dot", script{"dot": "ok"}, "r|ZConnected to 192.0.2.1 but connection died. Possible duplicate! (#4.4.2)\n|", false},
		{"endless reply", script{"mail": strings.Repeat("250-x\r\n", 2000) + "250 x"}, died, false},
	}
	for _, tt := range tests {
		s := &server{script: tt.script}
		if got := send(s, strings.NewReader("Subject: t\n\nx\n"), "x@far.test"); got != tt.want {
			t.Errorf("%s: report %q, want %q", tt.name, got, tt.want)
		}
		if quit := strings.HasSuffix(s.wire.String(), "QUIT\r\n"); quit != tt.quit {
			t.Errorf("%s: QUIT sent: %v, want %v", tt.name, quit, tt.quit)
		}
	}
}

func TestRecipients(t *testing.T) {
	const H, S = "h192.0.2.1 does not like recipient.\nRemote host said: 550 h\n|", "s192.0.2.1 does not like recipient.\nRemote host said: 451 s\n|"
	tests := []struct {
		name   string
		rcpts  []string
		script map[string]string
		want   string
	}{
		{"mixed", []string{"550 h", "250 ok", "451 s", "250 ok"}, nil, H + "r|" + S + "r|" + accepted},
		{"none", []string{"550 h", "451 s"}, nil, H + S + "DGiving up on 192.0.2.1.\n|"},
		{"mixed, then refused", []string{"250 ok", "550 h"}, map[string]string{"dot": "452 full"},
			"r|" + H + "Z192.0.2.1 failed after I sent the message.\nRemote host said: 452 full\n|"},
		{"lost in between", []string{"250 ok", "close", "250 ok"}, nil, "r|" + died},
	}
	for _, tt := range tests {
		s := &server{script: tt.script, rcpts: tt.rcpts}
		names := make([]string, len(tt.rcpts))
		for i := range names {
			names[i] = "x@far.test"
		}
		if got := send(s, strings.NewReader("x\n"), names...); got != tt.want {
			t.Errorf("%s: report %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Messages that cannot be sent to their end: the server must not take what it
// has got for a message, so there is neither a dot nor QUIT.
func TestAbandoned(t *testing.T) {
	big := strings.Repeat("line\n", 100000)
	tests := []struct {
		name string
		msg  io.Reader
		want string
	}{
		{"partial line", strings.NewReader("ab\ncd"), "r|DSMTP cannot transfer messages with partial final lines. (#5.6.2)\n|"},
		{"big with partial line", strings.NewReader(big + "x"), "r|DSMTP cannot transfer messages with partial final lines. (#5.6.2)\n|"},
		{"read error", iotest.ErrReader(sys.ErrTimeout), "r|ZUnable to read message. (#4.3.0)\n|"},
		{"read error later", io.MultiReader(strings.NewReader(big), iotest.ErrReader(sys.ErrTimeout)), "r|ZUnable to read message. (#4.3.0)\n|"},
	}
	for _, tt := range tests {
		s := &server{}
		if got := send(s, tt.msg, "x@far.test"); got != tt.want {
			t.Errorf("%s: report %q, want %q", tt.name, got, tt.want)
		}
		if w := s.wire.String(); strings.HasSuffix(w, "QUIT\r\n") || strings.Contains(w, "\r\n.\r\n") {
			t.Errorf("%s: sent %q at the end", tt.name, w[max(0, len(w)-20):])
		}
		if !s.closed {
			t.Errorf("%s: the connection is left open", tt.name)
		}
	}
}

// A server that goes away during the body.
func TestLostInBody(t *testing.T) {
	s := &server{}
	n := 0
	lost := io.MultiReader(strings.NewReader(strings.Repeat("line\n", 50000)), readFunc(func([]byte) (int, error) {
		n++
		s.gone = true
		return 0, io.EOF
	}))
	if got, want := send(s, lost, "x@far.test"), "r|ZConnected to 192.0.2.1 but connection died. Possible duplicate! (#4.4.2)\n|"; got != want {
		t.Errorf("report %q, want %q", got, want)
	}
	if n == 0 {
		t.Error("the message was not read to its end")
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// However the message and the replies are cut into reads, the dialogue is the
// same.
func TestSmallReads(t *testing.T) {
	s := &server{}
	var r report
	d := &delivery{sender: "a@lv.test", recipients: []string{"x@far.test"}, report: &r}
	d.helo, d.message = "me.test", iotest.OneByteReader(strings.NewReader("a\n.b\n"))
	drip := struct {
		io.Reader
		io.Writer
		io.Closer
	}{iotest.OneByteReader(s), s, s}
	v := d.converse(newSession(drip, netip.MustParseAddr("192.0.2.1").String()))
	if v.letter != success || !strings.Contains(s.wire.String(), "DATA\r\na\r\n..b\r\n.\r\nQUIT\r\n") {
		t.Errorf("verdict %c %q, sent %q", v.letter, v.text, s.wire.String())
	}
}
