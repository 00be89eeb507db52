package mbox2maildir

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
