package local

import (
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// A bed is a qmail home, a user's home directory and descriptors for one run.
type bed struct {
	t     *testing.T
	qmail *testkit.Home
	home  string
	msg   sys.FD // descriptor 0; -1: a file with message in it
}

const message = "Received: x\nSubject: s\n\nFrom body\n"

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, qmail: testkit.NewHome(t), home: t.TempDir(), msg: -1}
	b.must(os.Chmod(b.home, 0o755))
	testkit.Recorder(t, b.qmail.Path("bin/qmail-queue"), b.qmail.Path("rec"), "0")
	return b
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// write makes a file in the user's home.
func (b *bed) write(name, text string, mode os.FileMode) {
	b.t.Helper()
	path := filepath.Join(b.home, name)
	b.must(os.MkdirAll(filepath.Dir(path), 0o755))
	b.must(os.WriteFile(path, []byte(text), 0o644))
	b.must(os.Chmod(path, mode))
}

// run runs qmail-local with the arguments after its name.
func (b *bed) run(args ...string) (code int, out, err string) {
	b.t.Helper()
	dir := b.t.TempDir()
	msg := b.msg
	if msg < 0 {
		b.must(os.WriteFile(dir+"/0", []byte(message), 0o600))
		var e error
		msg, e = sys.Cwd().Open(dir+"/0", sys.ReadOnly, 0)
		b.must(e)
		defer func() { _ = msg.Close() }()
	}
	fds := map[int]sys.FD{0: msg}
	for i, name := range map[int]string{1: "/1", 2: "/2"} {
		fd, e := sys.Cwd().Open(dir+name, sys.WriteOnly|sys.Create|sys.Append, 0o600)
		b.must(e)
		defer func() { _ = fd.Close() }()
		fds[i] = fd
	}
	old := sys.Umask(0o022)
	code = Run(&prog.Process{
		Args: append([]string{"qmail-local"}, args...), Home: b.qmail.Dir, FDs: fds,
		Env: prog.NewEnv([]string{"PATH=/bin:/usr/bin", "GOMAXPROCS=1", "GOTRACEBACK=crash", "KEEP=me"}),
		Now: func() time.Time { return time.Unix(1795201397, 0) },
	})
	sys.Umask(old)
	o, e := os.ReadFile(dir + "/1")
	b.must(e)
	x, e := os.ReadFile(dir + "/2")
	b.must(e)
	return code, string(o), string(x)
}

// deliver runs qmail-local for LOCAL joe, or joe-EXT.
func (b *bed) deliver(ext string, options ...string) (code int, out, err string) {
	b.t.Helper()
	local, dash := "joe", ""
	if ext != "" {
		local, dash = "joe-"+ext, "-"
	}
	return b.run(append(options, "joe", b.home, local, dash, ext, "mx.example.test", "s@x.test", "./Mailbox")...)
}

func TestArguments(t *testing.T) {
	const use = "qmail-local: usage: qmail-local [ -nN ] user homedir local dash ext domain sender aliasempty\n"
	tests := []struct {
		args []string
		want string
	}{
		{nil, use},
		{[]string{"joe", "/", "joe", "", "", "h", "s"}, use},
		{[]string{"joe", "/", "joe", "", "", "h", "s", "d", "x"}, use},
		{[]string{"joe", "home", "joe", "", "", "h", "s", "d"}, use},
		{[]string{"joe", "", "joe", "", "", "h", "s", "d"}, use},
		{[]string{"-z"}, "qmail-local: illegal option -- z\n" + use},
	}
	b := newBed(t)
	for _, tt := range tests {
		if code, _, err := b.run(tt.args...); code != 100 || err != tt.want {
			t.Errorf("qmail-local %q = %d, %q; want 100, %q", tt.args, code, err, tt.want)
		}
	}
}

func TestPrint(t *testing.T) {
	b := newBed(t)
	b.write(".qmail", "./a\n/b/\n|c d\n# no\n&e@f\ng\n", 0o644)
	want := "mbox ./a\nmaildir /b/\nprogram c d\nforward e@f\nforward g\ndid 2+2+1\n"
	if code, out, err := b.deliver("", "-Nn", "--"); code != 0 || out != want || err != "" {
		t.Errorf("-n: %d, %q, %q; want %q", code, out, err, want)
	}
	b.must(os.Chmod(b.home, 0o755|os.ModeSticky))
	if code, out, err := b.deliver("", "-n"); code != 0 || out != want || err != "Warning: home directory is sticky.\n" {
		t.Errorf("-n in a sticky home: %d, %q, %q", code, out, err)
	}
	if names, _ := sys.Cwd().Names(b.home); len(names) != 1 {
		t.Errorf("-n made files: %q", names)
	}
}

func TestDeliver(t *testing.T) {
	const (
		head = "Return-Path: <s@x.test>\nDelivered-To: joe@mx.example.test\n"
		mb   = "From s@x.test Fri Nov 20 19:03:17 2026\n" + head + "Received: x\nSubject: s\n\n>From body\n\n"
	)
	tests := []struct {
		name, qmail string
		mode        os.FileMode
		ext         string
		code        int
		out, err    string
		left        map[string]string // in the home directory; "" absent
	}{
		{name: "default", code: 0, out: "did 1+0+0\n", left: map[string]string{"Mailbox": mb}},
		{name: "empty file, x bit", qmail: "-", mode: 0o700, out: "did 1+0+0\n", left: map[string]string{"Mailbox": mb}},
		{name: "mbox and Maildir", qmail: "./M/\n./m\n./M/\n", out: "did 3+0+0\n", left: map[string]string{
			"m": mb, "M/new/TIME.PID.HOST": head + message, "M/new/TIME.PID_1.HOST": head + message,
		}},
		{name: "comments", qmail: "#\n", out: "did 0+0+0\n", left: map[string]string{"Mailbox": ""}},
		{name: "blank first", qmail: " \n./m\n", code: 111, err: "Uh-oh: first line of .qmail file is blank. (#4.2.1)\n"},
		{name: "file, x bit", qmail: "#\n./m\n", mode: 0o744, code: 111, err: "Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)\n", left: map[string]string{"m": ""}},
		{name: "program after +list", qmail: "./m\n+list\n|touch x\n", code: 111, err: "Uh-oh: .qmail has prog delivery but has x bit set. (#4.7.0)\n", left: map[string]string{"m": mb, "x": ""}},
		{name: "writable", qmail: "./m\n", mode: 0o646, code: 111, err: "Uh-oh: .qmail file is writable. (#4.7.0)\n"},
		{name: "group-writable", qmail: "./m\n", mode: 0o664, out: "did 1+0+0\n"},
		{name: "program", qmail: "|cat >in; pwd >pwd; umask >um; echo $0\n", out: "/bin/sh\ndid 0+0+1\n", left: map[string]string{"in": message, "pwd": "HOME\n", "um": "0077\n"}},
		{name: "two programs read the same", qmail: "|cat >a\n|cat >b\n", out: "did 0+0+2\n", left: map[string]string{"a": message, "b": message}},
		{name: "99", qmail: "|exit 99\n./m\n", out: "did 0+0+1\n", left: map[string]string{"m": ""}},
		{name: "100", qmail: "|echo no >&2; exit 100\n./m\n", code: 100, err: "no\n", left: map[string]string{"m": ""}},
		{name: "64", qmail: "|exit 64\n", code: 100},
		{name: "112", qmail: "|exit 112\n", code: 100},
		{name: "1", qmail: "|exit 1\n", code: 111},
		{name: "2", qmail: "|exit 2\n", code: 111},
		{name: "killed", qmail: "|kill -9 $$\n", code: 111, err: "Aack, child crashed. (#4.3.0)\n"},
		{name: "SIGPIPE has its default action", qmail: "|yes | head -1; kill -PIPE $$\n", code: 111, out: "y\n", err: "Aack, child crashed. (#4.3.0)\n"},
		{name: "shell cannot start", qmail: "|" + strings.Repeat("x", 200000) + "\n", code: 111, err: "Unable to run /bin/sh: argument list too long. (#4.3.0)\n"},
		{name: "no Maildir", qmail: "./N/\n", code: 111, err: "Unable to chdir to maildir. (#4.2.1)\n"},
		{name: "broken Maildir", qmail: "./B/\n", code: 111, err: "Temporary error on maildir delivery. (#4.3.0)\n"},
		{name: "no mbox", qmail: "./no/m\n", code: 111, err: "Unable to open ./no/m: file does not exist. (#4.2.1)\n"},
		{name: "full disk", qmail: "/dev/full\n", code: 111, err: "Unable to write /dev/full: out of disk space. (#4.3.0)\n"},
		{name: "extension without file", ext: "x", code: 100, err: "Sorry, no mailbox here by that name. (#5.1.1)\n"},
		{name: "a looping .qmail is none", qmail: "loop", out: "did 1+0+0\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			for _, d := range []string{"M/tmp", "M/new", "M/cur", "B"} {
				b.must(os.MkdirAll(filepath.Join(b.home, d), 0o755))
			}
			if tt.mode == 0 {
				tt.mode = 0o644
			}
			switch tt.qmail {
			case "":
			case "loop":
				testkit.Looping(t, b.home+"/.qmail")
			default:
				b.write(".qmail", strings.TrimPrefix(tt.qmail, "-"), tt.mode)
			}
			code, out, err := b.deliver(tt.ext)
			if code != tt.code || out != tt.out || err != tt.err {
				t.Errorf("exit %d, out %q, err %q; want %d, %q, %q", code, out, err, tt.code, tt.out, tt.err)
			}
			files := b.files()
			for name, want := range tt.left {
				if got := files[name]; got != strings.ReplaceAll(want, "HOME", b.home) {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
		})
	}
}

var uniq = regexp.MustCompile(`1795201397\.[0-9]+(_[0-9]+)?\.[^/]*$`)

// files is the content of all files in the home directory.
func (b *bed) files() map[string]string {
	b.t.Helper()
	out := map[string]string{}
	b.must(filepath.WalkDir(b.home, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, _ := filepath.Rel(b.home, path)
		text, err := os.ReadFile(path)
		out[uniq.ReplaceAllString(rel, "TIME.PID$1.HOST")] = string(text)
		return err
	}))
	return out
}

func TestHome(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(b *bed)
		want  string
	}{
		{"absent", func(b *bed) { b.home += "/x" }, "Unable to switch to HOME: file does not exist. (#4.3.0)\n"},
		{"a file", func(b *bed) { testkit.NotDir(t, b.home+"/x"); b.home += "/x" }, "Unable to switch to HOME: not a directory. (#4.3.0)\n"},
		{"writable", func(b *bed) { b.must(os.Chmod(b.home, 0o757)) }, "Uh-oh: home directory is writable. (#4.7.0)\n"},
		{"sticky", func(b *bed) { b.must(os.Chmod(b.home, 0o755|os.ModeSticky)) }, "Home directory is sticky: user is editing his .qmail file. (#4.2.1)\n"},
		{"not seekable", func(b *bed) {
			r, w, err := sys.Pipe()
			b.must(err)
			t.Cleanup(func() { _, _ = r.Close(), w.Close() })
			b.msg = r
		}, "Unable to rewind message. (#4.3.0)\n"},
		{"no message", func(b *bed) {
			null, err := sys.Cwd().Open("/dev/null", sys.ReadWrite, 0) // as the run-time does for a closed descriptor
			b.must(err)
			t.Cleanup(func() { _ = null.Close() })
			b.msg = null
		}, "Unable to rewind message. (#4.3.0)\n"},
		{"message unreadable", func(b *bed) {
			d, err := sys.OpenDir(b.home)
			b.must(err)
			t.Cleanup(func() { _ = d.Close() })
			b.msg = d.FD()
		}, "Unable to read message: is a directory. (#4.3.0)\n"},
	}
	for _, tt := range tests {
		b := newBed(t)
		tt.spoil(b)
		code, out, err := b.deliver("")
		if want := strings.ReplaceAll(tt.want, "HOME", b.home); code != 111 || out != "" || err != want {
			t.Errorf("%s: %d, %q, %q; want 111, %q", tt.name, code, out, err, want)
		}
	}
}

// TestSearchOnly: the right to search a home is enough, as for chdir.
func TestSearchOnly(t *testing.T) {
	b := newBed(t)
	b.write(".qmail", "|echo ok\n", 0o644)
	b.must(os.Chmod(b.home, 0o311))
	code, out, err := b.deliver("")
	b.must(os.Chmod(b.home, 0o755))
	if code != 0 || out != "ok\ndid 0+0+1\n" || err != "" {
		t.Errorf("home of mode 0311: %d, %q, %q", code, out, err)
	}
}

func TestLoop(t *testing.T) {
	own := "Delivered-To: joe@mx.example.test\n"
	long := "X: " + strings.Repeat("y", 1<<16) + "\n"
	tests := []struct {
		name, msg string
		code      int
	}{
		{"own line", "Received: x\n" + own + "\n", 100},
		{"after a long line", long + own, 100},
		{"end of a long line", strings.TrimSuffix(long, "\n") + own + "\n", 0},
		{"in the body", "Subject: x\n\n" + own, 0},
		{"other case", "delivered-to: joe@mx.example.test\n", 0},
		{"no LF", strings.TrimSuffix(own, "\n"), 0},
		{"empty", "", 0},
		{"empty line after a long one", long + "\n" + own, 0},
	}
	for _, tt := range tests {
		b := newBed(t)
		b.write("msg", tt.msg, 0o644)
		fd, err := sys.Cwd().Open(b.home+"/msg", sys.ReadOnly, 0)
		b.must(err)
		b.msg = fd
		code, _, text := b.deliver("")
		if code != tt.code || code != 0 && text != "This message is looping: it already has my Delivered-To line. (#5.4.6)\n" {
			t.Errorf("%s: %d, %q; want %d", tt.name, code, text, tt.code)
		}
		_ = fd.Close()
	}
}

func TestForward(t *testing.T) {
	b := newBed(t)
	b.write(".qmail-l", "&a@b\nc\n|exit 99\n&d@e\n", 0o644)
	tests := []struct{ owner, sender, want string }{
		{"", "s@x.test", "s@x.test"},
		{".qmail-l-owner", "s@x.test", "joe-l-owner@h"},
		{".qmail-l-owner", "", ""},
		{".qmail-l-owner", "#@[]", "#@[]"},
		{".qmail-l-owner-default", "s@x.test", "joe-l-owner-@h-@[]"},
	}
	for _, tt := range tests {
		if tt.owner != "" {
			b.write(tt.owner, "#\n", 0o644)
		}
		code, out, err := b.run("joe", b.home, "joe-l", "-", "l", "h", tt.sender, "./Mailbox")
		if code != 0 || !regexp.MustCompile(`^did 0\+2\+1\nqp [1-9][0-9]*\n$`).MatchString(out) || err != "" {
			t.Errorf("forward: %d, %q, %q", code, out, err)
		}
		msg, _ := b.qmail.Read("rec/0")
		if want := "Delivered-To: joe-l@h\n" + message; msg != want {
			t.Errorf("forwarded message = %q, want %q", msg, want)
		}
		env, _ := b.qmail.Read("rec/1")
		if want := "F" + tt.want + "\x00Ta@b\x00Tc\x00\x00"; env != want {
			t.Errorf("owner file %q, sender %q: envelope %q, want %q", tt.owner, tt.sender, env, want)
		}
	}
}

func TestForwardFailures(t *testing.T) {
	tests := []struct {
		script string
		code   int
		want   string
	}{
		{"exit 31", 100, "Unable to forward message: mail server permanently rejected message (#5.3.0).\n"},
		{"cat >/dev/null; exit 53", 111, "Unable to forward message: qq write error or disk full (#4.3.0).\n"},
		{"kill -9 $$", 111, "Unable to forward message: qq crashed (#4.3.0).\n"},
		{"cat >/dev/null; printf Dnever >&6; exit 82", 100, "Unable to forward message: never.\n"},
		{"", 111, "Unable to forward message: unable to exec qq (#4.3.0).\n"},
	}
	for _, tt := range tests {
		b := newBed(t)
		b.write(".qmail", "a@b\n", 0o644)
		b.must(os.Remove(b.qmail.Path("bin/qmail-queue")))
		if tt.script != "" {
			testkit.Script(t, b.qmail.Path("bin/qmail-queue"), tt.script)
		}
		if code, out, err := b.deliver(""); code != tt.code || out != "" || err != tt.want {
			t.Errorf("queue program %q: %d, %q, %q; want %d, %q", tt.script, code, out, err, tt.code, tt.want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	b := newBed(t)
	b.write(".qmail-a-default", "|env >env; ls -l /proc/self/fd | wc -l >fds\n", 0o644)
	extra, err := os.Open("/dev/null") // an open descriptor that programs must not get
	b.must(err)
	defer func() { _ = extra.Close() }()
	if code, _, err := b.deliver("A-b.c-D"); code != 0 {
		t.Fatalf("exit %d, %q", code, err)
	}
	env := strings.Split(b.files()["env"], "\n")
	sort.Strings(env)
	got := strings.Join(env, "\n")
	for _, want := range []string{
		"\nHOST2=mx.example\nHOST3=mx\nHOST4=mx\nHOST=mx.example.test\n", "\nUSER=joe", "\nHOME=" + b.home, "\nLOCAL=joe-A-b.c-D\n",
		"\nRECIPIENT=joe-A-b.c-D@mx.example.test\n", "\nSENDER=s@x.test\n", "\nNEWSENDER=s@x.test\n",
		"\nDTLINE=Delivered-To: joe-A-b.c-D@mx.example.test\n", "\nRPLINE=Return-Path: <s@x.test>\n", "\nUFLINE=From s@x.test Fri Nov 20 19:03:17 2026\n",
		"\nEXT2=b.c-D\nEXT3=D\nEXT4=\nEXT=A-b.c-D\n", "\nDEFAULT=b.c-D\n", "\nKEEP=me\n", "\nPATH=/bin:/usr/bin\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("environment lacks %q:\n%s", want, got)
		}
	}
	for _, name := range []string{"GOMAXPROCS", "GOTRACEBACK"} {
		if strings.Contains(got, name) {
			t.Errorf("environment has %s", name)
		}
	}
	if n := strings.TrimSpace(b.files()["fds"]); n != "5" { // "total", 0 to 2, and the listing's own
		t.Errorf("program has %s lines of descriptors, want 5", n)
	}
}

// TestCandidateErrors: what may be there but cannot be opened defers; a name
// that cannot exist is passed over.
func TestCandidateErrors(t *testing.T) {
	b := newBed(t)
	b.write(".qmail-default", "|echo $DEFAULT\n", 0o644)
	if code, out, err := b.deliver(strings.Repeat("x", 300)); code != 0 || err != "" || !strings.HasPrefix(out, "xxx") {
		t.Errorf("long extension: %d, %.20q, %q", code, out, err)
	}
	b.must(os.Mkdir(b.home+"/.qmail-dir", 0o755))
	if code, out, err := b.deliver("dir"); code != 0 || out != "dir\ndid 0+0+1\n" || err != "" {
		t.Errorf("a directory: %d, %q, %q", code, out, err)
	}
	if os.Geteuid() != 0 { // no mode stops root
		b.write(".qmail-no", "./m\n", 0)
		want := "Unable to open .qmail-no: access denied. (#4.3.0)\n"
		if code, _, err := b.deliver("no"); code != 111 || err != want {
			t.Errorf("an unreadable file: %d, %q; want 111, %q", code, err, want)
		}
	}
}
