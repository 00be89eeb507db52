package testkit

import (
	"os"
	"strings"
	"testing"

	"goqmail/internal/cdb"
)

// Must ends the test if err is not nil.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Absent is what Content says of a file that is not there.
const Absent = "(absent)"

// Content is what a file has in it, or Absent.
func Content(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return Absent
	}
	Must(t, err)
	return string(b)
}

// Read is what a file has in it; it must be there.
func Read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	Must(t, err)
	return string(b)
}

// Write makes a file, mode 0644 under the umask.
func Write(t testing.TB, path, content string) {
	t.Helper()
	Must(t, os.WriteFile(path, []byte(content), 0o644))
}

// Records lists the records of a cdb file in their order: "KEY=DATA", with
// blanks between them.
func Records(t testing.TB, path string) string {
	t.Helper()
	var out []string
	s := cdb.NewScanner(strings.NewReader(Read(t, path)))
	for s.Next() {
		out = append(out, string(s.Key())+"="+string(s.Value()))
	}
	Must(t, s.Err())
	return strings.Join(out, " ")
}
