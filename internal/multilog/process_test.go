package multilog

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"goqmail/internal/prog"
	"goqmail/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.Fakes{"multilog": func() int { return Run(prog.Self()) }}.Play()
	os.Exit(m.Run())
}

// A real process with real signals. Each step is seen on descriptor 2 before
// the next is taken.
func TestProcess(t *testing.T) {
	t.Chdir(t.TempDir())
	cmd := exec.Command(testkit.Fake(t, filepath.Join(t.TempDir(), "multilog"), "multilog"), "e", "!cat; echo rotated >&2", "./log")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(stderr)
	expect := func(want string) {
		t.Helper()
		if got, err := said.ReadString('\n'); err != nil || got != want {
			t.Fatalf("descriptor 2: %q, %v, want %q", got, err, want)
		}
	}
	send := func(sig syscall.Signal) {
		t.Helper()
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.Write([]byte("a\n")); err != nil {
		t.Fatal(err)
	}
	expect("a\n")
	send(syscall.SIGALRM)
	expect("rotated\n")
	if _, err := in.Write([]byte("b\n")); err != nil {
		t.Fatal(err)
	}
	expect("b\n")
	send(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("after TERM: %v", err)
	}
	same(t, "log", "log", "@.s 744 a\n", "current 744 b\n", "state 644 ")
}

// What Run says when it cannot begin.
func TestProcessFatal(t *testing.T) {
	t.Chdir(t.TempDir())
	out, err := exec.Command(testkit.Fake(t, filepath.Join(t.TempDir(), "multilog"), "multilog"), "./a/b").CombinedOutput()
	if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != 111 ||
		string(out) != "multilog: fatal: unable to open directory ./a/b: file does not exist\n" {
		t.Errorf("multilog ./a/b: %q, %v", out, err)
	}
}
