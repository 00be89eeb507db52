package qmqpd

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"goqmail/internal/commands"
	"goqmail/internal/header"
	"goqmail/internal/netstring"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
	"goqmail/internal/testkit/queuetest"
)

// talk runs a session to its end.
func talk(in io.Reader, q *queuetest.Queue) (out string, code int) {
	var b bytes.Buffer
	s := &session{
		conn: commands.NewConn(in, &b), from: header.NewReceived("QMQP", prog.NewEnv(nil).Get),
		now: func() int64 { return now }, queue: q.Open,
	}
	code = netstring.ExitCode(s.serve())
	return b.String(), code
}

// ns is a netstring of several parts.
func ns(parts ...string) string { return string(netstring.Append(nil, strings.Join(parts, ""))) }

const received = "Received: from unknown (unknown)\n  by unknown with QMQP; 20 Nov 2026 19:03:56 -0000\n"

var table = []struct {
	name, in, out string
	code          int
	queued        string
}{
	{"message", ns(ns("hi\n"), ns("s@t"), ns("u@x"), ns("v")), ns("Kok 1795201436 qp 4711"), 0, "Fs@t\x00Tu@x\x00Tv\x00"},
	{"no recipients", ns(ns("hi\n"), ns("s@t")), ns("Kok 1795201436 qp 4711"), 0, "Fs@t\x00"},
	{"empty message", ns(ns(""), ns(""), ns("u")), ns("Kok 1795201436 qp 4711"), 0, "F\x00Tu\x00"},
	{"999 bytes", ns(ns(""), ns(""), ns(strings.Repeat("a", 999))), ns("Kok 1795201436 qp 4711"), 0, "F\x00T" + strings.Repeat("a", 999) + "\x00"},
	{"1000 bytes", ns(ns(""), ns(""), ns(strings.Repeat("a", 1000)), ns("u")), ns(netstring.AnswerBadAddress), 0, ""},
	{"sender of 1000 bytes", ns(ns(""), ns(strings.Repeat("a", 1000)), ns("u")), ns(netstring.AnswerBadAddress), 0, ""},
	{"NUL in sender", ns(ns(""), ns("a\x00b"), ns("u")), ns(netstring.AnswerBadAddress), 0, ""},
	{"NUL in recipient", ns(ns(""), ns("s"), ns("u"), ns("\x00")), ns(netstring.AnswerBadAddress), 0, ""},
	{"nothing", "", "", 0, ""},
	{"end inside", "18:3:h", "", 0, ""},
	{"end before the comma", "18:3:hi\n,3:s@t,3:u@x,", "", 0, ""},
	{"wrong comma", "18:3:hi\n,3:s@t,3:u@x,;", "", netstring.ExitSyntax, ""},
	{"no sender", "3:0:,,", "", netstring.ExitSyntax, ""},
	{"not a digit", "5x:", "", netstring.ExitSyntax, ""},
	{"does not fit", "9:3:hi\n,9:", "", 0, ""},
	{"does not fit, all there", "9:3:hi\n,9:,", "", netstring.ExitSyntax, ""},
	{"prefix of 100", strings.Repeat("0", 97) + "10:0:,0:,1:u,,", ns("Kok 1795201436 qp 4711"), 0, "F\x00Tu\x00"},
	{"prefix of 101", strings.Repeat("0", 98) + "10:0:,0:,1:u,,", "", netstring.ExitSyntax, ""},
	{"too large", "2000000010:x", "", netstring.ExitTrouble, ""},
	{"too large inside", "12:2000000010:x,", "", netstring.ExitTrouble, ""},
}

func TestMessages(t *testing.T) {
	for _, tt := range table {
		for _, in := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
			q := &queuetest.Queue{}
			out, code := talk(in, q)
			if out != tt.out || code != tt.code || q.Queued() != tt.queued {
				t.Errorf("%s: %q, exit %d, queued %q, want %q, %d, %q", tt.name, out, code, q.Queued(), tt.out, tt.code, tt.queued)
			}
		}
	}
}

func TestResults(t *testing.T) {
	in := ns(ns("hi\n"), ns("s"), ns("u"))
	q := &queuetest.Queue{Result: "Zqq temporary problem (#4.3.0)"}
	if out, code := talk(strings.NewReader(in), q); out != ns(q.Result) || code != netstring.ExitEnd {
		t.Errorf("refused: %q, exit %d", out, code)
	}
	if out, code := talk(strings.NewReader(in), &queuetest.Queue{Refuse: sys.ErrTimeout}); out != "" || code != netstring.ExitTrouble {
		t.Errorf("no queue program: %q, exit %d", out, code)
	}
	if _, code := talk(iotest.ErrReader(sys.ErrTimeout), &queuetest.Queue{}); code != netstring.ExitEnd {
		t.Errorf("connection lost: exit %d", code)
	}
	s := &session{conn: commands.NewConn(strings.NewReader(in), testkit.BrokenPipe(t)), now: func() int64 { return now }, queue: (&queuetest.Queue{}).Open}
	if code := netstring.ExitCode(s.serve()); code != netstring.ExitEnd {
		t.Errorf("answer not taken: exit %d", code)
	}
}

// The whole program; RELAYCLIENT and DATABYTES mean nothing to it.
func TestRun(t *testing.T) {
	h := testkit.NewHome(t)
	h.Control("rcpthosts", "ok.example\n")
	testkit.Recorder(t, h.Path("bin/qmail-queue"), h.Path("got"), "0")
	out, code := progtest.Serve(t, Run, h.Dir, now, ns(ns("hi\n"), ns("s@t"), ns("u@x")), "RELAYCLIENT=@y", "DATABYTES=1")
	if !regexp.MustCompile("^[0-9]+:Kok 1795201436 qp [0-9]+,$").MatchString(out) || code != netstring.ExitEnd {
		t.Errorf("answer %q, exit %d", out, code)
	}
	for name, want := range map[string]string{"got/0": received + "hi\n", "got/1": "Fs@t\x00Tu@x\x00\x00"} {
		if got, _ := h.Read(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	h.Dir += "/missing"
	if out, code := progtest.Serve(t, Run, h.Dir, now, ns(ns("hi\n"), ns("s@t"))); out != "" || code != netstring.ExitTrouble {
		t.Errorf("no home: %q, exit %d", out, code)
	}
}

func TestLifetime(t *testing.T) { progtest.ExitsExpired(t, testkit.NewHome(t).Dir) }

// FuzzSession: a message is queued if and only if it is accepted.
func FuzzSession(f *testing.F) {
	for _, tt := range table {
		f.Add(tt.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		q := &queuetest.Queue{}
		out, _ := talk(strings.NewReader(in), q)
		if (q.Queued() != "") != strings.HasPrefix(out, "22:Kok ") {
			t.Fatalf("%q: %q, queued %q", in, out, q.Queued())
		}
	})
}
