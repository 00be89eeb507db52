package spawn

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.Fakes{"scarce": scarce}.Play()
	os.Exit(m.Run())
}

// minFree is the lowest descriptor that a program is not given.
const minFree = 3

// scarce is a spawner that has two descriptors, for one pipe, left when its
// first delivery begins.
func scarce() int {
	dir, err := sys.OpenDir(os.Args[1])
	if err != nil {
		return 111
	}
	e := &Engine{Mess: dir, Owner: uint32(os.Geteuid()), Slots: 10, Bug: Verdict{'Z', "bug"}}
	e.Deliver = func(d *Delivery) Verdict {
		one, err1 := sys.FD(0).Dup(minFree)
		two, err2 := sys.FD(0).Dup(minFree)
		limit := syscall.Rlimit{Cur: uint64(two) + 1, Max: uint64(two) + 1}
		if err := errors.Join(err1, err2, one.Close(), two.Close(), syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)); err != nil {
			return Verdict{'Z', err.Error()}
		}
		_, err := d.Run(func([]sys.FD) (child.Process, error) {
			return child.Process{}, sys.NewError("exec", "", syscall.EMFILE)
		}, &strings.Builder{})
		return Verdict{'K', err.Error()}
	}
	e.Serve(0, 1)
	return 0
}

// TestScarce: a spawner that runs out of descriptors defers mail; it does not die.
func TestScarce(t *testing.T) {
	home := testkit.NewHome(t)
	mess := strings.TrimPrefix(testkit.SplitPath("mess", home.AddMessage("message\n")), "mess/")
	path := testkit.Fake(t, home.Path("bin/spawner"), "scarce")
	commands, in, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, reports, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	proc, err := child.Start(&child.Cmd{Path: path, Args: []string{path, home.Path("queue/mess")}, Env: os.Environ(), Files: []sys.FD{commands, reports, 2}})
	_, _ = commands.Close(), reports.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte("\x01" + mess + "\x00s\x00r@h\x00")); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	got, err := out.ReadAll(10000)
	if want := "\x0a\x01Kexec: process cannot open more files\x00"; string(got) != want || err != nil {
		t.Errorf("reports %q, %v; want %q", got, err, want)
	}
	if st, err := proc.Wait(); err != nil || st != 0 {
		t.Errorf("spawner ended with %d, %v", st, err)
	}
}
