package rspawn

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/spawn"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/testkit"
)

// A bed is a spawner with a queue and a directory of fake programs in PATH.
type bed struct {
	t    *testing.T
	home *testkit.Home
	env  prog.Env
	mess string
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, home: testkit.NewHome(t)}
	b.mess = strings.TrimPrefix(testkit.SplitPath("mess", b.home.AddMessage("message\n")), "mess/")
	t.Chdir(b.home.Path("queue/mess"))
	b.env = prog.NewEnv([]string{"PATH=" + b.home.Path("bin") + ":/bin:/usr/bin", "KEEP=me"})
	return b
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) remote(body string) { testkit.Script(b.t, b.home.Path("bin/qmail-remote"), body) }

// deliver has one delivery done and returns its report.
func (b *bed) deliver(sender, rcpt string) string {
	b.t.Helper()
	dir, err := sys.OpenDir(".")
	b.must(err)
	defer func() { _ = dir.Close() }()
	commands, in, err := sys.Pipe()
	b.must(err)
	out, reports, err := sys.Pipe()
	b.must(err)
	_, err = in.Write(pipe.DeliveryCommand{Delnum: 7, Mess: b.mess, Sender: sender, Recipient: rcpt}.Append(nil))
	b.must(errors.Join(err, in.Close()))
	s := newSpawner(b.env)
	e := &spawn.Engine{Mess: dir, Owner: uint32(os.Geteuid()), Slots: 10, Deliver: s.deliver, Bug: crashed}
	go e.Serve(commands, reports)
	all, err := out.ReadAll(1 << 20)
	b.must(err)
	_, _ = commands.Close(), out.Close()
	text, ok := strings.CutPrefix(strings.TrimSuffix(string(all), "\x00"), "\x0a\x07")
	if !ok {
		b.t.Fatalf("output %q is not a grant and a report", all)
	}
	return text
}

func TestArguments(t *testing.T) {
	b := newBed(t)
	const show = `printf r; printf '[%s]' "$@"; pwd; cat; ls /proc/self/fd | tr '\n' ' '; env | sort | tr '\n' ' '; echo err >&2; printf '\000K\000'`
	b.remote(show)
	cwd := b.home.Path("queue/mess")
	path, _ := b.env.Get("PATH")
	want := func(extra string) string {
		return "K[C.test][s@x][a@b@C.test]" + cwd + "\nmessage\n0 1 2 3 " + extra + "GOTRACEBACK=crash KEEP=me PATH=" + path + " PWD=" + cwd + " "
	}
	if got, want := b.deliver("s@x", "a@b@C.test"), want("GOMAXPROCS=1 ")+"err\n"; got != want {
		t.Errorf("report\n%q, want\n%q", got, want)
	}
	b.must(os.Rename(b.home.Path("bin/qmail-remote"), b.home.Path("bin/mine")))
	for _, name := range []string{"mine", b.home.Path("bin/mine")} {
		b.env.Set("QMAILREMOTE", name)
		want := want("") + "QMAILREMOTE=" + name + " err\n"
		if got := b.deliver("s@x", "a@b@C.test"); got != want {
			t.Errorf("QMAILREMOTE=%s: report\n%q, want\n%q", name, got, want)
		}
	}
	b.env.Set("QMAILREMOTE", "")
	b.remote(`printf 'r\000K%s\000' "$1|$2"`)
	if got := b.deliver("", "@"); got != "K|" {
		t.Errorf("empty QMAILREMOTE, empty arguments: %q", got)
	}
}

// TestQueueMoved: a queue that is not where it was when the spawner started is no
// reason to bounce.
func TestQueueMoved(t *testing.T) {
	b := newBed(t)
	b.remote(`printf 'r\000K\000'`)
	b.must(os.Rename(b.home.Path("queue"), b.home.Path("moved")))
	if got := b.deliver("s@x", "a@b"); got != "K" {
		t.Errorf("report %q, want K", got)
	}
}

func TestReports(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"accepted", `printf 'r\000Kok\n\000'`, "Kok\n"},
		{"refused", `printf 'hno\n\000DGiving up\n\000'`, "Dno\nGiving up\n"},
		{"no output", `exit 0`, "Zqmail-remote produced no output.\n"},
		{"no NUL", `printf 'Kno nul at the end'`, "Dno nul at the end"},
		{"only r", `printf 'r\000'`, "D"},
		{"killed", `printf 'r\000K\000'; kill -9 $$`, "Zqmail-remote crashed.\n"},
		{"Go run-time", `echo goroutine 1 >&2; exit 2`, "Zqmail-remote crashed.\n"},
		{"111", `printf 'r\000K'; exit 111`, "ZUnable to run qmail-remote.\n"},
		{"3", `printf 'r\000Kx\000'; exit 3`, "DUnable to run qmail-remote.\n"},
	}
	b := newBed(t)
	for _, tt := range tests {
		b.remote(tt.script)
		if got := b.deliver("s", "a@b"); got != tt.want {
			t.Errorf("%s: report %q, want %q", tt.name, got, tt.want)
		}
	}
	b.remote(`printf h; head -c 3000000 /dev/zero | tr '\0' x; printf '\000Dy\000'`)
	if got, want := b.deliver("s", "a@b"), "D"+strings.Repeat("x", pipe.ReportMax)+"y"; got != want {
		t.Errorf("endless report: %d bytes, want %d", len(got), len(want))
	}
}

func TestCannotStart(t *testing.T) {
	b := newBed(t)
	const bounce = "DUnable to run qmail-remote.\n"
	if got := b.deliver("s", "a@b"); got != bounce {
		t.Errorf("no qmail-remote: %q", got)
	}
	b.remote("exit 0")
	b.must(os.Chmod(b.home.Path("bin/qmail-remote"), 0o644))
	if got := b.deliver("s", "a@b"); got != bounce {
		t.Errorf("qmail-remote not executable: %q", got)
	}
	b.must(os.Remove(b.home.Path("bin/qmail-remote")))
	b.home.Write("bin/qmail-remote", "printf 'r\\000K%s\\000' \"$1\"\n")
	b.must(os.Chmod(b.home.Path("bin/qmail-remote"), 0o755))
	if got := b.deliver("s", "a@b"); got != "Kb" {
		t.Errorf("a script without #!: %q, want Kb, as execvp does it", got)
	}
	writing, err := os.OpenFile(b.home.Path("bin/qmail-remote"), os.O_WRONLY, 0)
	b.must(err)
	if got := b.deliver("s", "a@b"); got != "ZUnable to run qmail-remote.\n" {
		t.Errorf("qmail-remote being written: %q", got)
	}
	b.must(writing.Close())
	b.env.Unset("PATH")
	b.env.Set("QMAILREMOTE", "true")
	if got := b.deliver("s", "a@b"); got != "Zqmail-remote produced no output.\n" {
		t.Errorf("without PATH: %q, want the default one", got)
	}
}

func TestStatus(t *testing.T) {
	out := &pipe.RemoteOutput{}
	_, _ = out.Write([]byte("r\x00K\x00"))
	for st, want := range map[child.Status]spawn.Verdict{
		0: {Letter: 'K'}, 9: crashed, 2 << 8: crashed, 111 << 8: unable, 100 << 8: unusable, 1 << 8: unusable,
	} {
		if got := report(st, out); got != want {
			t.Errorf("report(%#x) = %q, want %q", int(st), got, want)
		}
	}
}

func TestRunFailures(t *testing.T) {
	t.Chdir(t.TempDir()) // Run changes the directory of the whole process
	for _, home := range []string{"/nonexistent", t.TempDir()} {
		if got := Run(&prog.Process{Args: []string{"qmail-rspawn"}, Home: home}); got != 111 {
			t.Errorf("Run in %s = %d, want 111", home, got)
		}
	}
}

func TestNoAccounts(t *testing.T) {
	testkit.InWorld(t, testkit.World{Bare: true}, func(t *testing.T) {
		home := testkit.NewHome(t)
		r, w, err := sys.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		code := Run(&prog.Process{Args: []string{"qmail-rspawn"}, Home: home.Dir, FDs: map[int]sys.FD{2: w}})
		_ = w.Close()
		if text, err := r.ReadAll(1000); code != 111 || string(text) != "fatal: unable to find user qmailq\n" || err != nil {
			t.Errorf("Run without accounts = %d, %q, %v", code, text, err)
		}
	})
}

// TestWhole runs the program as qmailr and looks what it does at its start.
func TestWhole(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		if err := os.Chmod(filepath.Dir(t.TempDir()), 0o755); err != nil {
			t.Fatal(err)
		}
		home := testkit.NewHome(t)
		mess := testkit.SplitPath("mess", home.AddMessage("message\n"))
		if err := os.Chown(home.Path("queue/"+mess), testkit.UIDQueue, testkit.GIDQmail); err != nil {
			t.Fatal(err)
		}
		testkit.Script(t, home.Path("bin/qmail-remote"), `printf 'r%s\000K\000' "$(id -u) $(pwd)"`)
		if err := os.WriteFile(home.Path("queue/lock/tcpto"), []byte(strings.Repeat("x", 1500)), 0o644); err != nil {
			t.Fatal(err)
		}
		become := func(call func() error) {
			t.Helper()
			if err := call(); err != nil {
				t.Fatal(err)
			}
		}
		become(func() error { return syscall.Setgroups([]int{testkit.GIDQmail}) })
		become(func() error { return syscall.Setresuid(testkit.UIDRemote, testkit.UIDRemote, 0) })
		commands, in, err := sys.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		out, reports, err := sys.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_, err = in.Write(pipe.DeliveryCommand{Delnum: 119, Mess: strings.TrimPrefix(mess, "mess/"), Recipient: "a@h"}.Append(nil))
		if err := errors.Join(err, in.Close()); err != nil {
			t.Fatal(err)
		}
		code := Run(&prog.Process{
			Args: []string{"qmail-rspawn"}, Home: home.Dir, Env: prog.NewEnv([]string{"PATH=" + home.Path("bin") + ":/bin:/usr/bin"}),
			FDs: map[int]sys.FD{0: commands, 1: reports},
		})
		got, err := out.ReadAll(10000)
		want := "x\x77K7795 " + home.Path("queue/mess") + "\x00"
		become(func() error { return syscall.Setresuid(0, 0, 0) })
		if code != 0 || string(got) != want || err != nil {
			t.Errorf("Run = %d, reports %q, %v; want 0, %q", code, got, err, want)
		}
		if text, _ := home.Read("queue/lock/tcpto"); text != strings.Repeat("\x00", 1024)+strings.Repeat("x", 476) {
			t.Errorf("lock/tcpto = %q, want its first 1024 bytes cleared", text)
		}
	})
}
