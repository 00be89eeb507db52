package setuidgid

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.Fakes{"setuidgid": func() int { return Run(prog.Self()) }}.Play()
	if err := testkit.Enter(); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// What fails before any right is given up. Texts recorded from setuidgid of
// Debian's daemontools 0.76-8.1.
func TestRefusals(t *testing.T) {
	tests := []struct {
		args []string
		code int
		err  string
	}{
		{nil, 100, "setuidgid: usage: setuidgid account child\n"},
		{[]string{"root"}, 100, "setuidgid: usage: setuidgid account child\n"},
		{[]string{"no such", "id"}, 111, "setuidgid: fatal: unknown account no such\n"},
		{[]string{"", "id"}, 111, "setuidgid: fatal: unknown account \n"},
	}
	for _, tt := range tests {
		f, err := os.Create(filepath.Join(t.TempDir(), "2"))
		if err != nil {
			t.Fatal(err)
		}
		code := Run(&prog.Process{Args: append([]string{"setuidgid"}, tt.args...), FDs: map[int]sys.FD{2: sys.FD(f.Fd())}})
		said, err := os.ReadFile(f.Name())
		_ = f.Close()
		if code != tt.code || err != nil || string(said) != tt.err {
			t.Errorf("setuidgid %q = %d, %q, %v, want %d, %q", tt.args, code, said, err, tt.code, tt.err)
		}
	}
}

// An ordinary user cannot become anybody.
func TestNotRoot(t *testing.T) {
	if os.Geteuid() == 0 {
		return // TestAsRoot runs it as another user as well
	}
	out, code := run(t, testkit.Fake(t, filepath.Join(t.TempDir(), "setuidgid"), "setuidgid"), "root", "id")
	if want := "setuidgid: fatal: unable to setgid: permission denied\n"; out != want || code != 111 {
		t.Errorf("setuidgid root id = %q, exit %d, want %q, 111", out, code, want)
	}
}

// run runs a command and returns what it said and its exit code.
func run(t *testing.T, command ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestAsRoot(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		if err := os.Mkdir("/tmp/locked", 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", "/tmp/locked:/bin:/usr/bin")
		self := testkit.Fake(t, "/tmp/setuidgid", "setuidgid")
		const who = `grep -E '^(Uid|Gid|Groups):' /proc/self/status; echo $#; exit 7`
		out, code := run(t, self, "qmaill", "sh", "-c", who, "x", "a b")
		want := "Uid:\t7792\t7792\t7792\t7792\nGid:\t2108\t2108\t2108\t2108\nGroups:\t2108 \n1\n"
		if out != want || code != 7 {
			t.Errorf("as qmaill: %q, exit %d, want %q, 7", out, code, want)
		}
		fails := [][]string{
			{"qmaill", "absent", "access denied"}, // one directory of PATH cannot be searched
			{"root", "absent", "file does not exist"},
			{"qmaill", "/tmp/locked/x", "access denied"},
			{"qmaill", "/tmp", "access denied"},
		}
		for _, f := range fails {
			out, code := run(t, self, f[0], f[1])
			if want := "setuidgid: fatal: unable to run " + f[1] + ": " + f[2] + "\n"; out != want || code != 111 {
				t.Errorf("setuidgid %s %s = %q, exit %d, want %q, 111", f[0], f[1], out, code, want)
			}
		}
		out, code = run(t, self, "qmaill", self, "root", "id")
		if code != 111 || !strings.HasPrefix(out, "setuidgid: fatal: unable to setgid: permission denied") {
			t.Errorf("back to root: %q, exit %d", out, code)
		}
	})
}
