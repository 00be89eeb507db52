package testkit

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Script writes an executable shell script at path and returns path. The body
// follows the first line, which is "#!/bin/sh". A missing newline at the end is
// added.
func Script(t testing.TB, path, body string) string {
	t.Helper()
	if err := writeExecutable(path, "#!/bin/sh\n"+strings.TrimSuffix(body, "\n")+"\n"); err != nil {
		t.Fatal(err)
	}
	return path
}

// writeExecutable writes a file that will be executed at once. No child may be
// forked while the file is open for writing: it would hold a copy of the
// descriptor until its own exec, and executing the file would fail with
// ETXTBSY.
func writeExecutable(path, content string) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// fakeVar names the function that a re-executed test binary runs.
const fakeVar = "GOQMAIL_TESTKIT_FAKE"

// Fakes are the programs that a test binary can play. A function gets the
// process as the caller of the program made it (os.Args[0] is the binary's own
// path) and returns the exit status.
type Fakes map[string]func() int

// Play runs a fake program and exits, if this process was started as one; else
// it returns. A test package that uses Fake calls it first in its TestMain.
func (f Fakes) Play() {
	name, ok := os.LookupEnv(fakeVar)
	if !ok {
		return
	}
	_ = os.Unsetenv(fakeVar) // cannot fail: the name is not empty
	run := f[name]
	if run == nil {
		os.Exit(127)
	}
	os.Exit(run())
}

// Fake writes at path a program that is the function name of the test's Fakes,
// and returns path. The program is a script that executes the test binary.
func Fake(t testing.TB, path, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(self); err != nil {
		// A world hides the directory the test binary is in: use a copy.
		binary, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		self = path + ".binary"
		if err := writeExecutable(self, string(binary)); err != nil {
			t.Fatal(err)
		}
	}
	return Script(t, path, fakeVar+"="+quote(name)+" exec "+quote(self)+` "$@"`)
}

// Install puts the test binary itself at path, as a file of its own that takes the
// place of what is there: a program that is started with FakeEnv in its
// environment plays one of the Fakes under the argv[0] that it is given.
func Install(t testing.TB, path string) {
	t.Helper()
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := writeExecutable(path+".new", string(binary)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// FakeEnv is what makes a test binary that is started directly play the function
// name of its Fakes: an entry of an environment.
func FakeEnv(name string) string { return fakeVar + "=" + name }

// quote makes one word of the shell out of s.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Recorder writes at path a script that stores what it is given, below dir: its
// arguments, one on each line, in dir/args; descriptor 0 in dir/0; descriptor
// 1, if it can be read, in dir/1 (so a recorder can stand in for qmail-queue);
// its environment, sorted, in dir/env. It exits with the given status.
func Recorder(t testing.TB, path, dir string, status string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	d := quote(filepath.Clean(dir))
	return Script(t, path, `
for i in "$@"; do printf '%s\n' "$i"; done >`+d+`/args
env | sort >`+d+`/env
cat >`+d+`/0
cat <&1 >`+d+`/1 2>/dev/null
exit `+status)
}
