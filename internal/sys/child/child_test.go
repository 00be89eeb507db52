package child

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

// output runs a shell script and returns what it wrote on descriptors 1 and 2.
func output(t *testing.T, c *Cmd) (string, Status) {
	t.Helper()
	r, w, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	c.Files = append([]sys.FD{-1, w, w}, c.Files...)
	p, err := Start(c)
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.ReadAll(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	st, err := p.Wait()
	if err != nil {
		t.Fatal(err)
	}
	return string(b), st
}

func TestStart(t *testing.T) {
	dir := t.TempDir()
	out, st := output(t, &Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", "pwd; echo $A; exit 7"}, Env: []string{"A=b"}, Dir: dir})
	if out != dir+"\nb\n" || st.Crashed() || st.Code() != 7 || st.Raw() != 7<<8 {
		t.Errorf("output %q, status %d", out, st)
	}
	_, st = output(t, &Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", "kill -15 $$"}})
	if !st.Crashed() || st.Signal() != 15 {
		t.Errorf("status of a killed child = %d", st)
	}
	if _, err := Start(&Cmd{Path: "/nonexistent", Args: []string{"x"}}); !sys.IsNotExist(err) {
		t.Errorf("missing program: %v", err)
	}
}

func TestDescriptorsDoNotLeak(t *testing.T) {
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	leak, err := sys.FD(f.Fd()).Dup(50)
	if err != nil {
		t.Fatal(err)
	}
	if err := leak.CloseOnExec(false); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = leak.Close() }()
	out, _ := output(t, &Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", "for f in /proc/$$/fd/*; do echo ${f##*/}; done"}, Env: []string{"PATH=/bin"}})
	// The shell itself opens the directory that it lists, as the lowest number.
	if got := strings.Join(strings.Fields(out), " "); got != "0 1 2" {
		t.Errorf("descriptors of the child: %v", got)
	}
}

// TestFewDescriptors: however few are left, what is missing is descriptors, which
// callers take for temporary, and nothing else.
func TestFewDescriptors(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	low1, low2, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	// Free numbers below those of the child: there is room for Start's own pipe
	// then, but the child cannot move it out of the way.
	_, _ = low1.Close(), low2.Close()
	failures := 0
	for n := uint64(r) + 1; ; n++ {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: old.Max}); err != nil {
			t.Fatal(err)
		}
		p, err := Start(&Cmd{Path: "/bin/true", Args: []string{"true"}, Files: []sys.FD{r, w, w}})
		if rerr := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); rerr != nil {
			t.Fatal(rerr)
		}
		if err == nil {
			if _, err := p.Wait(); err != nil {
				t.Fatal(err)
			}
			break
		}
		if failures++; !errors.Is(err, unix.EMFILE) {
			t.Errorf("limit %d: %v, want EMFILE", n, err)
		}
	}
	if failures == 0 {
		t.Error("no limit made a start fail")
	}
}

func TestRuntimeVariables(t *testing.T) {
	c := &Cmd{Path: "/usr/bin/env", Args: []string{"env"}, Env: []string{"A=1", "GOMAXPROCS=9"}, Leaf: true, Crash: true}
	if out, _ := output(t, c); out != "A=1\nGOMAXPROCS=1\nGOTRACEBACK=crash\n" {
		t.Errorf("environment = %q", out)
	}
	if got := WithoutRuntime([]string{"GOTRACEBACK=crash", "A=1", "GOMAXPROCS=1"}); len(got) != 1 || got[0] != "A=1" {
		t.Errorf("WithoutRuntime = %q", got)
	}
}

func TestLookPath(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for path, mode := range map[string]os.FileMode{a + "/denied": 0o644, b + "/denied": 0o644, b + "/prog": 0o755, a + "/dir": 0o755} {
		if strings.HasSuffix(path, "/dir") {
			if err := os.Mkdir(path, mode); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	path := a + ":" + b
	if got, err := LookPath("prog", path); got != filepath.Join(b, "prog") || err != nil {
		t.Errorf("prog: %q, %v", got, err)
	}
	if _, err := LookPath("denied", path); !sys.IsAccess(err) {
		t.Errorf("denied: %v", err)
	}
	if _, err := LookPath("dir", path); !sys.IsAccess(err) {
		t.Errorf("dir: %v", err)
	}
	if _, err := LookPath("none", path); !sys.IsNotExist(err) {
		t.Errorf("none: %v", err)
	}
	if got, err := LookPath("./x", path); got != "./x" || err != nil {
		t.Errorf("./x: %q, %v", got, err)
	}
}
