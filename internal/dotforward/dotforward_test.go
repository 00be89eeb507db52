package dotforward

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

// A bed is a user's home directory, which is the current one, and a home of the
// suite whose queue program stores what it gets.
type bed struct {
	*testing.T
	home *testkit.Home
}

// newBed makes joe's home the current directory, and in home, which may have
// been used before, controls and a queue program with that exit code.
func newBed(t *testing.T, home *testkit.Home, code string) bed {
	t.Helper()
	t.Chdir(t.TempDir())
	b := bed{t, home}
	for _, name := range []string{"got", "control"} {
		if err := os.RemoveAll(home.Path(name)); err != nil {
			t.Fatal(err)
		}
	}
	b.home.Write("control/me", "mx.example.test\n")
	b.home.Write("control/defaultdomain", "example.test\n")
	testkit.Recorder(t, b.home.Path("bin/qmail-queue"), b.home.Path("got"), code)
	return b
}

// write makes a file of the user's.
func (b bed) write(name, content string) {
	b.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		b.Fatal(err)
	}
}

// environment is that of a delivery to joe.
var environment = []string{"USER=joe", "HOST=mx.example.test", "LOCAL=joe", "SENDER=s@x.org", "NEWSENDER=ns@x.org",
	"UFLINE=From s@x.org\n", "RPLINE=Return-Path: <s@x.org>\n", "DTLINE=Delivered-To: joe@mx.example.test\n", "PATH=/bin:/usr/bin"}

const (
	message = "Subject: t\n\nbody\n"
	lines   = "From s@x.org\nReturn-Path: <s@x.org>\nDelivered-To: joe@mx.example.test\n"
)

// run runs dot-forward; the queue program's number becomes N.
func (b bed) run(env []string, args ...string) progtest.Result {
	b.Helper()
	r := progtest.Run(b.T, Run, progtest.Call{Home: b.home.Dir, Args: append([]string{"dot-forward"}, args...), Env: env, Stdin: message})
	if before, after, ok := strings.Cut(r.Err, "info: qp "); ok && strings.Trim(after, "0123456789") == "\n" {
		r.Err = before + "info: qp N\n"
	}
	return r
}

// queued is the envelope that the queue program got; "" if it got none.
func (b bed) queued() string {
	b.Helper()
	msg, ok := b.home.Read("got/0")
	if ok && msg != "Delivered-To: joe@mx.example.test\n"+message {
		b.Errorf("queued: %q", msg)
	}
	env, _ := b.home.Read("got/1")
	return env
}

func TestRun(t *testing.T) {
	const qp = "dot-forward: info: qp N\n"
	tests := []struct {
		name, file string
		args       []string // nil: .forward
		queue      string   // exit code, "" for 0
		code       int
		out, err   string
		envelope   string
	}{
		{"forward", "bob, a@b.c\n", nil, "", 99, "", qp, "Fns@x.org\x00Ta@b.c\x00Tbob@mx.example.test\x00\x00"},
		{"forward and keep", `\joe, bob`, nil, "", 0, "", qp, "Fns@x.org\x00Tbob@mx.example.test\x00\x00"},
		{"keep", "joe", nil, "", 0, "", "", ""},
		{"program", `"|cat; echo $SENDER"`, nil, "", 99, lines + message + "s@x.org\n", "", ""},
		{"programs in order", "\"|echo 1\", \"|echo 2\"\n\"|cat >/dev/null; echo 3\"\n\"|tail -1\"\n", nil, "", 99, "2\n1\n3\nbody\n", "", ""},
		{"program and keep", `"|true", joe`, nil, "", 0, "", "", ""},
		{"program and forward", "bob\n\"|cat >/dev/null\"\n", nil, "", 99, "", qp, "Fns@x.org\x00Tbob@mx.example.test\x00\x00"},
		{"program fails", `"|exit 75", bob`, nil, "", 111, "", "", ""},
		{"program refuses", `"|exit 77", bob`, nil, "", 100, "", "", ""},
		{"program stops", `"|exit 99", bob`, nil, "", 111, "", "", ""},
		{"program is killed", `"|kill -9 $$", bob`, nil, "", 111, "", "dot-forward: fatal: child crashed\n", ""},
		{"later program fails", "\"|echo 1\"\n\"|exit 1\"\n", nil, "", 111, "1\n", "", ""},
		{"nothing is done before all is read", "\"|echo 1\"\nbob\n\"x\n", nil, "", 111, "", "dot-forward: fatal: unable to parse this line: \"x\n", ""},
		{"file delivery", "bob, /x\n", nil, "", 111, "", "dot-forward: fatal: file delivery /x not supported\n", ""},
		{"queue refuses", "bob", nil, "31", 100, "", "dot-forward: fatal: unable to forward message: mail server permanently rejected message (#5.3.0)\n",
			"Fns@x.org\x00Tbob@mx.example.test\x00\x00"},
		{"queue fails", "bob", nil, "53", 111, "", "dot-forward: fatal: unable to forward message: qq write error or disk full (#4.3.0)\n",
			"Fns@x.org\x00Tbob@mx.example.test\x00\x00"},
		{"no file", "bob", []string{"absent", "absent2"}, "", 0, "", "", ""},
		{"no argument", "bob", []string{"-N", "--"}, "", 0, "", "", ""},
		{"second file", "bob", []string{"absent", "empty", ".forward"}, "", 99, "", qp, "Fns@x.org\x00Tbob@mx.example.test\x00\x00"},
		{"first file", "bob", []string{"fred", ".forward"}, "", 99, "", qp, "Fns@x.org\x00Tfred@mx.example.test\x00\x00"},
		{"/dev/null", "bob", []string{"/dev/null"}, "", 0, "", "", ""},
		{"show", "joe, bob\n\"|x y\"", []string{"-n", "empty", ".forward"}, "", 0,
			"", "skipping empty file empty\nforward bob@mx.example.test\npipe through x y\ndirect delivery\n", ""},
		{"show a forward", "bob", []string{"-Nn", ".forward"}, "", 99, "", "forward bob@mx.example.test\n", ""},
		{"show nothing", "bob", []string{"-n", "absent"}, "", 0, "", "direct delivery\n", ""},
		{"directory", "bob", []string{"."}, "", 111, "", "dot-forward: fatal: unable to read .: is a directory\n", ""},
		{"below a file", "bob", []string{".forward/x"}, "", 111, "", "dot-forward: fatal: unable to open .forward/x: not a directory\n", ""},
		{"FIFO", "bob", []string{"fifo", ".forward"}, "", 111, "", "dot-forward: fatal: unable to read fifo: it is a FIFO\n", ""},
		{"everybody's", "bob", []string{"open"}, "", 111, "", "dot-forward: fatal: open is writable\n", ""},
		{"too long", "bob", []string{"long"}, "", 111, "", "dot-forward: fatal: unable to read long: file too big\n", ""},
		{"bad option", "bob", []string{"-z", ".forward"}, "", 100, "",
			"dot-forward: illegal option -- z\ndot-forward: usage: dot-forward [ -nN ] file ...\n", ""},
	}
	home := testkit.NewHome(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, home, cmp.Or(tt.queue, "0"))
			b.write(".forward", tt.file)
			b.write("empty", "# nothing\n\n")
			b.write("fred", "fred\n")
			b.write("open", "bob\n")
			b.write("long", "")
			err := os.Chmod("open", 0o666)
			if err == nil {
				err = os.Truncate("long", maxFile+1)
			}
			if err == nil {
				err = syscall.Mkfifo("fifo", 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			args := tt.args
			if args == nil {
				args = []string{".forward"}
			}
			if got, want := b.run(environment, args...), (progtest.Result{Code: tt.code, Out: tt.out, Err: tt.err}); got != want {
				t.Errorf("%q = %+v, want %+v", args, got, want)
			}
			if got := b.queued(); got != tt.envelope {
				t.Errorf("envelope %q, want %q", got, tt.envelope)
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	b := newBed(t, testkit.NewHome(t), "0")
	testkit.Unreadable(t, ".forward", "bob")
	b.write("second", "bob")
	got := b.run(environment, ".forward", "second")
	if got.Code != 111 || !strings.HasPrefix(got.Err, "dot-forward: fatal: unable to open .forward: ") || b.queued() != "" {
		t.Errorf("dot-forward of an unreadable file = %+v", got)
	}
}

func TestControls(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(b bed)
		file  string
		want  progtest.Result
	}{
		{"no directory", func(b bed) { _ = os.RemoveAll(b.home.Path("control")) }, "bob",
			progtest.Result{Code: 111, Err: "dot-forward: fatal: unable to read controls: file does not exist\n"}},
		{"no directory and nothing to read", func(b bed) { _ = os.RemoveAll(b.home.Path("control")) }, "", progtest.Result{Err: "skipping empty file f\ndirect delivery\n"}},
		{"unreadable", func(b bed) { testkit.Occupied(b.T, b.home.Path("control/plusdomain")) }, "bob",
			progtest.Result{Code: 111, Err: "dot-forward: fatal: unable to read controls: is a directory\n"}},
		{"wrong", func(b bed) { b.home.Control("defaulthost", "]\n") }, "bob",
			progtest.Result{Code: 111, Err: "dot-forward: fatal: bad host name in control file: @]\n"}},
		{"empty", func(b bed) { _ = os.Remove(b.home.Path("control/me")) }, "bob", progtest.Result{Code: 99, Err: "forward bob@defaulthost.example.test\n"}},
	}
	home := testkit.NewHome(t)
	for _, tt := range tests {
		b := newBed(t, home, "0")
		b.write("f", tt.file)
		tt.spoil(b)
		if got := b.run(environment, "-n", "f"); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// What is missing is noticed before the first program runs.
func TestEnvironment(t *testing.T) {
	tests := []struct{ unset, err string }{
		{"NEWSENDER", "dot-forward: fatal: NEWSENDER not set\n"},
		{"DTLINE", "dot-forward: fatal: DTLINE not set\n"},
	}
	home := testkit.NewHome(t)
	for _, tt := range tests {
		b := newBed(t, home, "0")
		b.write("f", "\"|echo ran\"\nbob\n")
		var env []string
		for _, e := range environment {
			if !strings.HasPrefix(e, tt.unset+"=") {
				env = append(env, e)
			}
		}
		if got, want := b.run(env, "f"), (progtest.Result{Code: 100, Err: tt.err}); got != want || b.queued() != "" {
			t.Errorf("without %s: %+v, want %+v", tt.unset, got, want)
		}
	}
}

// A message that is not a file, or not there, or cannot be read.
func TestMessage(t *testing.T) {
	r, w, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	closed, err := os.OpenFile("/dev/null", os.O_RDWR, 0) // as the run-time does
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closed.Close() }()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	tests := []struct {
		name string
		fd   sys.FD
		file string
		err  string
	}{
		{"pipe", r, "bob", "unable to rewind input: unseekable descriptor"},
		{"pipe, program", r, `"|echo ran"`, "unable to rewind input: unseekable descriptor"},
		{"closed", sys.FD(closed.Fd()), `"|echo ran"`, "unable to read message: file descriptor not open"},
		{"directory", sys.FD(dir.Fd()), "bob", "unable to read message: is a directory"},
		{"directory, program", sys.FD(dir.Fd()), `"|cat"`, "unable to read message: is a directory"},
	}
	home := testkit.NewHome(t)
	for _, tt := range tests {
		b := newBed(t, home, "0")
		b.write("f", tt.file)
		got := progtest.Run(t, func(p *prog.Process) int {
			p.FDs[0] = tt.fd
			return Run(p)
		}, progtest.Call{Home: b.home.Dir, Args: []string{"dot-forward", "f"}, Env: environment})
		got.Out = strings.TrimPrefix(got.Out, lines) // cat was quick
		if want := (progtest.Result{Code: 111, Err: "dot-forward: fatal: " + tt.err + "\n"}); got != want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, want)
		}
		if env, _ := b.home.Read("got/1"); env != "" {
			t.Errorf("%s: envelope %q", tt.name, env)
		}
	}
}

// Without descriptors nothing is done.
func TestWithoutPipe(t *testing.T) {
	b := newBed(t, testkit.NewHome(t), "0")
	for file, want := range map[string]string{"bob": "unable to run qq", `"|true"`: "unable to create pipe"} {
		b.write("f", file)
		got := progtest.Run(t, func(p *prog.Process) int {
			pl := &plan{steps: []step{{file[0] == '"', "true"}}}
			var old syscall.Rlimit
			if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Max: old.Max}); err != nil {
				t.Fatal(err)
			}
			err := follow(p, pl)
			if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
				t.Fatal(err)
			}
			return p.Die(err.(*fault).code, err.Error())
		}, progtest.Call{Home: b.home.Dir, Args: []string{"dot-forward", "f"}, Env: environment})
		if got != (progtest.Result{Code: 111, Err: want + ": process cannot open more files\n"}) {
			t.Errorf("%s: %+v, want %s", filepath.Base(file), got, want)
		}
	}
}
