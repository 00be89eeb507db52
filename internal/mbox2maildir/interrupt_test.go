package mbox2maildir

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/mbox"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

// A counter counts what changes something; at one of these it does something.
type counter struct {
	n, at int
	act   func() error
}

func (c *counter) step() error {
	if c.n++; c.n == c.at {
		return c.act()
	}
	return nil
}

// A brittleStore is a Maildir whose calls are counted.
type brittleStore struct {
	disk
	c *counter
}

func (s brittleStore) Create(name string) (spool, error) {
	if err := s.c.step(); err != nil {
		return nil, err
	}
	f, err := s.disk.Create(name)
	if err != nil {
		return nil, err
	}
	return brittleSpool{f, s.c}, nil
}

func (s brittleStore) OpenRead(name string) (io.ReadCloser, error) {
	if err := s.c.step(); err != nil {
		return nil, err
	}
	return s.disk.OpenRead(name)
}

func (s brittleStore) Chtimes(name string, atime, mtime int64) error {
	return errors.Join(s.c.step(), s.disk.Chtimes(name, atime, mtime))
}

func (s brittleStore) Link(old, new string) error {
	if err := s.c.step(); err != nil {
		return err
	}
	return s.disk.Link(old, new)
}

func (s brittleStore) Unlink(name string) error {
	if err := s.c.step(); err != nil {
		return err
	}
	return s.disk.Unlink(name)
}

func (s brittleStore) SyncDir(name string) error {
	if err := s.c.step(); err != nil {
		return err
	}
	return s.disk.SyncDir(name)
}

func (s brittleStore) EachName(name string, f func(string) bool) error {
	if err := s.c.step(); err != nil {
		return err
	}
	return s.disk.EachName(name, f)
}

func (s brittleStore) ReadFile(name string, max int) ([]byte, error) {
	if err := s.c.step(); err != nil {
		return nil, err
	}
	return s.disk.ReadFile(name, max)
}

func (s brittleStore) WriteFileDurable(name, tmp string, data []byte, mode uint32) error {
	if err := s.c.step(); err != nil {
		return err
	}
	return s.disk.WriteFileDurable(name, tmp, data, mode)
}

// A brittleSpool writes half of what it is given before it fails.
type brittleSpool struct {
	spool
	c *counter
}

func (f brittleSpool) Write(p []byte) (int, error) {
	if f.c.n+1 == f.c.at {
		_, _ = f.spool.Write(p[:len(p)/2])
	}
	if err := f.c.step(); err != nil {
		return 0, err
	}
	return f.spool.Write(p)
}

func (f brittleSpool) Sync() error { return errors.Join(f.c.step(), f.spool.Sync()) }

func (f brittleSpool) Close() error { return errors.Join(f.spool.Close(), f.c.step()) }

// A brittleSource is an mbox whose calls are counted.
type brittleSource struct {
	source
	c *counter
}

func (s brittleSource) Rewind() error {
	if err := s.c.step(); err != nil {
		return err
	}
	return s.source.Rewind()
}

func (s brittleSource) Read(p []byte) (int, error) {
	if err := s.c.step(); err != nil {
		return 0, err
	}
	return s.source.Read(p)
}

func (s brittleSource) Size() (int64, error) {
	if err := s.c.step(); err != nil {
		return 0, err
	}
	return s.source.Size()
}

func (s brittleSource) Empty() error {
	if err := s.c.step(); err != nil {
		return err
	}
	return s.source.Empty()
}

// brittle are surroundings in which every call is counted.
func brittle(c *counter) surroundings {
	s := usual()
	s.dir = func(d *sys.Dir) store { return brittleStore{disk{d}, c} }
	s.src = func(t *mbox.Taken) source { return brittleSource{t, c} }
	return s
}

// What the tests of interruption move, and what there must be in the end.
const (
	stories = F + "Status: RO\nA: 1\n\nx\n\n" + F + "A: 2\n\ny\n\n" + F + "A: 2\n\ny\n\n"
)

var told = []string{"cur2,S 1795201436 A: 1\n\nx\n", "new 1795201436 A: 2\n\ny\n", "new 1795201436 A: 2\n\ny\n"}

// crash is a run in a process of its own that ends at once, as by kill -9, at
// the call that $CRASH numbers.
func crash() int {
	c := &counter{act: func() error { os.Exit(137); return nil }}
	c.at, _ = strconv.Atoi(os.Getenv("CRASH"))
	p := prog.Self()
	p.Now = func() time.Time { return time.Unix(now, 0) }
	return runWith(p, brittle(c))
}

// reader does what a mail reader may do between two runs: it marks a message.
func (b bed) reader() {
	b.Helper()
	names, _ := filepath.Glob("Maildir/new/*")
	for _, name := range names {
		if err := os.Rename(name, "Maildir/cur/"+filepath.Base(name)+":2,S"); err != nil {
			b.Fatal(err)
		}
	}
}

// Whenever it is killed, the next run goes on: every message is there once.
func TestKilled(t *testing.T) {
	fake := testkit.Fake(t, filepath.Join(t.TempDir(), "mbox2maildir"), "crash")
	for at := 1; ; at++ {
		b := newBed(t, stories)
		cmd := exec.Command(fake, "mbox", "Maildir")
		cmd.Env = append(os.Environ(), "CRASH="+strconv.Itoa(at))
		out, _ := cmd.CombinedOutput()
		code := cmd.ProcessState.ExitCode()
		if code == 0 {
			if at < 30 {
				t.Errorf("only %d calls", at)
			}
			break
		}
		if code != 137 || len(out) > 0 {
			t.Fatalf("call %d: exit %d, %q", at, code, out)
		}
		if got := b.left(); got != stories && (got != "" || !slices.Equal(b.entries(), told)) {
			t.Errorf("killed at call %d: mbox %q, Maildir %q", at, got, b.entries())
		}
		seen := at%2 == 0 // by a mail reader
		if seen {
			b.reader()
		}
		if got := b.run(usual(), nil, "mbox", "Maildir"); got != (progtest.Result{}) {
			t.Fatalf("killed at call %d, then %+v", at, got)
		}
		got, want := b.entries(), told
		if seen {
			got, want = contents(got), contents(told)
		}
		if !slices.Equal(got, want) || b.left() != "" {
			t.Errorf("killed at call %d, then run again: %q, want %q; left %q", at, got, want, b.left())
		}
		b.clean()
	}
}

// contents are entries without where they are.
func contents(entries []string) (all []string) {
	for _, e := range entries {
		_, content, _ := strings.Cut(e, " ")
		all = append(all, content)
	}
	slices.Sort(all)
	return all
}

// Whatever fails, nothing is lost, somebody is told, and the next run goes on.
func TestFailures(t *testing.T) {
	errIO := sys.NewError("test", "x", syscall.ENOSPC)
	quiet := 0
	for at := 1; ; at++ {
		b := newBed(t, stories)
		c := &counter{at: at, act: func() error { return errIO }}
		got := b.run(brittle(c), nil, "mbox", "Maildir")
		if c.n < at {
			break
		}
		switch {
		case got.Code == 0 && got.Err == "": // of what may stay behind
			quiet++
		case got.Code != 111 || !strings.HasPrefix(got.Err, "mbox2maildir: fatal: unable to ") || !strings.HasSuffix(got.Err, ": out of disk space\n"):
			t.Errorf("call %d fails: %+v", at, got)
		case b.left() != stories:
			t.Errorf("call %d fails: left %q", at, b.left())
		}
		if got := b.run(usual(), nil, "mbox", "Maildir"); got != (progtest.Result{}) {
			t.Fatalf("call %d fails, then %+v", at, got)
		}
		if got := b.inPlace(); !slices.Equal(got, told) || b.left() != "" {
			t.Errorf("call %d fails, then run again: %q, want %q", at, got, told)
		}
	}
	if quiet != 6 { // unlink of three files in tmp and of the journal; two reads are tried again
		t.Errorf("%d failures are not told, want 6", quiet)
	}
}

// An interrupted run that cannot be carried on.
func TestResumeFailures(t *testing.T) {
	errIO := sys.NewError("test", "x", syscall.ENOSPC)
	for at := 1; ; at++ {
		b := interrupted(t)
		c := &counter{at: at, act: func() error { return errIO }}
		got := b.run(brittle(c), nil, "mbox", "Maildir")
		if c.n < at {
			break
		}
		if got.Code != 0 && (got.Code != 111 || b.left() != stories) {
			t.Errorf("call %d fails: %+v, left %q", at, got, b.left())
		}
		if got := b.run(usual(), nil, "mbox", "Maildir"); got != (progtest.Result{}) {
			t.Fatalf("call %d fails, then %+v", at, got)
		}
		if got := b.inPlace(); !slices.Equal(got, told) || b.left() != "" {
			t.Errorf("call %d fails, then run again: %q, want %q", at, got, told)
		}
	}
}

// interrupted is a bed whose run was interrupted when all was in the Maildir.
func interrupted(t *testing.T) bed {
	t.Helper()
	b := newBed(t, stories)
	s := usual()
	s.src = func(t *mbox.Taken) source { return neverEmpty{t} }
	if got := b.run(s, nil, "mbox", "Maildir"); got.Code != 111 || !slices.Equal(b.entries(), told) {
		t.Fatalf("not interrupted: %+v, %q", got, b.entries())
	}
	return b
}

type neverEmpty struct{ source }

func (neverEmpty) Empty() error { return sys.NewError("ftruncate", "", syscall.ENOSPC) }

// Between two runs mailbox and Maildir change.
func TestResume(t *testing.T) {
	const more = F + "A: 4\n\nz\n\n"
	tests := []struct {
		name   string
		change func(b bed)
		want   []string
	}{
		{"nothing", func(bed) {}, told},
		{"more mail", func(b bed) { b.mbox(stories + more) }, append(slices.Clone(told), "new 1795201436 A: 4\n\nz\n")},
		{"a reader marks", bed.reader, []string{"1795201436 A: 1\n\nx\n", "1795201436 A: 2\n\ny\n", "1795201436 A: 2\n\ny\n"}},
		{"other mail", func(b bed) { b.mbox(more) }, append(slices.Clone(told), "new 1795201436 A: 4\n\nz\n")},
		{"a message is changed", func(b bed) {
			names, _ := filepath.Glob("Maildir/cur/*")
			if err := os.WriteFile(names[0], []byte("changed"), 0o600); err != nil {
				b.Fatal(err)
			}
			if err := os.Chtimes(names[0], time.Unix(1, 0), time.Unix(1, 0)); err != nil {
				b.Fatal(err)
			}
		}, append([]string{"cur2,S 1 changed"}, told...)},
		{"a message is removed", func(b bed) {
			names, _ := filepath.Glob("Maildir/cur/*")
			if err := os.Remove(names[0]); err != nil {
				b.Fatal(err)
			}
		}, told},
		{"the journal is damaged", func(b bed) {
			names, _ := filepath.Glob("Maildir/mbox2maildir.*")
			if err := os.WriteFile(names[0], []byte("1 2 ../x\n"), 0o600); err != nil {
				b.Fatal(err)
			}
			b.mbox(more)
		}, append(slices.Clone(told), "new 1795201436 A: 4\n\nz\n")},
		{"the mbox was emptied", func(b bed) { b.mbox("") }, told},
	}
	for _, tt := range tests {
		b := interrupted(t)
		tt.change(b)
		s := usual()
		if got := b.run(s, nil, "mbox", "Maildir"); got != (progtest.Result{}) {
			t.Errorf("%s: %+v", tt.name, got)
		}
		got, want := b.entries(), slices.Sorted(slices.Values(tt.want))
		if tt.name == "a reader marks" {
			got = contents(got)
		}
		if !slices.Equal(got, want) || b.left() != "" {
			t.Errorf("%s: %q, want %q; left %q", tt.name, got, want, b.left())
		}
		b.clean()
	}
}

// A changed message, and another run that is interrupted after it was moved
// again: it does not come a third time.
func TestResumeTwice(t *testing.T) {
	b := interrupted(t)
	names, _ := filepath.Glob("Maildir/cur/*")
	if err := os.WriteFile(names[0], []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := usual()
	s.src = func(t *mbox.Taken) source { return neverEmpty{t} }
	for range 3 {
		if got := b.run(s, nil, "mbox", "Maildir"); got.Code != 111 || len(b.entries()) != 4 {
			t.Fatalf("%+v, %q", got, b.entries())
		}
	}
}

// An unlocked writer adds something.
func TestChanged(t *testing.T) {
	b := newBed(t, stories)
	s := usual()
	s.src = func(m *mbox.Taken) source { return growing{m} }
	want := progtest.Result{Code: 111, Err: "mbox2maildir: fatal: mbox has changed while it was read\n"}
	if got := b.run(s, nil, "mbox", "Maildir"); got != want || b.left() != stories {
		t.Errorf("%+v, want %+v; left %q", got, want, b.left())
	}
	b.mbox(stories + F + "more\n\n")
	if got := b.run(usual(), nil, "mbox", "Maildir"); got != (progtest.Result{}) || len(b.entries()) != 4 {
		t.Errorf("%+v, %q", got, b.entries())
	}
}

type growing struct{ *mbox.Taken }

func (g growing) Size() (int64, error) {
	size, err := g.Taken.Size()
	return size + 1, err
}
