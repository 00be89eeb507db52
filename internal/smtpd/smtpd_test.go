package smtpd

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"goqmail/internal/commands"
	"goqmail/internal/prog"
	"goqmail/internal/qq"
	"goqmail/internal/smtp"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/queuetest"
)

const envelope = "MAIL FROM:<a@b>\r\nRCPT TO:<c@ok.example>\r\nDATA\r\n"

// Answers to a batch are sent together: as few writes as the rules allow.
func TestWrites(t *testing.T) {
	h := usualHome(t)
	tests := []struct {
		name, in string
		writes   int
	}{
		{"greeting only", "", 1},
		// the first command waits for the greeting to be flushed by reading
		{"batch", "MAIL FROM:<a@b>\r\nRCPT TO:<c@ok.example>\r\nRCPT TO:<d@ok.example>\r\nRSET\r\nNOOP\r\n", 2},
		{"flushing commands", "NOOP\r\nNOOP\r\n", 3},
		{"message that came with its command", envelope + "x\r\n.\r\n", 2},
		{"many recipients", "MAIL FROM:<a@b>\r\n" + strings.Repeat("RCPT TO:<c@ok.example>\r\n", 300), 2},
	}
	for _, tt := range tests {
		if d := talk(t, h, nil, strings.NewReader(tt.in), &queuetest.Queue{}); d.writes != tt.writes {
			t.Errorf("%s: %d writes, want %d: %q", tt.name, d.writes, tt.writes, d.out)
		}
	}
	// One byte at a time: the same answers.
	a := talk(t, h, nil, strings.NewReader(envelope+"x\r\n.\r\nQUIT\r\n"), &queuetest.Queue{})
	b := talk(t, h, nil, iotest.OneByteReader(strings.NewReader(envelope+"x\r\n.\r\nQUIT\r\n")), &queuetest.Queue{})
	if a.out != b.out || a.exit != exitQuit || b.exit != exitQuit {
		t.Errorf("at once: %q, byte by byte: %q", a.out, b.out)
	}
}

// The ends of a session that are not the client's wish.
func TestEnds(t *testing.T) {
	h := usualHome(t)
	timeout := iotest.ErrReader(sys.ErrTimeout)
	const greeting = "220 mx.example ESMTP\r\n"
	const taken = greeting + "250 ok\r\n250 ok\r\n354 go ahead\r\n"
	tests := []struct {
		name string
		in   io.Reader
		want string
	}{
		{"end of input", strings.NewReader(""), greeting},
		{"end inside a line", strings.NewReader("NOOP"), greeting},
		{"end inside a message", strings.NewReader(envelope + "x\r\n"), taken},
		{"silence", timeout, greeting + "451 timeout (#4.4.2)\r\n"},
		{"silence inside a message", io.MultiReader(strings.NewReader(envelope+"x\r\n"), timeout), taken + "451 timeout (#4.4.2)\r\n"},
		{"connection lost", iotest.ErrReader(errors.New("reset")), greeting},
		{"bare LF", strings.NewReader(envelope + "x\n.\r\nQUIT\r\n"), taken + "451 See https://cr.yp.to/docs/smtplf.html.\r\n"},
	}
	for _, tt := range tests {
		d := talk(t, h, nil, tt.in, &queuetest.Queue{})
		if d.out != tt.want || d.exit != exitElse {
			t.Errorf("%s: %q, exit %d, want %q, exit %d", tt.name, d.out, d.exit, tt.want, exitElse)
		}
		for _, m := range d.q.Messages {
			if m.Queued() || !m.Closed {
				t.Errorf("%s: the message was queued, or its queue program left alone", tt.name)
			}
		}
	}
	// A client that does not take our answers: no word about a time limit.
	for _, in := range []string{"", "QUIT\r\n", "NOOP\r\n", envelope} {
		s := newSession(t, h, nil, strings.NewReader(in), testkit.BrokenPipe(t), &queuetest.Queue{})
		if exit := end(s.conn, s.serve()); exit != exitElse {
			t.Errorf("%q, answers not taken: exit %d", in, exit)
		}
	}
	var out counter
	s := newSession(t, h, nil, strings.NewReader(""), writeTimeout{&out}, &queuetest.Queue{})
	if exit := end(s.conn, s.serve()); exit != exitElse || out.n != 0 {
		t.Errorf("time limit for writing: exit %d, %d more writes", exit, out.n)
	}
}

// writeTimeout fails once, then counts.
type writeTimeout struct{ after *counter }

func (w writeTimeout) Write(p []byte) (int, error) { return 0, sys.ErrTimeout }

// What the queue program said becomes an answer.
func TestResults(t *testing.T) {
	h := usualHome(t)
	tests := []struct{ result, want string }{
		{"", "250 ok 1795201436 qp 4711"},
		{"Zqq temporary problem (#4.3.0)", "451 qq temporary problem (#4.3.0)"},
		{"Denvelope address too long for qq (#5.1.3)", "554 envelope address too long for qq (#5.1.3)"},
		{"Dline\nline", "554 line\nline"},
		{"Xtext", "451 text"},
	}
	for _, tt := range tests {
		d := talk(t, h, nil, strings.NewReader(envelope+"x\r\n.\r\nQUIT\r\n"), &queuetest.Queue{Result: tt.result})
		if !strings.HasSuffix(d.out, "354 go ahead\r\n"+tt.want+"\r\n221 mx.example\r\n") {
			t.Errorf("%q: %q, want %q", tt.result, d.out, tt.want)
		}
	}
	d := talk(t, h, nil, strings.NewReader(envelope+"DATA\r\nQUIT\r\n"), &queuetest.Queue{Refuse: sys.ErrTimeout})
	if !strings.HasSuffix(d.out, "250 ok\r\n451 qqt failure (#4.3.0)\r\n503 MAIL first (#5.5.1)\r\n221 mx.example\r\n") {
		t.Errorf("no queue program: %q", d.out)
	}
}

// The size limit counts the message as it is stored, without our own field.
func TestDatabytes(t *testing.T) {
	h := usualHome(t)
	for _, tt := range []struct {
		file, env string // "" is none
		body      string
		ok        bool
	}{
		{"8\n", "", "1234567\r\n.\r\n", true},
		{"8\n", "", "12345678\r\n.\r\n", false},
		{"8\n", "", "..123\r\na\r\n.\r\n", true},
		{"8\n", "", "1\r\n2\r\n3\r\n4\r\n5\r\n.\r\n", false},
		{"0\n", "", "12345678\r\n.\r\n", true},
		{"x\n", "", "12345678\r\n.\r\n", true},
		{"1\n", "DATABYTES=9x", "12345678\r\n.\r\n", true},
		{"1\n", "DATABYTES=", "12345678\r\n.\r\n", true},
		{"100\n", "DATABYTES=8", "12345678\r\n.\r\n", false},
		{"4294967295\n", "", "12345678\r\n.\r\n", true},
		{"4294967297\n", "", "12345678\r\n.\r\n", true}, // C: a limit of 1 byte
		{"99999999999999999999999\n", "", "12345678\r\n.\r\n", true},
	} {
		h.Control("databytes", tt.file)
		var env []string
		if tt.env != "" {
			env = append(env, tt.env)
		}
		d := talk(t, h, env, strings.NewReader(envelope+tt.body), &queuetest.Queue{})
		if d.q.Messages[0].Queued() != tt.ok || strings.Contains(d.out, smtp.AnswerTooLarge+"\r\n") == tt.ok {
			t.Errorf("databytes %q, %q, %q: %q", tt.file, tt.env, tt.body, d.out)
		}
	}
}

// 100 trace fields in the header are a loop.
func TestHops(t *testing.T) {
	h := usualHome(t)
	for _, tt := range []struct {
		name, body string
		ok         bool
	}{
		{"99", strings.Repeat("Received: x\r\n", 50) + strings.Repeat("delivered-to: x\r\n", 49) + "\r\nReceived: x\r\n", true},
		{"100", strings.Repeat("RECEIVED: x\r\n", 50) + strings.Repeat("Delivered-To: x\r\n", 50), false},
		{"no field, same word", strings.Repeat("received\r\n", 100), false},
		{"not at the start of a line", strings.Repeat(" Received: x\r\nX-Received: x\r\n", 100), true},
		{"dot-stuffed", strings.Repeat(".Received: x\r\n", 100), true},
		{"in the body", "\r\n" + strings.Repeat("Received: x\r\n", 200), true},
		{"after a line with CR", strings.Repeat("\r\r\nReceived: x\r\n", 100), false},
		{"word cut by a CR", strings.Repeat("Rec\reived: x\r\n", 100), true},
	} {
		d := talk(t, h, nil, iotest.HalfReader(strings.NewReader(envelope+tt.body+".\r\n")), &queuetest.Queue{})
		if d.q.Messages[0].Queued() != tt.ok || strings.Contains(d.out, smtp.AnswerTooManyHops+"\r\n") == tt.ok {
			t.Errorf("%s: %q", tt.name, d.out)
		}
	}
	// The loop is told before the size.
	h.Control("databytes", "10\n")
	d := talk(t, h, nil, strings.NewReader(envelope+strings.Repeat("Received: x\r\n", 100)+".\r\n"), &queuetest.Queue{})
	if !strings.Contains(d.out, smtp.AnswerTooManyHops) {
		t.Errorf("loop and size: %q", d.out)
	}
}

// Lines without end take no memory, and an address in what was dropped is not
// taken for an empty one.
func TestLongLines(t *testing.T) {
	h := usualHome(t)
	x := strings.Repeat("x", 3<<20)
	for _, tt := range []struct{ in, want string }{
		{"NOOP " + x, "250 ok"},
		{x, "502 unimplemented (#5.5.1)"},
		{"HELO " + x, "250 mx.example"},
		{"MAIL FROM:<" + x + "@b>", "555 syntax error (#5.5.4)"},
		{"MAIL " + x + " FROM:<a@b>", "555 syntax error (#5.5.4)"},
		{"MAIL FROM:" + strings.Repeat(" ", 3<<20) + "<a@b>", "555 syntax error (#5.5.4)"},
		{"MAIL FROM:<a@b> " + x, "250 ok"},
	} {
		d := talk(t, h, nil, strings.NewReader(tt.in+"\r\nQUIT\r\n"), &queuetest.Queue{})
		if want := "220 mx.example ESMTP\r\n" + tt.want + "\r\n221 mx.example\r\n"; d.out != want {
			t.Errorf("%.20q...: %q, want %q", tt.in, d.out, want)
		}
	}
	for n, want := range map[int]string{smtp.PathMax: "250 ok\r\n", smtp.PathMax + 1: "555 syntax error (#5.5.4)\r\n"} {
		d := talk(t, h, nil, strings.NewReader("MAIL FROM:<"+x[:n]+">\r\n"), &queuetest.Queue{})
		if !strings.HasSuffix(d.out, want) {
			t.Errorf("address of %d bytes: %q", n, d.out)
		}
	}
}

// Control files that cannot be read, and a home without.
func TestConfigErrors(t *testing.T) {
	for _, name := range []string{"me", "smtpgreeting", "localiphost", "timeoutsmtpd", "rcpthosts", "morercpthosts.cdb", "badmailfrom", "databytes"} {
		h := testkit.NewHome(t)
		if name != "me" {
			h.Control("me", "mx\n")
		}
		if name == "morercpthosts.cdb" {
			h.Control("rcpthosts", "")
		}
		testkit.Looping(t, h.Path("control/"+name))
		if out, code := runOn(t, h, ""); out != smtp.AnswerNoControls+"\r\n" || code != exitElse {
			t.Errorf("%s unreadable: %q, exit %d", name, out, code)
		}
	}
	if out, code := runOn(t, testkit.NewHome(t), "QUIT\r\n"); out != smtp.AnswerNoControls+"\r\n" || code != exitElse {
		t.Errorf("neither me nor smtpgreeting: %q, exit %d", out, code)
	}
	if out, code := runOn(t, &testkit.Home{Dir: "/nonexistent"}, "QUIT\r\n"); out != smtp.AnswerNoControls+"\r\n" || code != exitElse {
		t.Errorf("no home: %q, exit %d", out, code)
	}
	// Our own addresses are looked for when the client names one.
	for _, named := range []string{"MAIL FROM:<a@[1.2.3.4]>\r\nQUIT\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<c@[1.2.3.4]>\r\nQUIT\r\n"} {
		out, code := runWith(t, usualHome(t), named, func() (sock.Addresses, error) { return nil, sys.ErrTimeout })
		if !strings.HasSuffix(out, smtp.AnswerNoLocalIPs+"\r\n") || code != exitElse {
			t.Errorf("own addresses not found: %q, exit %d", out, code)
		}
	}
	// A damaged morercpthosts.cdb is told when it is needed.
	h := usualHome(t)
	h.Control("morercpthosts.cdb", "junk")
	out, code := runOn(t, h, "MAIL FROM:<a@b>\r\nRCPT TO:<c@ok.example>\r\nRCPT TO:<c@elsewhere>\r\nQUIT\r\n")
	if !strings.HasSuffix(out, "250 ok\r\n250 ok\r\n"+smtp.AnswerNoControls+"\r\n") || code != exitElse {
		t.Errorf("morercpthosts.cdb damaged: %q, exit %d", out, code)
	}
}

// runOn runs the whole program on pipes.
func runOn(t *testing.T, h *testkit.Home, in string) (out string, code int) {
	t.Helper()
	return runWith(t, h, in, sock.LocalAddresses)
}

func runWith(t *testing.T, h *testkit.Home, in string, localAddresses func() (sock.Addresses, error)) (out string, code int) {
	t.Helper()
	r, w, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ar, aw, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), ar.Close() }()
	if _, err := w.WriteString(in); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	p := &prog.Process{
		Args: []string{"qmail-smtpd"}, Env: prog.NewEnv([]string{"PATH=/bin:/usr/bin"}), Home: h.Dir,
		Now: func() time.Time { return time.Unix(now, 0) }, FDs: map[int]sys.FD{0: r, 1: aw},
	}
	code = run(p, localAddresses, &kept{})
	_ = aw.Close()
	b, err := ar.ReadAll(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), code
}

// The whole program with a queue program.
func TestRun(t *testing.T) {
	h := usualHome(t)
	testkit.Recorder(t, h.Path("bin/qmail-queue"), h.Path("got"), "0")
	out, code := runOn(t, h, "EHLO x\r\n"+envelope+"Subject: x\r\n\r\n..\r\n.\r\nQUIT\r\n")
	want := regexp.MustCompile("^220 mx.example ESMTP\r\n250-mx.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n250 ok\r\n250 ok\r\n354 go ahead\r\n" +
		"250 ok 1795201436 qp [0-9]+\r\n221 mx.example\r\n$")
	if !want.MatchString(out) || code != exitQuit {
		t.Errorf("answers %q, exit %d", out, code)
	}
	for name, want := range map[string]string{
		"got/0": "Received: from unknown (HELO x) (unknown)\n  by unknown with SMTP; 20 Nov 2026 19:03:56 -0000\nSubject: x\n\n.\n",
		"got/1": "Fa@b\x00Tc@ok.example\x00\x00",
	} {
		if got, _ := h.Read(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

// A silent client is told so after timeoutsmtpd; values below 1 are 1.
func TestTimeout(t *testing.T) {
	h := usualHome(t)
	for _, tt := range []struct {
		file string // "" is none
		want time.Duration
	}{{"", defaultTimeout}, {"0\n", 1}, {"7\n", 7}, {"x\n", defaultTimeout}, {"99999999999\n", 1<<31 - 1}} {
		if tt.file != "" {
			h.Control("timeoutsmtpd", tt.file)
		}
		c, err := readConfig(h.Dir, prog.NewEnv(nil))
		if c.timeout != tt.want*time.Second || err != nil {
			t.Errorf("timeoutsmtpd %q: %v, %v, want %v", tt.file, c.timeout, err, tt.want*time.Second)
		}
	}
	if end(commands.NewConn(nil, io.Discard), sys.NewError("read", "", syscall.ECONNRESET)) != exitElse {
		t.Error("exit code after a reset")
	}
}

// FuzzSession: whatever a client sends, every answer is lines of a code and a
// text, ended by CR LF, and a message is only queued whole.
func FuzzSession(f *testing.F) {
	f.Add([]byte("EHLO x\r\n" + envelope + "..a\r\n.\r\nQUIT\r\n"))
	f.Add([]byte("HELO\r\nMAIL FROM:<>\r\nRCPT TO:<@a:\"b\\c\"@[127.0.0.1]>\r\nRSET\r\nVRFY x\r\nHELP\r\nNOOP\r\nexpn\r\n"))
	f.Add([]byte(envelope + "x\ny"))
	h := usualHome(f)
	h.Control("localiphost", "lip\n")
	h.Control("badmailfrom", "bad@x\n@worse\n")
	h.Control("databytes", "50\n")
	line := regexp.MustCompile(`^[2-5][0-9][0-9][ -][ -~]*$`)
	f.Fuzz(func(t *testing.T, in []byte) {
		d := talk(t, h, []string{"RELAYCLIENT=@x"}, bytes.NewReader(in), &queuetest.Queue{})
		out := strings.TrimSuffix(d.out, "\r\n")
		for _, l := range strings.Split(out, "\r\n") {
			if !line.MatchString(l) {
				t.Errorf("%q: answer %q", in, l)
			}
		}
		for _, m := range d.q.Messages {
			if m.Queued() && (!bytes.HasPrefix(m.Envelope, []byte("F")) || !bytes.Contains(m.Envelope, []byte("@x\x00"))) {
				t.Errorf("%q: envelope %q", in, m.Envelope)
			}
		}
	})
}

// Thousands of recipients and a large message take no more memory than they
// must: a byte for each byte of the envelope, nothing for the message.
func TestMemory(t *testing.T) {
	h := usualHome(t)
	allocs := func(lines int) float64 {
		in := "MAIL FROM:<a@b>\r\nRCPT TO:<c@ok.example>\r\nDATA\r\n" + strings.Repeat("line of a message\r\n", lines) + ".\r\nQUIT\r\n"
		q := &queuetest.Queue{}
		return testing.AllocsPerRun(2, func() {
			s := newSession(t, h, nil, strings.NewReader(in), io.Discard, q)
			s.queue = func() (qq.Sink, error) { return discard{}, nil }
			end(s.conn, s.serve())
		})
	}
	if small, large := allocs(10), allocs(500000); large > small+20 {
		t.Errorf("%v allocations for 10 lines, %v for 500000", small, large)
	}
	d := talk(t, h, nil, strings.NewReader("MAIL FROM:<a@b>\r\n"+strings.Repeat("RCPT TO:<c@ok.example>\r\n", 5000)+"DATA\r\n.\r\n"), &queuetest.Queue{})
	if n := bytes.Count(d.q.Messages[0].Envelope, []byte("Tc@ok.example\x00")); n != 5000 {
		t.Errorf("%d recipients", n)
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Fail()                       {}
func (discard) From(string)                 {}
func (discard) To(string)                   {}
func (discard) Close() string               { return "" }
func (discard) PID() int                    { return 1 }
