// Package progtest runs the Run function of a program inside the test process,
// with files of its own as descriptors 0, 1 and 2. For tests only.
package progtest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// A Call is how a program is called.
type Call struct {
	Home  string      // the suite's home directory
	Args  []string    // argv, the name first
	Env   []string    // NAME=VALUE
	Stdin string      // content of descriptor 0
	Now   int64       // the clock, Unix seconds
	FDs   map[int]int // descriptors instead of those that Run makes
}

// A Result is what a program left behind.
type Result struct {
	Code     int
	Out, Err string // what was written to descriptors 1 and 2, unless replaced
}

// Run calls run and returns what it left behind.
func Run(t testing.TB, run func(*prog.Process) int, c Call) Result {
	t.Helper()
	p := &prog.Process{Args: c.Args, Env: prog.NewEnv(c.Env), Home: c.Home,
		Now: func() time.Time { return time.Unix(c.Now, 0) }, FDs: make(map[int]sys.FD)}
	dir := t.TempDir()
	var files [3]*os.File
	for i := range files {
		path := filepath.Join(dir, string(rune('0'+i)))
		content := ""
		if i == 0 {
			content = c.Stdin
		}
		check(t, os.WriteFile(path, []byte(content), 0o600))
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		check(t, err)
		files[i], p.FDs[i] = f, sys.FD(f.Fd())
	}
	for n, fd := range c.FDs {
		p.FDs[n] = sys.FD(fd)
	}
	r := Result{Code: run(p)}
	for i, to := range []*string{1: &r.Out, 2: &r.Err} {
		check(t, files[i].Close())
		if to == nil {
			continue
		}
		b, err := os.ReadFile(files[i].Name())
		check(t, err)
		*to = string(b)
	}
	return r
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
