package qmqpd

import (
	"os"
	"testing"

	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

// The time of all tests: 20 Nov 2026 19:03:56.
const now = 1795201436

func TestMain(m *testing.M) {
	testkit.Fakes{"expired": progtest.Expire(run)}.Play()
	os.Exit(m.Run())
}

// runOn runs the whole program.
func runOn(t *testing.T, h *testkit.Home, in string, env ...string) (out string, code int) {
	t.Helper()
	r := progtest.Run(t, Run, progtest.Call{Home: h.Dir, Args: []string{""}, Env: append(env, "PATH=/bin:/usr/bin"), Stdin: in, Now: now})
	return r.Out, r.Code
}
