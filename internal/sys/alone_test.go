package sys

import (
	"runtime"
	"slices"
	"testing"
)

// fileCalls makes every call that Alone changes, well and badly, and lists what
// became of each.
func fileCalls(t *testing.T) (results []string) {
	t.Helper()
	d := open(t, t.TempDir())
	note := func(call string, err error) {
		if err != nil {
			call += ": " + err.Error()
		}
		results = append(results, call)
	}
	f, err := d.Open("a", WriteOnly|Create|Exclusive, 0o640)
	note("create", err)
	_, err = d.Open("a", WriteOnly|Create|Exclusive, 0o640)
	note("create again", err)
	_, err = d.Open("none/a", ReadOnly, 0)
	note("open", err)
	_, err = d.Open("a\x00b", ReadOnly, 0)
	note("open NUL", err)
	if st, err := f.Stat(); err != nil || st.Perm() != 0o640 {
		t.Errorf("%+v, %v", st, err)
	}
	note("link", d.Link("a", "b"))
	note("link again", d.Link("a", "b"))
	note("link none", d.Link("none", "c"))
	note("link NUL", d.Link("a", "c\x00"))
	note("link from NUL", d.Link("a\x00", "c"))
	note("link open", d.LinkOpen(f, "c"))
	note("unlink", d.Unlink("b"))
	note("unlink again", d.Unlink("b"))
	note("unlink NUL", d.Unlink("a\x00"))
	note("rmdir of a file", d.Rmdir("a"))
	note("fsync", f.Sync())
	note("fsync of a directory", d.FD().Sync())
	note("close", f.Close())
	note("close again", f.Close())
	note("fsync after that", f.Sync())
	names, err := d.Names(".")
	note("names", err)
	return append(results, names...)
}

func TestAloneCalls(t *testing.T) {
	want := fileCalls(t)
	procs := runtime.GOMAXPROCS(0)
	Alone(3)
	defer func() { alone.Store(false); runtime.GOMAXPROCS(procs) }()
	if n := runtime.GOMAXPROCS(0); n != 3 {
		t.Errorf("%d goroutines at once", n)
	}
	if got := fileCalls(t); !slices.Equal(got, want) {
		t.Errorf("alone:\n%q\notherwise:\n%q", got, want)
	}
}
