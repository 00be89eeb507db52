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
