package testkit

import (
	"fmt"
	"os"
	"testing"
)

// leftOut begins the line that NeedRoot prints for a test it skips. The
// Makefile counts these lines.
const leftOut = "left-out: "

// NeedRoot says that the calling test can only run as root. For any other user
// it prints "left-out: NAME" on a line of its own, so that the number of tests
// left out can be shown, and skips the test. For root it does nothing: the
// test must then run, or fail.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	fmt.Println(leftOut + t.Name())
	t.Skip("needs root")
}

// lacking begins the line that Lacking prints. The Makefile's script counts
// these lines apart from those of NeedRoot.
const lacking = "lacking: "

// Lacking leaves out a test for want of something that not every machine has,
// such as a loop device or a file system: it prints "lacking: NAME: WHAT" on a
// line of its own, so that this can be seen and counted, and skips the test.
// It is called outside of a world (see Inside).
func Lacking(t testing.TB, what string) {
	t.Helper()
	fmt.Println(lacking + t.Name() + ": " + what)
	t.Skip("this machine lacks " + what)
}
