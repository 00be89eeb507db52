package progtest

import (
	"os"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

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
