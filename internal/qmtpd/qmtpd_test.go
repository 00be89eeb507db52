package qmtpd

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"goqmail/internal/commands"
	"goqmail/internal/netstring"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
	"goqmail/internal/testkit/queuetest"
)

// usualHome has an rcpthosts.
func usualHome(t testing.TB) *testkit.Home {
	h := testkit.NewHome(t)
	h.Control("rcpthosts", "ok.example\n.sub.example\n")
	return h
}

// talk runs a session to its end.
func talk(t testing.TB, h *testkit.Home, env []string, in io.Reader, q *queuetest.Queue) (out string, code int) {
	t.Helper()
	conf, err := readConfig(h.Dir, prog.NewEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	defer conf.hosts.Close()
	var b bytes.Buffer
	conn := commands.NewConn(in, &b)
	s := &session{conn: conn, in: netstring.NewReader(conn), conf: conf, now: func() int64 { return now }, queue: q.Open}
	code = netstring.ExitCode(s.serve())
	return b.String(), code
}

// ns is a netstring of several parts.
func ns(parts ...string) string { return string(netstring.Append(nil, strings.Join(parts, ""))) }

// pkg is a package.
func pkg(message, sender string, rcpts ...string) string {
	list := ""
	for _, r := range rcpts {
		list += ns(r)
	}
	return ns(message) + ns(sender) + ns(list)
}

const (
	received = "Received: from unknown (unknown)\n  by unknown with QMTP; 20 Nov 2026 19:03:56 -0000\n"
	ok       = "22:Kok 1795201436 qp 4711,"
	u        = "u@ok.example"
)

var (
	long    = strings.Repeat("a", 990) + "@ok.example"
	noRcpt  = ns(netstring.AnswerBadRecipient)
	refused = ns(netstring.AnswerNoRelay)
)

var table = []struct {
	name, env, in, out string
	code               int
	queued             string
}{
	{"message", "", pkg("\nhi\n", "s@t", u, "v"), ok + ok, 0, "Fs@t\x00Tu@ok.example\x00Tv\x00"},
	{"two", "", pkg("\nhi\n", "s@t", u) + pkg("\n", "", u), ok + ok, 0, "Fs@t\x00Tu@ok.example\x00F\x00Tu@ok.example\x00"},
	{"no recipients", "", pkg("\nhi\n", "s@t"), "", 0, ""},
	{"some refused", "", pkg("\nhi\n", "s@t", "v@x", u, "w\x00@ok.example", long), refused + ok + noRcpt + noRcpt, 0, "Fs@t\x00Tu@ok.example\x00"},
	{"all refused", "", pkg("\nhi\n", "s@t", "v@x", "w@x"), refused + refused, 0, ""},
	{"relay", "RELAYCLIENT=", pkg("\nhi\n", "s@t", "v@x"), ok, 0, "Fs@t\x00Tv@x\x00"},
	{"relay with suffix", "RELAYCLIENT=@h", pkg("\nhi\n", "s@t", "v@x"), ok, 0, "Fs@t\x00Tv@x@h\x00"},
	{"999 with suffix", "RELAYCLIENT=@h", pkg("\n", "", strings.Repeat("a", 997)), ok, 0, "F\x00T" + strings.Repeat("a", 997) + "@h\x00"},
	{"1000 with suffix", "RELAYCLIENT=@h", pkg("\n", "", strings.Repeat("a", 998)), noRcpt, 0, ""},
	{"sender of 999", "", pkg("\n", strings.Repeat("a", 999), "v"), ok, 0, "F" + strings.Repeat("a", 999) + "\x00Tv\x00"},
	{"sender of 1000", "", pkg("\n", strings.Repeat("a", 1000), "v", "w@x"), ns(netstring.AnswerBadSender) + refused, 0, ""},
	{"sender with NUL", "", pkg("\n", "\x00", "v"), ns(netstring.AnswerBadSender), 0, ""},
	{"too large before sender", "DATABYTES=2", pkg("\nabc", "\x00", "v"), ns(netstring.AnswerTooLarge), 0, ""},
	{"nothing", "", "", "", 0, ""},
	{"end inside", "", "4:\nhi\n,3:s", "", 0, ""},
	{"empty message string", "", "0:,", "", netstring.ExitSyntax, ""},
	{"bad first byte", "", pkg("hi\n", "s@t", u), "", netstring.ExitSyntax, ""},
	{"bad digit", "", "x", "", netstring.ExitSyntax, ""},
	{"comma of the message", "", "3:\nhi;", "", netstring.ExitSyntax, ""},
	{"comma of the sender", "", "3:\nhi,1:s;", "", netstring.ExitSyntax, ""},
	{"comma of a recipient", "", "3:\nhi,1:s,4:1:u;,", "", netstring.ExitSyntax, ""},
	{"comma of the recipients", "", "3:\nhi,1:s,4:1:u,;", "", netstring.ExitSyntax, ""},
	{"recipient too long for its container", "", "3:\nhi,1:s,4:9:", "", netstring.ExitSyntax, ""},
	{"length cut by the container", "", "3:\nhi,1:s,2:11,", "", netstring.ExitSyntax, ""},
	{"bad digit of a recipient", "", "3:\nhi,1:s,5:1x:u,,", "", netstring.ExitSyntax, ""},
	{"bad package behind a good one", "", pkg("\n", "s", u) + "x", ok, netstring.ExitSyntax, "Fs\x00Tu@ok.example\x00"},
	{"length of a message", "", "2000000010:", "", netstring.ExitTrouble, ""},
}

func TestPackages(t *testing.T) {
	h := usualHome(t)
	for _, tt := range table {
		for _, in := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
			q := &queuetest.Queue{}
			out, code := talk(t, h, []string{tt.env}, in, q)
			if out != tt.out || code != tt.code || q.Queued() != tt.queued {
				t.Errorf("%s: %q, exit %d, queued %q, want %q, %d, %q", tt.name, out, code, q.Queued(), tt.out, tt.code, tt.queued)
			}
		}
	}
}

// The size limit counts a message as it is stored, without our own field.
func TestBody(t *testing.T) {
	h := usualHome(t)
	for _, tt := range []struct {
		in, want, limit string
		ok              bool
	}{
		{"\na\r\nb\n", "a\r\nb\n", "0", true},
		{"\ra\r\nb\rc\r\r\n", "a\nb\rc\r\n", "0", true},
		{"\ra\r", "a\r", "0", true},
		{"\r\r", "\r", "1", true},
		{"\r\r", "", "0x", true},
		{"\n12345678", "12345678", "8", true},
		{"\n12345678", "12345678", "4294967297", true}, // not 1
		{"\n123456789", "", "8", false},
		{"\r1234567\r\n", "1234567\n", "8", true},
		{"\r12345678\r\n", "12345678\n", "8", false},
		{"\r1\r\r", "1\r\r", "2", false},
	} {
		q := &queuetest.Queue{}
		out, _ := talk(t, h, []string{"DATABYTES=" + tt.limit}, strings.NewReader(pkg(tt.in, "s", "v")), q)
		body := q.Messages[0].Body.String()
		if (out == ok) != tt.ok || !tt.ok && out != ns(netstring.AnswerTooLarge) || tt.ok && tt.want != "" && body != received+tt.want {
			t.Errorf("%q, limit %s: %q, stored %q", tt.in, tt.limit, out, body)
		}
	}
	h.Control("databytes", "3\n")
	if out, _ := talk(t, h, nil, strings.NewReader(pkg("\n1234", "s", "v")), &queuetest.Queue{}); out != ns(netstring.AnswerTooLarge) {
		t.Errorf("control/databytes: %q", out)
	}
}

func TestResults(t *testing.T) {
	h := usualHome(t)
	in := pkg("\nhi\n", "s", "v", "w@x", "z")
	q := &queuetest.Queue{Result: "Dmail server permanently rejected message (#5.3.0)"}
	if out, _ := talk(t, h, nil, strings.NewReader(in), q); out != ns(q.Result)+refused+ns(q.Result) {
		t.Errorf("refused: %q", out)
	}
	if out, code := talk(t, h, nil, strings.NewReader(in), &queuetest.Queue{Refuse: sys.ErrTimeout}); out != "" || code != netstring.ExitTrouble {
		t.Errorf("no queue program: %q, exit %d", out, code)
	}
	if _, code := talk(t, h, nil, iotest.ErrReader(sys.ErrTimeout), &queuetest.Queue{}); code != netstring.ExitEnd {
		t.Errorf("connection lost: exit %d", code)
	}
	h.Control("morercpthosts.cdb", "x")
	if out, code := talk(t, h, nil, strings.NewReader(in), &queuetest.Queue{}); out != "" || code != netstring.ExitTrouble {
		t.Errorf("bad morercpthosts.cdb: %q, exit %d", out, code)
	}
}

func TestRun(t *testing.T) {
	h := usualHome(t)
	testkit.Recorder(t, h.Path("bin/qmail-queue"), h.Path("got"), "0")
	out, code := progtest.Serve(t, Run, h.Dir, now, pkg("\rhi\r\n", "s@t", u), "TCPREMOTEIP=1.2.3.4", "TCPREMOTEINFO=joe")
	if !regexp.MustCompile("^[0-9]+:Kok 1795201436 qp [0-9]+,$").MatchString(out) || code != netstring.ExitEnd {
		t.Errorf("answer %q, exit %d", out, code)
	}
	for name, want := range map[string]string{
		"got/0": strings.Replace(received, "(unknown)", "(joe@1.2.3.4)", 1) + "hi\n", "got/1": "Fs@t\x00Tu@ok.example\x00\x00",
	} {
		if got, _ := h.Read(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"databytes", "rcpthosts"} {
		h := testkit.NewHome(t)
		testkit.Looping(t, h.Path("control/"+name))
		if out, code := progtest.Serve(t, Run, h.Dir, now, ""); out != "" || code != netstring.ExitTrouble {
			t.Errorf("%s unreadable: %q, exit %d", name, out, code)
		}
	}
	h.Dir += "/missing"
	if out, code := progtest.Serve(t, Run, h.Dir, now, ""); out != "" || code != netstring.ExitTrouble {
		t.Errorf("no home: %q, exit %d", out, code)
	}
}

func TestLifetime(t *testing.T) { progtest.ExitsExpired(t, usualHome(t).Dir) }

// FuzzSession: a message is queued if and only if a recipient is told so.
func FuzzSession(f *testing.F) {
	for _, tt := range table {
		f.Add(tt.in)
	}
	h := usualHome(f)
	f.Fuzz(func(t *testing.T, in string) {
		q := &queuetest.Queue{}
		out, _ := talk(t, h, nil, strings.NewReader(in), q)
		if (q.Queued() != "") != strings.Contains(out, ok) {
			t.Fatalf("%q: %q, queued %q", in, out, q.Queued())
		}
	})
}
