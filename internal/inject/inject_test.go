package inject

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// now is the time of every test: Friday, 20 November 2026, 19:03:56 UTC.
const now = 1795201436

// A session is one call of Run in a home of its own.
type session struct {
	home *testkit.Home
	env  []string
	in   string // descriptor 0

	fd0, fd1 *os.File // instead of a file with in, and of one that is read

	code     int
	out, err string
	msg      string // what the queue program got on descriptors 0 and 1
	envelope string
	queued   bool
}

// newSession makes a home whose queue program records what it gets and exits with
// status.
func newSession(t *testing.T, status string) *session {
	t.Helper()
	r := &session{home: testkit.NewHome(t)}
	for name, value := range map[string]string{
		"me": "mx.example.test\n", "defaultdomain": "example.test\n", "plusdomain": "plus.test\n", "idhost": "id.test\n",
	} {
		r.home.Control(name, value)
	}
	testkit.Recorder(t, r.home.Path("bin/qmail-queue"), r.home.Path("got"), status)
	return r
}

// file makes a file with content and opens it.
func file(t *testing.T, content string) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// do calls Run with the arguments.
func (r *session) do(t *testing.T, args ...string) *session {
	t.Helper()
	fds := [3]*os.File{r.fd0, r.fd1, file(t, "")}
	if fds[0] == nil {
		fds[0] = file(t, r.in)
	}
	if fds[1] == nil {
		fds[1] = file(t, "")
	}
	p := &prog.Process{
		Args: append([]string{"qmail-inject"}, args...),
		Env:  prog.NewEnv(append([]string{"PATH=/bin:/usr/bin"}, r.env...)),
		Home: r.home.Dir,
		Now:  func() time.Time { return time.Unix(now, 0) },
		FDs:  map[int]sys.FD{},
	}
	for i, f := range fds {
		p.FDs[i] = sys.FD(f.Fd())
	}
	r.code = Run(p)
	read := func(f *os.File) string {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	r.err = read(fds[2])
	if r.fd1 == nil {
		r.out = read(fds[1])
	}
	r.msg, _ = r.home.Read("got/0")
	r.envelope, r.queued = r.home.Read("got/1")
	return r
}

// tag is what this process puts into names that must be unique.
var tag = strconv.Itoa(os.Getpid())

const added = "Date: 20 Nov 2026 19:03:56 -0000\n"

func id() string { return "Message-ID: <20261120190356." + tag + ".qmail@id.test>\n" }

func TestQueued(t *testing.T) {
	tests := []struct {
		name     string
		args     []string
		env      []string
		in       string
		msg      string
		envelope string
	}{
		{
			"everything added", nil, []string{"USER=joe", "NAME=Joe \"X\""}, "Subject: s\n\nb",
			added + id() + "From: \"Joe \\\"X\\\"\" <joe@mx.example.test>\nCc: recipient list not shown: ;\nSubject: s\n\nb\n",
			"Fjoe@mx.example.test\x00\x00",
		},
		{
			"header only", nil, nil, "To: a b\nBcc: c",
			added + id() + "From: anonymous@mx.example.test\nTo: a@mx.example.test, b@mx.example.test\n",
			"Fanonymous@mx.example.test\x00Tb@mx.example.test\x00Ta@mx.example.test\x00Tc@mx.example.test\x00\x00",
		},
		{
			"nothing", nil, nil, "",
			added + id() + "From: anonymous@mx.example.test\nCc: recipient list not shown: ;\n",
			"Fanonymous@mx.example.test\x00\x00",
		},
		{
			"arguments beat the header", []string{"x y", "p,q@h+"}, nil, "To: a@b.c\nFrom: d@e.f\nDate: D\nMessage-Id: M\n\n\n",
			"To: a@b.c\nFrom: d@e.f\nDate: D\nMessage-Id: M\n\n\n",
			"Fanonymous@mx.example.test\x00Tx y@mx.example.test\x00Tp,q@h.plus.test\x00\x00",
		},
		{
			"arguments and header", []string{"-H", "-f", "", "-N", "--", "-x"}, nil, "To: a@b.c\nFrom: d@e.f\nDate: D\nMessage-Id: M\n\n",
			"To: a@b.c\nFrom: d@e.f\nDate: D\nMessage-Id: M\n\n",
			"F\x00T-x@mx.example.test\x00Ta@b.c\x00\x00",
		},
		{
			"header although there are arguments", []string{"-h", "[x"}, nil, "Cc: a@b.c\nFrom: d@e.f\nDate: D\nMessage-Id: M\n",
			"Cc: a@b.c\nFrom: d@e.f\nDate: D\nMessage-Id: M\n",
			"Fanonymous@mx.example.test\x00Ta@b.c\x00\x00",
		},
		{
			"arguments only", []string{"-a"}, nil, "Cc: a@b.c\nFrom: d@e.f\nDate: D\nMessage-Id: M\n",
			"Cc: a@b.c\nFrom: d@e.f\nDate: D\nMessage-Id: M\n",
			"Fanonymous@mx.example.test\x00\x00",
		},
		{
			"resent", nil, nil, "To: a@b.c\nResent-Bcc: r@s.t\nResent-Cc: u@v.w\n\nb\n",
			"Resent-" + added + "Resent-" + id() + "Resent-From: anonymous@mx.example.test\nTo: a@b.c\nResent-Cc: u@v.w\n\nb\n",
			"Fanonymous@mx.example.test\x00Tr@s.t\x00Tu@v.w\x00\x00",
		},
		{
			"resent by its date alone", nil, nil, "To: a@b.c\nResent-Date: D\nResent-Message-ID: M\nResent-Reply-To: x@y.z\n",
			"Resent-From: anonymous@mx.example.test\nResent-Cc: recipient list not shown: ;\n" +
				"To: a@b.c\nResent-Date: D\nResent-Message-ID: M\nResent-Reply-To: x@y.z\n",
			"Fanonymous@mx.example.test\x00\x00",
		},
		{
			"a long Resent-From is folded where From is", nil, []string{"QMAILHOST=" + strings.Repeat("h", 36) + ".test, b@c.test, d@e.test"},
			"Resent-To: a@b.c\nResent-Date: D\nResent-Message-ID: M\n",
			"Resent-From: anonymous@" + strings.Repeat("h", 36) + ".test, b@c.test, d@e.test\n" +
				"Resent-To: a@b.c\nResent-Date: D\nResent-Message-ID: M\n",
			"Fd@e.test\x00Ta@b.c\x00\x00",
		},
		{
			"fields that go", nil, []string{"QMAILINJECT=fis"},
			"From: a@b.c\nMessage-ID: M\nReturn-Path: r@s.t\nContent-Length: 5\nDate: D\nTo: d@e.f\n\n",
			id() + "From: anonymous@mx.example.test\nDate: D\nTo: d@e.f\n\n",
			"Fanonymous@mx.example.test\x00Td@e.f\x00\x00",
		},
		{
			"name as comment", nil, []string{"QMAILINJECT=c", "MAILNAME=(x)", "QMAILHOST=h.i", "QMAILSHOST=j"}, "To: d@e.f\nDate: D\n\n",
			id() + "From: anonymous@h.i (\\(x\\))\nTo: d@e.f\nDate: D\n\n",
			"Fanonymous@j.example.test\x00Td@e.f\x00\x00",
		},
		{
			"senders per message and recipient", nil, []string{"QMAILINJECT=mr", "QMAILSUSER=v"}, "From: a@b.c\nTo: d@e.f\nDate: D\nMessage-ID: M\n",
			"From: a@b.c\nTo: d@e.f\nDate: D\nMessage-ID: M\n",
			"Fv-1795201436." + tag + "-@mx.example.test-@[]\x00Td@e.f\x00\x00",
		},
		{
			"Return-Path, the first one", nil, []string{"QMAILINJECT=mr"},
			"From: a@b.c\nReturn-Path: x, y@z\nReturn-Path: w\nTo: d@e.f\nDate: D\nMessage-ID: M\n",
			"From: a@b.c\nTo: d@e.f\nDate: D\nMessage-ID: M\n",
			"Fy@z.example.test-@[]\x00Td@e.f\x00\x00",
		},
		{
			"-f beats Return-Path and letters", []string{"-fq@r"}, []string{"QMAILINJECT=mr"}, "From: a@b.c\nReturn-Path: x\nTo: d@e.f\nDate: D\nMessage-ID: M\n",
			"From: a@b.c\nTo: d@e.f\nDate: D\nMessage-ID: M\n",
			"Fq@r.example.test\x00Td@e.f\x00\x00",
		},
		{
			"recipient fields that are no lists", nil, nil, "To: \"x\nCc: Joe: k@l.m\nFrom: a@b.c\nDate: D\nMessage-ID: M\nBcc: (\n",
			"To: \"x\nCc: Joe: k@l.m\nFrom: a@b.c\nDate: D\nMessage-ID: M\n",
			"Fanonymous@mx.example.test\x00Tk@l.m\x00\x00",
		},
		{
			"mbox separator and broken header", nil, nil, "From joe now\nTo: a@b.c\nFrom: a@b.c\nDate: D\nMessage-ID: M\nno field\nTo: x\n",
			"MBOX-Line: From joe now\nTo: a@b.c\nFrom: a@b.c\nDate: D\nMessage-ID: M\n\nno field\nTo: x\n",
			"Fanonymous@mx.example.test\x00Ta@b.c\x00\x00",
		},
		{
			"defaults from the environment", nil, []string{"QMAILDEFAULTHOST=h", "QMAILDEFAULTDOMAIN=d.d", "QMAILPLUSDOMAIN=p.p", "QMAILIDHOST=i i"},
			"To: a, b@c, d@e+\nFrom: x\nDate: D\n",
			"Message-ID: <20261120190356." + tag + ".qmail@i i>\nTo: a@h.d.d, b@c.d.d, d@e.p.p\nFrom: x@h.d.d\nDate: D\n",
			"Fanonymous@h.d.d\x00Td@e.p.p\x00Tb@c.d.d\x00Ta@h.d.d\x00\x00",
		},
	}
	for _, tt := range tests {
		r := newSession(t, "0")
		r.env, r.in = tt.env, tt.in
		r.do(t, tt.args...)
		if r.code != 0 || r.out != "" || r.err != "" {
			t.Errorf("%s: exit %d, out %q, err %q, want 0 and silence", tt.name, r.code, r.out, r.err)
		}
		if r.msg != tt.msg {
			t.Errorf("%s: message %q, want %q", tt.name, r.msg, tt.msg)
		}
		if r.envelope != tt.envelope {
			t.Errorf("%s: envelope %q, want %q", tt.name, r.envelope, tt.envelope)
		}
	}
}

// -n prints the message and queues nothing. A long body passes unchanged.
func TestPrint(t *testing.T) {
	body := strings.Repeat(strings.Repeat("x", 997)+"\r\n.\n", 200)
	r := newSession(t, "0")
	r.in = "To: a@b.c\nFrom: d@e.f\nDate: D\nMessage-ID: M\n\n" + body
	r.do(t, "-n", "-f", "x y@z.z")
	if want := "Return-Path: <\"x y\"@z.z>\n" + r.in; r.code != 0 || r.out != want || r.queued {
		t.Errorf("qmail-inject -n: exit %d, %d bytes, queued %v, want 0, %d bytes, not queued; stderr %q",
			r.code, len(r.out), r.queued, len(want), r.err)
	}
}

func TestFollowup(t *testing.T) {
	const rest = "From: x@y.z\nDate: D\nMessage-ID: M\n"
	tests := []struct{ name, lists, in, want string }{
		{"list in Cc", "#c\n LIST@l.m \nlist@L.m \n", "To: a@b.c, \"d e\"@f.g\nCc: List@L.M\n",
			"Mail-Followup-To: List@L.M,\n  a@b.c,\n  \"d e\"@f.g\n"},
		{"no list", "other@l.m\n", "To: a@b.c\n", ""},
		{"has its own", "a@b.c\n", "To: a@b.c\nMail-Followup-To: q\n", ""},
		{"only Bcc", "a@b.c\n", "Bcc: a@b.c\nTo: x@y.z\n", ""},
		{"resent", "a@b.c\n", "To: a@b.c\nResent-To: x@y.z\nResent-Date: D\nResent-From: x@y.z\nResent-Message-ID: M\n", ""},
	}
	for _, tt := range tests {
		r := newSession(t, "0")
		r.home.Write("lists", tt.lists)
		r.env, r.in = []string{"QMAILMFTFILE=" + r.home.Path("lists")}, tt.in+rest
		r.do(t, "-n")
		want := "Return-Path: <anonymous@mx.example.test>\n" + tt.want + tt.in + rest
		if tt.name == "only Bcc" {
			want = strings.Replace(want, "Bcc: a@b.c\n", "", 1)
		}
		if r.code != 0 || r.out != want {
			t.Errorf("%s: exit %d, %q, want %q; stderr %q", tt.name, r.code, r.out, want, r.err)
		}
	}
}

func TestFailures(t *testing.T) {
	const in = "To: a@b.c\n\nb\n"
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	closed, err := os.OpenFile("/dev/null", os.O_RDWR, 0) // as the run-time does
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closed.Close() }()
	tests := []struct {
		name   string
		status string // of the queue program
		args   []string
		env    []string
		in     string
		before func(r *session)
		code   int
		err    string // after "qmail-inject: "
	}{
		{"bad option", "0", []string{"-z"}, nil, in, nil, 100, "illegal option -- z\n"},
		{"missing value", "0", []string{"-n", "-f"}, nil, in, nil, 100, "option requires an argument -- f\n"},
		{"bad sender", "0", []string{"-f", "a b@["}, nil, in, nil, 100, "fatal: unable to parse this line:\n\"a b\"@["},
		{"bad recipient", "0", []string{"a@(x"}, nil, in, nil, 100, "fatal: unable to parse address: a@(x\n"},
		{"bad From", "0", nil, nil, "From: x>\n y\nTo: a\n\n", nil, 100, "fatal: unable to parse this line:\nFrom: x>\n y\n"},
		{"bad Return-Path, last line", "0", nil, nil, "Return-Path: ]", nil, 100, "fatal: unable to parse this line:\nReturn-Path: ]\n"},
		{"bad QMAILHOST", "0", nil, []string{"QMAILHOST=:"}, in, nil, 100, "fatal: unable to parse this line:\nReturn-Path: anonymous@:\n"},
		{"bad QMAILHOST, own sender", "0", []string{"-fx"}, []string{"QMAILHOST=:"}, in, nil, 100,
			"fatal: unable to parse this line:\nFrom: anonymous@:\n"},
		{"bad QMAILHOST, resent", "0", []string{"-fx"}, []string{"QMAILHOST=:"}, "Resent-To: a@b.c\n", nil, 100,
			"fatal: unable to parse this line:\nFrom: anonymous@:\n"},
		{"bad defaultdomain", "0", nil, nil, in, func(r *session) { r.home.Control("defaultdomain", "(\n") }, 100,
			"fatal: unable to parse this line:\n.("},
		{"bad defaulthost", "0", nil, []string{"QMAILDEFAULTHOST=]"}, in, nil, 100, "fatal: unable to parse this line:\n@]"},
		{"home missing", "0", nil, nil, in, func(r *session) { r.home.Dir += "/absent" }, 111, "fatal: internal bug\n"},
		{"control missing", "0", nil, nil, in, func(r *session) { _ = os.RemoveAll(r.home.Path("control")) }, 111, "fatal: read error\n"},
		{"control unreadable", "0", nil, nil, in, func(r *session) { testkit.Occupied(t, r.home.Path("control/defaulthost")) }, 111,
			"fatal: read error\n"},
		{"control unreadable but overridden", "0", nil, []string{"QMAILIDHOST=x"}, in,
			func(r *session) {
				_ = os.Remove(r.home.Path("control/idhost"))
				testkit.Occupied(t, r.home.Path("control/idhost"))
			}, 111, "fatal: read error\n"},
		{"lists unreadable", "0", nil, []string{"QMAILMFTFILE=/"}, in, nil, 111, "fatal: read error\n"},
		{"input unreadable", "0", nil, nil, in, func(r *session) { r.fd0 = dir }, 111, "fatal: read error\n"},
		{"input closed", "0", nil, nil, in, func(r *session) { r.fd0 = closed }, 111, "fatal: read error\n"},
		{"output full", "0", []string{"-n"}, nil, in, func(r *session) { r.fd1 = full }, 111, "fatal: write error\n"},
		{"output full early", "0", []string{"-n"}, nil, in + strings.Repeat("x", 100000), func(r *session) { r.fd1 = full }, 111,
			"fatal: write error\n"},
		{"queue program missing", "0", nil, nil, in, func(r *session) { _ = os.Remove(r.home.Path("bin/qmail-queue")) }, 111,
			"fatal: unable to exec qq (#4.3.0)\n"},
		{"queue says no", "31", nil, nil, in, nil, 100, "fatal: mail server permanently rejected message (#5.3.0)\n"},
		{"queue says later", "53", nil, nil, in, nil, 111, "fatal: qq write error or disk full (#4.3.0)\n"},
	}
	for _, tt := range tests {
		r := newSession(t, tt.status)
		r.env, r.in = tt.env, tt.in
		if tt.before != nil {
			tt.before(r)
		}
		r.do(t, tt.args...)
		if want := "qmail-inject: " + tt.err; r.code != tt.code || r.err != want {
			t.Errorf("%s: exit %d, %q, want %d, %q", tt.name, r.code, r.err, tt.code, want)
		}
		if tt.status == "0" && r.queued {
			t.Errorf("%s: message queued", tt.name)
		}
	}
}

// A read error in the body, after the queue program has started, leaves the
// envelope unfinished.
func TestBodyUnreadable(t *testing.T) {
	r := newSession(t, "0")
	in := &injector{p: &prog.Process{Home: r.home.Dir, Env: prog.NewEnv([]string{"PATH=/bin:/usr/bin"})}}
	out, err := in.open()
	if err != nil {
		t.Fatal(err)
	}
	broken := bufio.NewReader(io.MultiReader(strings.NewReader("part"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	err = copyBody(out, []byte("first\n"), broken)
	if err != errRead {
		t.Errorf("copyBody of a broken input = %v", err)
	}
	if err := out.giveUp(err); err != errRead {
		t.Errorf("giveUp(errRead) = %v", err)
	}
	if env, ok := r.home.Read("got/1"); !ok || env != "" {
		t.Errorf("envelope after giveUp: %q, %v, want an empty one", env, ok)
	}
}

// TestBodyBreaksOff: a message whose body cannot be read to its end is not queued.
// The socket gives what was written, then the error.
func TestBodyBreaksOff(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	testkit.Must(t, err)
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	defer func() { _ = ours.Close() }()
	_, err = theirs.WriteString("To: a@b.c\n\nthe first half\n")
	testkit.Must(t, err)
	_, err = ours.WriteString("never read") // so that the close is a reset
	testkit.Must(t, err)
	testkit.Must(t, theirs.Close())
	r := newSession(t, "0")
	r.fd0 = ours
	r.do(t)
	if want := "qmail-inject: fatal: read error\n"; r.code != 111 || r.err != want || r.envelope != "" {
		t.Errorf("exit %d, %q, envelope %q, want 111, %q and an unfinished one", r.code, r.err, r.envelope, want)
	}
}

// Without descriptors for pipes the queue program cannot be started.
func TestNoDescriptors(t *testing.T) {
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	none := syscall.Rlimit{Cur: 0, Max: old.Max}
	in := &injector{p: &prog.Process{Home: t.TempDir(), Env: prog.NewEnv(nil)}}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, err := in.open()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err != errStart {
		t.Errorf("open without descriptors = %v, want %v", err, errStart)
	}
}

// Whatever the header is, the body arrives as it is, every address in the
// envelope has a host, and the header that comes out is a header.
func FuzzInject(f *testing.F) {
	f.Add("To: a b <c>, \"d e\"\nFrom: x (y)\nSubject: z\n", "body\n", "joe@host", "mr")
	f.Add("Resent-To: g: a, b;\nReturn-Path: <@a:b@c>\nFrom me\n", ".\n", "", "cfis")
	f.Add("To: x, y, z, aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbb, c\n", "", "x y", "")
	home := testkit.NewHome(f)
	home.Control("me", "mx.example.test\n")
	out := filepath.Join(f.TempDir(), "out")
	f.Fuzz(func(t *testing.T, head, body, rcpt, letters string) {
		if strings.ContainsRune(letters, 0) || !strings.HasSuffix(head, "\n") || strings.Contains("\n"+head, "\n\n") {
			return
		}
		fd0 := file(t, head+"\n"+body)
		fd1, err := os.Create(out)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = fd1.Close() }()
		p := &prog.Process{
			Args: []string{"qmail-inject", "-n", "--", rcpt}, Env: prog.NewEnv([]string{"QMAILINJECT=" + letters}), Home: home.Dir,
			Now: func() time.Time { return time.Unix(now, 0) },
			FDs: map[int]sys.FD{0: sys.FD(fd0.Fd()), 1: sys.FD(fd1.Fd()), 2: sys.FD(fd1.Fd())},
		}
		code := Run(p)
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		got := string(b)
		switch code {
		case exitPermanent:
			if !strings.HasPrefix(got, "qmail-inject: ") {
				t.Fatalf("exit 100 says %q", got)
			}
			return
		case exitOK:
		default:
			t.Fatalf("exit %d, %q", code, got)
		}
		if body != "" && !strings.HasSuffix(body, "\n") {
			body += "\n"
		}
		if !strings.HasSuffix(got, "\n"+body) {
			t.Fatalf("body %q is not at the end of %q", body, got)
		}
	})
}
