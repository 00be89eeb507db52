package mailtools

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/maildir"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

// A result is a progtest.Result that can be written without the names of fields.
type result struct {
	Code     int
	Out, Err string
}

// call runs a program in the test process.
func call(t *testing.T, run func(*prog.Process) int, home, in string, env []string, argv ...string) result {
	t.Helper()
	return result(progtest.Run(t, run, progtest.Call{Home: home, Args: argv, Env: env, Stdin: in}))
}

func TestSendmail(t *testing.T) {
	smtpd := []string{"DATABYTES=0", "PROTO=TCP", "RELAYCLIENT=", "TCPLOCALHOST=localhost", "TCPLOCALIP=127.0.0.1",
		"TCPREMOTEHOST=localhost", "TCPREMOTEINFO=sendmail-bs", "TCPREMOTEIP=127.0.0.1"}
	const usage = sendmailUsage + "\n"
	tests := []struct {
		argv string // words
		env  []string
		want string   // the command it becomes
		env2 []string // its environment, sorted; nil: as env
		code int      // when it becomes none
		err  string
	}{
		{argv: "sendmail", want: "bin/qmail-inject -a --"},
		{argv: "sendmail a b", want: "bin/qmail-inject -a -- a b"},
		{argv: "sendmail -t a", want: "bin/qmail-inject -H -- a"},
		{argv: "sendmail -it -oi -o x -em -e m -B8BITMIME -px -v -m -x -Ewhatever -Jq -bm -- -t",
			want: "bin/qmail-inject -H -- -t"},
		{argv: "sendmail -fa@b@c d", env: []string{"MAILHOST=1", "MAILNAME=2", "NAME=3", "QMAILHOST=4", "QMAILNAME=5", "USER=u"},
			want: "bin/qmail-inject -a -f a@b@c -- d", env2: []string{"QMAILHOST=c", "QMAILUSER=a@b", "USER=u"}},
		{argv: "sendmail -FJoe -f a", env: []string{"QMAILHOST=h"}, want: "bin/qmail-inject -a -f a --", env2: []string{"QMAILUSER=a"}},
		{argv: "sendmail -FJoe", want: "bin/qmail-inject -a --", env2: []string{"MAILNAME=Joe"}},
		{argv: "sendmail -bs", want: "bin/qmail-smtpd", env2: smtpd},
		{argv: "sendmail -bs -z", env: []string{"PROTO=TCP", "X=y"}, want: "bin/qmail-smtpd"},
		{argv: "sendmail -bp", want: "bin/qmail-qread"},
		{argv: "/usr/bin/mailq -t x", want: "bin/qmail-qread"},
		{argv: "mailq -z", code: 100, err: "sendmail: illegal option -- z\n" + usage},
		{argv: "/x/newaliases", code: 100, err: "sendmail: fatal: please use fastforward/newaliases instead\n"},
		{argv: "sendmail -bd", code: 100, err: usage},
		{argv: "sendmail -b", code: 100, err: "sendmail: option requires an argument -- b\n" + usage},
		{argv: "sendmail -q", code: 100, err: "sendmail: illegal option -- q\n" + usage},
	}
	for _, tt := range tests {
		argv := strings.Fields(tt.argv)
		var got string
		var env []string
		r := call(t, func(p *prog.Process) int {
			return sendmail{Process: p,
				chdir: func(dir string) error {
					if dir != "/home/of/qmail" {
						t.Errorf("%s: chdir(%q)", tt.argv, dir)
					}
					return nil
				},
				exec: func(path string, argv, list []string) error {
					if path != argv[0] {
						t.Errorf("%s: exec of %s as %s", tt.argv, path, argv[0])
					}
					got, env = strings.Join(argv, " "), list
					return nil
				}}.run()
		}, "/home/of/qmail", "", tt.env, argv...)
		if got != tt.want {
			t.Errorf("%s: becomes %q, want %q", tt.argv, got, tt.want)
		}
		if tt.want == "" {
			if r.Code != tt.code || r.Err != tt.err {
				t.Errorf("%s: exit %d, %q, want %d, %q", tt.argv, r.Code, r.Err, tt.code, tt.err)
			}
			continue
		}
		want := tt.env2
		if want == nil {
			want = tt.env
		}
		if !sameStrings(env, want) {
			t.Errorf("%s: environment %q, want %q", tt.argv, env, want)
		}
	}
}

// sameStrings tells whether a and b hold the same strings in any order.
func sameStrings(a, b []string) bool {
	count := map[string]int{}
	for _, s := range a {
		count[s]++
	}
	for _, s := range b {
		count[s]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestSendmailFailures(t *testing.T) {
	no := func(string) error { return syscall.ENOENT }
	yes := func(string) error { return nil }
	tests := []struct {
		argv  string
		chdir func(string) error
		want  result
	}{
		{"sendmail", no, result{111, "", "sendmail: fatal: unable to switch to qmail home directory\n"}},
		{"sendmail", yes, result{111, "", "sendmail: fatal: unable to run qmail-inject\n"}},
		{"sendmail -bs", yes, result{111, "", "sendmail: fatal: unable to run qmail-smtpd\n"}},
		{"mailq", yes, result{111, "", "sendmail: fatal: unable to run qmail-qread\n"}},
	}
	for _, tt := range tests {
		got := call(t, func(p *prog.Process) int {
			return sendmail{p, tt.chdir, func(string, []string, []string) error { return syscall.ENOENT }}.run()
		}, "", "", nil, strings.Fields(tt.argv)...)
		if got != tt.want {
			t.Errorf("%s = %+v, want %+v", tt.argv, got, tt.want)
		}
	}
	if got := call(t, Sendmail, t.TempDir()+"/absent", "", nil, "sendmail"); got != tests[0].want {
		t.Errorf("sendmail without a home = %+v", got)
	}
}

func TestForward(t *testing.T) {
	const dtline = "DTLINE=Delivered-To: me@h\n"
	tests := []struct {
		name     string
		status   string
		env      []string
		args     []string
		want     result
		envelope string
	}{
		{"two", "0", []string{"NEWSENDER=a b", dtline}, []string{"x", "y@z"}, result{}, "Fa b\x00Tx\x00Ty@z\x00\x00"},
		{"none", "0", []string{"NEWSENDER=", dtline}, nil, result{}, "F\x00\x00"},
		{"no sender", "0", []string{dtline}, []string{"x"}, result{100, "", "forward: fatal: NEWSENDER not set\n"}, ""},
		{"no dtline", "0", []string{"NEWSENDER="}, []string{"x"}, result{100, "", "forward: fatal: DTLINE not set\n"}, ""},
		{"permanent", "11", []string{"NEWSENDER=", dtline}, []string{"x"},
			result{100, "", "forward: fatal: envelope address too long for qq (#5.1.3)\n"}, "F\x00Tx\x00\x00"},
		{"temporary", "71", []string{"NEWSENDER=", dtline}, []string{"x"},
			result{111, "", "forward: fatal: mail server temporarily rejected message (#4.3.0)\n"}, "F\x00Tx\x00\x00"},
	}
	for _, tt := range tests {
		h := testkit.NewHome(t)
		testkit.Recorder(t, h.Path("bin/qmail-queue"), h.Path("got"), tt.status)
		got := call(t, Forward, h.Dir, "A: b\n\nc", append(tt.env, "PATH=/bin:/usr/bin"), append([]string{"forward"}, tt.args...)...)
		if tt.want == (result{}) {
			if got.Code != 0 || !strings.HasPrefix(got.Err, "forward: qp ") {
				t.Errorf("%s: %+v, want exit 0 and the number of a process", tt.name, got)
			}
		} else if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
		if env, _ := h.Read("got/1"); env != tt.envelope {
			t.Errorf("%s: envelope %q, want %q", tt.name, env, tt.envelope)
		}
		if msg, ok := h.Read("got/0"); ok && msg != "Delivered-To: me@h\nA: b\n\nc" {
			t.Errorf("%s: message %q", tt.name, msg)
		}
	}
}

// ofDirectory is run with a directory as descriptor 0, which cannot be read.
func ofDirectory(t *testing.T, run func(*prog.Process) int) func(*prog.Process) int {
	t.Helper()
	dir, err := os.Open(t.TempDir())
	testkit.Must(t, err)
	t.Cleanup(func() { _ = dir.Close() })
	return func(p *prog.Process) int {
		p.FDs[0] = sys.FD(dir.Fd())
		return run(p)
	}
}

// A message that cannot be read is not forwarded.
func TestForwardUnreadable(t *testing.T) {
	h := testkit.NewHome(t)
	testkit.Recorder(t, h.Path("bin/qmail-queue"), h.Path("got"), "0")
	got := call(t, ofDirectory(t, Forward), h.Dir, "", []string{"NEWSENDER=", "DTLINE=x", "PATH=/bin:/usr/bin"}, "forward", "a")
	if want := (result{111, "", "forward: fatal: unable to read message: is a directory\n"}); got != want {
		t.Errorf("forward of a directory = %+v, want %+v", got, want)
	}
	if env, _ := h.Read("got/1"); env != "" {
		t.Errorf("envelope %q, want an unfinished one", env)
	}
}

func TestPreline(t *testing.T) {
	env := []string{"UFLINE=U\n", "RPLINE=R\n", "DTLINE=D\n", "PATH=/bin:/usr/bin"}
	long := strings.Repeat("x", 300000)
	dir := t.TempDir()
	for name, body := range map[string]string{"bare": "cat; exit 4", "plain": "no program"} {
		mode := os.FileMode(0o755)
		if name == "plain" {
			mode = 0o644
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), mode); err != nil {
			t.Fatal(err)
		}
	}
	const usage = "preline: usage: preline cmd [ arg ... ]\n"
	tests := []struct {
		args []string
		in   string
		want result
	}{
		{[]string{"cat"}, "m", result{0, "U\nR\nD\nm", ""}},
		{[]string{"-f", "-rd", "cat", "-"}, "m", result{0, "m", ""}},
		{[]string{"-fdF", "cat"}, "m", result{0, "U\nR\nm", ""}},
		{[]string{"-frd", "-R", "--", "cat"}, long, result{0, "R\n" + long, ""}},
		{[]string{"sh", "-c", "echo e >&2; exit 99"}, "m", result{99, "", "e\n"}},
		{[]string{dir + "/bare"}, "m", result{4, "U\nR\nD\nm", ""}},
		{[]string{"sh", "-c", "kill -9 $$"}, "m", result{111, "", "preline: fatal: child crashed\n"}},
		{[]string{"true"}, strings.Repeat("y", 10000), result{0, "", ""}},
		{[]string{"true"}, long, result{111, "", "preline: fatal: unable to copy input: broken pipe\n"}},
		{[]string{"/absent/x"}, long, result{100, "", "preline: fatal: unable to run /absent/x: file does not exist\n"}},
		{[]string{dir + "/plain"}, "m", result{100, "", "preline: fatal: unable to run " + dir + "/plain: access denied\n"}},
		{[]string{"-z", "cat"}, "m", result{100, "", "preline: illegal option -- z\n" + usage}},
		{nil, "m", result{100, "", usage}},
	}
	for _, tt := range tests {
		got := call(t, Preline, "", tt.in, env, append([]string{"preline"}, tt.args...)...)
		if got != tt.want {
			t.Errorf("preline %q = %d, %d bytes, %q, want %d, %d bytes, %q", tt.args,
				got.Code, len(got.Out), got.Err, tt.want.Code, len(tt.want.Out), tt.want.Err)
		}
	}
	for i := range 3 { // each variable must be there
		part := append(append([]string(nil), env[:i]...), env[i+1:]...)
		if got := call(t, Preline, "", "m", part, "preline", "-frd", "cat"); got != (result{100, "", usage}) {
			t.Errorf("preline without %q = %+v", env[i], got)
		}
	}
}

func TestPrelineUnreadable(t *testing.T) {
	got := call(t, ofDirectory(t, Preline), "", "", []string{"UFLINE=", "RPLINE=", "DTLINE=", "PATH=/bin"}, "preline", "cat")
	if want := (result{111, "", "preline: fatal: unable to copy input: is a directory\n"}); got != want {
		t.Errorf("preline of a directory = %+v, want %+v", got, want)
	}
}

func TestMaildirmake(t *testing.T) {
	dir := t.TempDir()
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	testkit.Occupied(t, filepath.Join(dir, "there"))
	if got := call(t, Maildirmake, "", "", nil, "maildirmake", dir+"/m", "ignored"); got != (result{}) {
		t.Fatalf("maildirmake = %+v", got)
	}
	var names []string
	for _, name := range []string{"", "tmp", "new", "cur"} {
		fi, err := os.Stat(filepath.Join(dir, "m", name))
		if err != nil || fi.Mode() != os.ModeDir|0o700 {
			t.Errorf("m/%s: %v, %v, want a directory of mode 0700", name, fi, err)
		}
	}
	list, err := os.ReadDir(filepath.Join(dir, "m"))
	for _, e := range list {
		names = append(names, e.Name())
	}
	if want := []string{"cur", "new", "tmp"}; err != nil || !reflect.DeepEqual(names, want) {
		t.Errorf("in the Maildir: %q, %v, want %q", names, err, want)
	}
	tests := []struct {
		argv []string
		want result
	}{
		{[]string{"maildirmake"}, result{100, "", "maildirmake: usage: maildirmake name\n"}},
		{[]string{"maildirmake", dir + "/m"}, result{111, "", "maildirmake: fatal: unable to mkdir " + dir + "/m: file already exists\n"}},
		{[]string{"maildirmake", dir + "/there"}, result{111, "", "maildirmake: fatal: unable to mkdir " + dir + "/there: file already exists\n"}},
		{[]string{"maildirmake", ""}, result{111, "", "maildirmake: fatal: unable to mkdir : file does not exist\n"}},
	}
	for _, tt := range tests {
		if got := call(t, Maildirmake, "", "", nil, tt.argv...); got != tt.want {
			t.Errorf("%q = %+v, want %+v", tt.argv, got, tt.want)
		}
	}
}

// A Maildir that cannot be finished is not begun.
func TestMaildirmakeUndone(t *testing.T) {
	name := filepath.Join(t.TempDir(), "m")
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	failed, err := maildir.Make(name)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if failed != name || sys.ErrText(err) != "process cannot open more files" {
		t.Errorf("maildir.Make without descriptors = %q, %v", failed, err)
	}
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("%s is left behind: %v", name, err)
	}
}
