package progtest

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// serverPath is PATH of a server that is tested.
const serverPath = "PATH=/bin:/usr/bin"

// Serve runs a server on what a client says, with PATH and env as environment, and
// returns what it answers and its exit code.
func Serve(t testing.TB, run func(*prog.Process) int, home string, now int64, in string, env ...string) (out string, code int) {
	t.Helper()
	r := Run(t, run, Call{Home: home, Args: []string{""}, Env: append(env, serverPath), Stdin: in, Now: now})
	return r.Out, r.Code
}

// ExitsExpired runs the fake program expired, which Expire has made, in home:
// its exit code has to be 111.
func ExitsExpired(t testing.TB, home string) {
	t.Helper()
	c := exec.Command(testkit.Fake(t, home+"/bin/expired", "expired"))
	c.Env = []string{"HOME=" + home, serverPath}
	if err := c.Run(); fmt.Sprint(err) != "exit status 111" {
		t.Errorf("after its lifetime: %v", err)
	}
}

// Expire makes a fake program (testkit.Fakes) of a server that is given its
// lifetime: the lifetime is over at once, and the client says nothing. $HOME is
// the suite's home.
func Expire(run func(p *prog.Process, lifetime time.Duration) int) func() int {
	return func() int {
		r, w, err := sys.Pipe()
		if err != nil {
			return 1
		}
		defer func() { _ = w.Close() }() // nothing was written
		p := &prog.Process{Args: []string{""}, Home: os.Getenv("HOME"), Now: sys.Now, FDs: map[int]sys.FD{0: r, 1: w}}
		return run(p, time.Millisecond)
	}
}
