// Package installed finds the installed tree that the tests below test/ are
// about. For tests only.
package installed

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"goqmail/internal/testkit"
)

// Variable names the tree in the environment; make test and make e2e set it.
const Variable = "QMAIL_PREFIX"

// Tree returns the path of an installed tree: $QMAIL_PREFIX, or else one that it
// installs with "make setup check" in a temporary directory, which stays until
// Remove. It needs root. A tree that cannot be had fails the test.
func Tree(t testing.TB) string {
	t.Helper()
	if tree := os.Getenv(Variable); tree != "" {
		if _, err := os.Stat(tree + "/bin"); err != nil {
			t.Fatalf("%s=%s is no installed tree: %v", Variable, tree, err)
		}
		return tree
	}
	tree, err := once()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

var (
	once = sync.OnceValues(install)
	made string // the directory that install made
)

// Main is TestMain of a package whose tests use Tree in worlds: it enters the
// world that this process was started for (testkit.Enter), calls before, runs the
// tests, and removes what Tree installed. An error of before ends it, exit 1.
func Main(m *testing.M, before ...func() error) {
	for _, f := range append([]func() error{testkit.Enter}, before...) {
		if err := f(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	if err := Remove(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// Remove removes what Tree installed.
func Remove() error {
	if made == "" {
		return nil
	}
	return os.RemoveAll(made)
}

// install builds and installs the suite from the sources this test is part of.
func install() (tree string, err error) {
	top, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	// the test of another package may be at it at the same time
	lock, err := os.Open(filepath.Join(top, "VERSION")) // not go.mod, which the go command locks itself
	if err != nil {
		return "", err
	}
	defer func() { _ = lock.Close() }() // only held
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	if made, err = os.MkdirTemp("", "qmail-installed"); err != nil {
		return "", err
	}
	if err := os.Chmod(made, 0o755); err != nil {
		return "", err
	}
	cmd := exec.Command("scripts/with-accounts", "make", "--no-print-directory", "setup", "check")
	cmd.Dir = top
	cmd.Env = append(os.Environ(), "DESTDIR="+made)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make setup check: %w\n%s", err, out)
	}
	return made + "/var/qmail", nil
}
