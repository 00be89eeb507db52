package mailtools

import (
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// shell is a command that ends as given and reads nothing.
func shell(script string) []string { return []string{"sh", "-c", script} }

// What a command says, for the three programs that ask one.
func TestFilters(t *testing.T) {
	dir := t.TempDir()
	plain, busy := filepath.Join(dir, "plain"), filepath.Join(dir, "busy")
	testkit.NotDir(t, plain)
	testkit.Script(t, busy, "exit 0")
	f, err := os.OpenFile(busy, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()

	const temporary, crashed = "NAME: fatal: temporary child error\n", "NAME: fatal: child crashed\n"
	tests := []struct {
		name    string
		command []string
		want    verdict
		text    string
	}{
		{"exit 0", shell("exit 0"), yes, ""},
		{"exit 1", shell("exit 1"), no, ""},
		{"exit 99", shell("exit 99"), no, ""},
		{"exit 100", shell("exit 100"), no, ""},
		{"exit 111", shell("exit 111"), undecided, temporary},
		{"exit 112", shell("exit 112"), no, ""},
		{"exit 255", shell("exit 255"), no, ""},
		{"killed", shell("kill -15 $$"), undecided, crashed},
		{"found", []string{"grep", "-q", "^Subject: s$"}, yes, ""},
		{"not found", []string{"grep", "-q", "^Subject: t$"}, no, ""},
		{"options are the command's", []string{"expr", "--", "1"}, yes, ""},
		{"absent", []string{dir + "/absent"}, no, ""},
		{"absent in PATH", []string{"no-such-program"}, no, ""},
		{"no name", []string{""}, no, ""},
		{"not executable", []string{plain}, no, ""},
		{"busy", []string{busy}, undecided, temporary},
	}
	programs := []struct {
		name    string
		run     func(*prog.Process) int
		before  []string
		yes     int
		yesText string // in place of the queue program's number: N
	}{
		{"bouncesaying", Bouncesaying, []string{"no, thank you"}, 100, "no, thank you\n"},
		{"condredirect", Condredirect, []string{"new@x"}, 99, "condredirect: qp N\n"},
		{"except", Except, nil, 100, ""},
	}
	h := testkit.NewHome(t)
	for _, pr := range programs {
		for _, tt := range tests {
			record(t, h, "0")
			env := []string{"SENDER=s@x", "DTLINE=D\n", "PATH=/bin:/usr/bin"}
			got := call(t, pr.run, h.Dir, "Subject: s\n\nb", env, append(append([]string{pr.name}, pr.before...), tt.command...)...)
			want := result{Code: 0, Err: strings.ReplaceAll(tt.text, "NAME", pr.name)}
			switch tt.want {
			case yes:
				want = result{Code: pr.yes, Err: pr.yesText}
			case undecided:
				want.Code = 111
			}
			got.Err, got.Out = withoutNumber(got.Err), ""
			if got != want {
				t.Errorf("%s, %s = %+v, want %+v", pr.name, tt.name, got, want)
			}
			_, queued := h.Read("got/0")
			if want := pr.name == "condredirect" && tt.want == yes; queued != want {
				t.Errorf("%s, %s: message queued: %v, want %v", pr.name, tt.name, queued, want)
			}
		}
	}
}

// record makes h's queue program one that stores what it gets, below got, and
// forgets what another got before.
func record(t *testing.T, h *testkit.Home, status string) {
	t.Helper()
	if err := os.RemoveAll(h.Path("got")); err != nil {
		t.Fatal(err)
	}
	testkit.Recorder(t, h.Path("bin/qmail-queue"), h.Path("got"), status)
}

// withoutNumber has N for the number after "qp ".
func withoutNumber(s string) string {
	before, after, ok := strings.Cut(s, ": qp ")
	if !ok || strings.Trim(after, "0123456789") != "\n" || after == "\n" {
		return s
	}
	return before + ": qp N\n"
}

func TestFiltersUsage(t *testing.T) {
	tests := []struct {
		run  func(*prog.Process) int
		argv []string
		want result
	}{
		{Bouncesaying, []string{"bouncesaying"}, result{100, "", "bouncesaying: usage: bouncesaying error [ program [ arg ... ] ]\n"}},
		{Bouncesaying, []string{"bouncesaying", "two\nlines\xff"}, result{100, "", "two\nlines\xff\n"}},
		{Condredirect, []string{"condredirect"}, result{100, "", condredirectUsage + "\n"}},
		{Condredirect, []string{"condredirect", "new@x"}, result{100, "", "condredirect: usage: condredirect newaddress program [ arg ... ]\n"}},
		{Except, []string{"except"}, result{100, "", "except: usage: except program [ arg ... ]\n"}},
	}
	for _, tt := range tests {
		if got := call(t, tt.run, "", "m", nil, tt.argv...); got != tt.want {
			t.Errorf("%q = %+v, want %+v", tt.argv, got, tt.want)
		}
	}
}

// The command has the message and our outputs; without PATH it is looked up in
// the default one.
func TestFilterCommand(t *testing.T) {
	got := call(t, Except, "", "m", []string{"A=b"}, "except", "sh", "-c", `cat; echo "$A $*" >&2; exit 3`, "x", "-y", "z z")
	if want := (result{0, "m", "b -y z z\n"}); got != want {
		t.Errorf("except = %+v, want %+v", got, want)
	}
}

func TestCondredirect(t *testing.T) {
	tests := []struct {
		name     string
		status   string
		env      []string
		want     result
		envelope string
	}{
		{"queued", "0", []string{"SENDER=a b", "NEWSENDER=no", "DTLINE=D\n"}, result{99, "", "condredirect: qp N\n"}, "Fa b\x00Tnew@x\x00\x00"},
		{"empty sender", "0", []string{"SENDER=", "DTLINE=D\n"}, result{99, "", "condredirect: qp N\n"}, "F\x00Tnew@x\x00\x00"},
		{"no sender", "0", []string{"NEWSENDER=n", "DTLINE=D\n"}, result{100, "", "condredirect: fatal: SENDER not set\n"}, ""},
		{"no dtline", "0", []string{"SENDER="}, result{100, "", "condredirect: fatal: DTLINE not set\n"}, ""},
		{"permanent", "31", []string{"SENDER=", "DTLINE=D\n"},
			result{100, "", "condredirect: fatal: mail server permanently rejected message (#5.3.0)\n"}, "F\x00Tnew@x\x00\x00"},
		{"temporary", "53", []string{"SENDER=", "DTLINE=D\n"},
			result{111, "", "condredirect: fatal: qq write error or disk full (#4.3.0)\n"}, "F\x00Tnew@x\x00\x00"},
	}
	h := testkit.NewHome(t)
	for _, tt := range tests {
		record(t, h, tt.status)
		// The command reads all of the message; it is queued from its beginning.
		got := call(t, Condredirect, h.Dir, "A: b\n\nc", append(tt.env, "PATH=/bin:/usr/bin"), "condredirect", "new@x", "sh", "-c", "cat >/dev/null")
		got.Err = withoutNumber(got.Err)
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
		if env, _ := h.Read("got/1"); env != tt.envelope {
			t.Errorf("%s: envelope %q, want %q", tt.name, env, tt.envelope)
		}
		if msg, ok := h.Read("got/0"); ok && msg != "D\nA: b\n\nc" {
			t.Errorf("%s: message %q", tt.name, msg)
		}
	}
}

// A message that cannot be rewound is not queued in part.
func TestCondredirectPipe(t *testing.T) {
	r, w, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	defer func() { _ = r.Close() }()
	got := call(t, func(p *prog.Process) int {
		p.FDs[0] = r
		return Condredirect(p)
	}, "", "", []string{"SENDER=", "DTLINE=D\n"}, "condredirect", "new@x", "true")
	if want := (result{111, "", "condredirect: fatal: unable to rewind: unseekable descriptor\n"}); got != want {
		t.Errorf("condredirect of a pipe = %+v, want %+v", got, want)
	}
}

// While SIGCHLD is ignored a child's exit code cannot be had.
func TestFilterWait(t *testing.T) {
	signal.Ignore(syscall.SIGCHLD)
	defer func() { // Reset would leave it ignored
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGCHLD)
		signal.Stop(c)
	}()
	got := call(t, Except, "", "m", nil, "except", "true")
	if want := (result{111, "", "except: fatal: wait failed\n"}); got != want {
		t.Errorf("except = %+v, want %+v", got, want)
	}
}
