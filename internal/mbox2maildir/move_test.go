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

	"goqmail/internal/mailtools"
	"goqmail/internal/mbox"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
)

func TestMain(m *testing.M) {
	testkit.Fakes{"crash": crash}.Play()
	os.Exit(m.Run())
}

// now is when these tests take place: 20 November 2026, 19:10:36 UTC.
const now = 1795201836

// F is a From_ line, of 1795201436.
const F = "From s@x Fri Nov 20 19:03:56 2026\n"

// A bed is a directory with an mbox and a Maildir in it, the current one.
type bed struct{ *testing.T }

func newBed(t *testing.T, content string) bed {
	t.Helper()
	t.Chdir(t.TempDir())
	b := bed{t}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll("Maildir/"+sub, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.mbox(content)
	return b
}

// mbox writes the mbox; it is of 1 January 2020.
func (b bed) mbox(content string) {
	b.Helper()
	when := time.Unix(1577836800, 0)
	err := os.WriteFile("mbox", []byte(content), 0o600)
	if err == nil {
		err = os.Chtimes("mbox", when, when)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// usual are the surroundings of a run that waits for no lock.
func usual() surroundings {
	return surroundings{
		locker: mbox.Locker{Limit: 1, Sleep: func(time.Duration) {}},
		dir:    func(d *sys.Dir) store { return disk{d} },
		src:    func(t *mbox.Taken) source { return t },
	}
}

// run runs mbox2maildir.
func (b bed) run(s surroundings, env []string, args ...string) progtest.Result {
	b.Helper()
	old := sys.Umask(0o022)
	defer sys.Umask(old)
	return progtest.Run(b.T, func(p *prog.Process) int { return runWith(p, s) },
		progtest.Call{Args: append([]string{"mbox2maildir"}, args...), Env: env, Now: now})
}

// entry is a file in the Maildir: "new FLAGS MTIME CONTENT".
func (b bed) entries() (all []string) {
	b.Helper()
	names, err := filepath.Glob("Maildir/*/*")
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		st, serr := os.Stat(name)
		if err != nil || serr != nil {
			b.Fatal(err, serr)
		}
		sub := filepath.Base(filepath.Dir(name))
		_, flags, _ := strings.Cut(name, ":")
		all = append(all, sub+flags+" "+strconv.FormatInt(st.ModTime().Unix(), 10)+" "+string(content))
		if st.Mode() != 0o600 {
			b.Errorf("%s: mode %v", name, st.Mode())
		}
	}
	slices.Sort(all)
	return all
}

// inPlace are the entries without those in tmp, which readers remove.
func (b bed) inPlace() []string {
	return slices.DeleteFunc(b.entries(), func(e string) bool { return strings.HasPrefix(e, "tmp") })
}

// clean checks that nothing is left but the messages.
func (b bed) clean() {
	b.Helper()
	for _, pattern := range []string{"mbox.*", "Maildir/mbox2maildir*", "Maildir/tmp/*"} {
		if names, _ := filepath.Glob(pattern); len(names) > 0 {
			b.Errorf("left behind: %q", names)
		}
	}
}

func (b bed) left() string {
	b.Helper()
	content, err := os.ReadFile("mbox")
	if err != nil {
		b.Fatal(err)
	}
	return string(content)
}

func TestMove(t *testing.T) {
	tests := []struct {
		name, in string
		args     []string
		want     []string
	}{
		{"empty", "", nil, nil},
		{"new", F + "A: b\n\n>From c\n\n", nil, []string{"new 1795201436 A: b\n\nFrom c\n"}},
		{"states", F + "Status: RO\nA: 1\n\n\n" + F + "Status: O\nA: 2\n\n\n" + F + "X-Status: AF\nStatus: R\nA: 3\n\n\n" + F + "A: 4\n\nStatus: RO\n\n", nil,
			[]string{"cur2, 1795201436 A: 2\n\n", "cur2,FRS 1795201436 A: 3\n\n", "cur2,S 1795201436 A: 1\n\n", "new 1795201436 A: 4\n\nStatus: RO\n"}},
		{"zone", "From x Fri Nov 20 20:03:56 2026 +0100\n\nb\n", nil, []string{"new 1795201436 \nb\n"}},
		{"no date", "From x\nA: b\n\n", nil, []string{"new 1577836800 A: b\n"}},
		{"before 1970", "From x Wed Dec 31 23:59:59 1969\nA: b\n\n", nil, []string{"new -1 A: b\n"}},
		{"the same twice", F + "a: b\n\n" + F + "a: b\n\n", nil, []string{"new 1795201436 a: b\n", "new 1795201436 a: b\n"}},
		{"last line open", F + "A: b\n\nc", nil, []string{"new 1795201436 A: b\n\nc\n"}},
		{"mboxcl2", F + "Content-Length: 7\n\nFrom x\n\n" + F + "Status: R\nContent-Length: 1\n\ny", nil, []string{"cur2,S 1795201436 \ny", "new 1795201436 \nFrom x\n"}},
		{"mboxcl2, but told otherwise", F + "Content-Length: 7\n\n>>From\n\n", []string{"-t", "mboxo"}, []string{"new 1795201436 Content-Length: 7\n\n>>From\n"}},
		{"CR LF", "From s@x Fri Nov 20 19:03:56 2026\r\nStatus: R\r\nA: b\r\n\r\nc\r\n\r\n", nil, []string{"cur2,S 1795201436 A: b\n\nc\n"}},
	}
	for _, tt := range tests {
		b := newBed(t, tt.in)
		if got := b.run(usual(), nil, append(tt.args, "mbox", "Maildir")...); got != (progtest.Result{}) {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if got := b.entries(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if got := b.left(); got != "" {
			t.Errorf("%s: left in the mbox: %q", tt.name, got)
		}
		b.clean()
	}
}

// An mbox without a message is left alone, and so is what is none.
func TestNoMessage(t *testing.T) {
	const fatal = "mbox2maildir: fatal: "
	tests := []struct {
		name, in string
		args     []string
		code     int
		err      string
	}{
		{"empty lines", "\n\n", []string{"mbox", "Maildir"}, 0, ""},
		{"no mbox", "A: b\n", []string{"mbox", "Maildir"}, 100, fatal + "mbox is not an mbox\n"},
		{"no mboxcl", F + "A: b\n\n", []string{"-tmboxcl", "mbox", "Maildir"}, 100, fatal + "mbox is not an mbox of type mboxcl\n"},
		{"absent", "", []string{"absent", "Maildir"}, 111, fatal + "unable to open absent: file does not exist\n"},
		{"no Maildir", F + "a\n", []string{"mbox", "absent"}, 111, fatal + "unable to chdir to absent: file does not exist\n"},
		{"no tmp", F + "a\n", []string{"mbox", "."}, 111, fatal + "unable to write to .: file does not exist\n"},
		{"device", "", []string{"/dev/null", "Maildir"}, 100, fatal + "/dev/null is not a regular file\n"},
		{"locked", F + "a\n", []string{"../locked", "Maildir"}, 111, ""},
		{"no variable", "", nil, 111, fatal + "MAIL not set\n"},
		{"one argument", "", []string{"mbox"}, 111, fatal + "MAILDIR not set\n"},
		{"three arguments", "", []string{"mbox", "Maildir", "x"}, 100, usage + "\n"},
		{"bad type", "", []string{"-tmbx", "mbox", "Maildir"}, 100, usage + "\n"},
		{"bad option", "", []string{"-tmboxo", "-z"}, 100, "mbox2maildir: illegal option -- z\n" + usage + "\n"},
	}
	for _, tt := range tests {
		b := newBed(t, tt.in)
		if tt.name == "locked" {
			if err := os.WriteFile("mbox.lock", []byte("1\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			tt.args[0], tt.err = "mbox", fatal+"unable to lock mbox: timed out\n"
		}
		got := b.run(usual(), nil, tt.args...)
		if want := (progtest.Result{Code: tt.code, Err: tt.err}); got != want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, want)
		}
		if got := b.left(); got != tt.in || len(b.entries()) > 0 {
			t.Errorf("%s: mbox %q, want %q; Maildir %q", tt.name, got, tt.in, b.entries())
		}
	}
}

// The variables mean what they mean to maildir2mbox, and what went through both
// is as it was.
func TestRoundTrip(t *testing.T) {
	b := newBed(t, "")
	if err := os.Remove("mbox"); err != nil {
		t.Fatal(err)
	}
	messages := []string{"A: b\n\nFrom c\n>From d\n\n\n", "Return-Path: <s@x>\n\nStatus: R\n", "\r\n\x00\xff\n", "Content-Length: 3\n\nabc\n", "\n", ""}
	var want []string
	for i, m := range messages {
		name := "Maildir/new/" + strconv.Itoa(i)
		when := time.Unix(now-1000+int64(i), 0)
		err := os.WriteFile(name, []byte(m), 0o600)
		if err == nil {
			err = os.Chtimes(name, when, when)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	want = b.entries()
	env := []string{"MAIL=../mbox", "MAILTMP=../tmp", "MAILDIR=Maildir"}
	for range 2 {
		got := progtest.Run(t, mailtools.Maildir2mbox, progtest.Call{Args: []string{"maildir2mbox"}, Env: env, Now: now})
		if got != (progtest.Result{}) || len(b.entries()) > 0 {
			t.Fatalf("maildir2mbox: %+v; left %q", got, b.entries())
		}
		if got := b.run(usual(), env); got != (progtest.Result{}) {
			t.Fatalf("mbox2maildir: %+v", got)
		}
		if got := b.entries(); !slices.Equal(got, want) {
			t.Errorf("after a round trip: %q, want %q", got, want)
		}
	}
}

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

// More messages than are open at once, and a file size limit.
func TestMany(t *testing.T) {
	const n = 3*batch + 1
	var in strings.Builder
	for i := range n {
		in.WriteString(F + "N: " + strconv.Itoa(i) + "\n\n")
	}
	b := newBed(t, in.String())
	if got := b.run(usual(), nil, "mbox", "Maildir"); got != (progtest.Result{}) {
		t.Errorf("%+v", got)
	}
	if got := b.entries(); len(got) != n {
		t.Errorf("%d messages, want %d", len(got), n)
	}
	b.mbox(F + strings.Repeat("x", 3<<20) + "\n\n")
	testkit.FileSizeLimit(t, 1<<20)
	want := progtest.Result{Code: 111, Err: "mbox2maildir: fatal: unable to write to Maildir: file too big\n"}
	if got := b.run(usual(), nil, "mbox", "Maildir"); got != want || len(b.entries()) != n {
		t.Errorf("beyond the limit: %+v, want %+v", got, want)
	}
}
