package mailtools

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/testkit"
)

// A box is a directory with a Maildir in it and the variables that name it.
type box struct {
	t   *testing.T
	dir string
	env []string
}

func newBox(t *testing.T) *box {
	t.Helper()
	b := &box{t: t, dir: t.TempDir()}
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.MkdirAll(b.path("Maildir/"+sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.env = []string{"MAIL=" + b.path("mbox"), "MAILTMP=" + b.path("mbox.tmp"), "MAILDIR=" + b.path("Maildir")}
	return b
}

func (b *box) path(name string) string { return filepath.Join(b.dir, name) }

// put makes a file that is seconds older than 9 September 2001, 01:46:40 UTC.
func (b *box) put(name, content string, older int64) {
	b.t.Helper()
	when := time.Unix(1000000000-older, 0)
	err := os.WriteFile(b.path(name), []byte(content), 0o644)
	if err == nil {
		err = os.Chtimes(b.path(name), when, when)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// run runs maildir2mbox with some of the variables replaced.
func (b *box) run(replaced ...string) result {
	b.t.Helper()
	old := syscall.Umask(0o022)
	defer syscall.Umask(old)
	return call(b.t, at(Maildir2mbox), "", "", append(replaced, b.env...), "maildir2mbox")
}

// files gives the names in tmp, new and cur.
func (b *box) files() string {
	b.t.Helper()
	names, err := filepath.Glob(b.path("Maildir/*/*"))
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range names {
		names[i] = strings.TrimPrefix(names[i], b.path("Maildir")+"/")
	}
	return strings.Join(names, " ")
}

func TestMaildir2mbox(t *testing.T) {
	const line = " Sun Sep 09 01:46:40 2001\n"
	tests := []struct{ name, in, want string }{
		{"from the sender", "Return-Path: <s@x>\nA: b\n\nc\n", "From s@x" + line + "Return-Path: <s@x>\nA: b\n\nc\n\n"},
		{"blanks in the sender", "Return-Path: <\"a \tb\"@c>\n", "From \"a--b\"@c" + line + "Return-Path: <\"a \tb\"@c>\n\n"},
		{"bounce", "Return-Path: <>\n", "From MAILER-DAEMON" + line + "Return-Path: <>\n\n"},
		{"no Return-Path", "A: b\nReturn-Path: <s@x>\n", "From XXX" + line + "A: b\nReturn-Path: <s@x>\n\n"},
		{"empty", "", "From XXX" + line + "\n"},
		{"From_ lines", "From a\n\n>From b\n from\n", "From XXX" + line + ">From a\n\n>>From b\n from\n\n"},
		{"no newline at the end", "A: b\n\nthe end", "From XXX" + line + "A: b\n\nthe end\n\n"}, // C loses this line
		{"nothing but such a line", "Return-Path: <s@x", "From s@" + line + "Return-Path: <s@x\n\n"},
		{"bytes", "\xff\x00\r\n", "From XXX" + line + "\xff\x00\r\n\n"},
	}
	for _, tt := range tests {
		b := newBox(t)
		b.put("Maildir/new/1", tt.in, 0)
		if got := b.run(); got != (result{}) {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if got, _ := os.ReadFile(b.path("mbox")); string(got) != tt.want {
			t.Errorf("%s: mbox %q, want %q", tt.name, got, tt.want)
		}
		if st, err := os.Stat(b.path("mbox")); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v, want 0600", tt.name, st.Mode(), err)
		}
		if got := b.files(); got != "" {
			t.Errorf("%s: left in the Maildir: %s", tt.name, got)
		}
	}
}

// The oldest message comes first; messages of now and rubbish do not come.
func TestMaildir2mboxOrder(t *testing.T) {
	b := newBox(t)
	b.put("Maildir/new/b", "2\n", 10)
	b.put("Maildir/cur/c:2,S", "1\n", 20)
	b.put("Maildir/new/a", "3\n", 0)
	b.put("Maildir/new/now", "x\n", 1000000000-1795201436)
	b.put("Maildir/new/.x", "x\n", 0)
	b.put("Maildir/tmp/old", "x\n", 0)
	if err := os.WriteFile(b.path("Maildir/rel"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := b.run("MAIL=rel", "MAILTMP=rel.tmp"); got != (result{}) { // counted from the Maildir
		t.Errorf("maildir2mbox = %+v", got)
	}
	want := "oldFrom XXX Sun Sep 09 01:46:20 2001\n1\n\nFrom XXX Sun Sep 09 01:46:30 2001\n2\n\nFrom XXX Sun Sep 09 01:46:40 2001\n3\n\n"
	if got, _ := os.ReadFile(b.path("Maildir/rel")); string(got) != want {
		t.Errorf("mbox %q, want %q", got, want)
	}
	if got := b.files(); got != "new/.x new/now" {
		t.Errorf("left in the Maildir: %s", got)
	}
}

func TestMaildir2mboxNothing(t *testing.T) {
	b := newBox(t)
	if got := b.run("MAIL=/absent/mbox"); got != (result{}) {
		t.Errorf("maildir2mbox of an empty Maildir = %+v", got)
	}
}

func TestMaildir2mboxFailures(t *testing.T) {
	const fatal = "maildir2mbox: fatal: "
	tests := []struct {
		name  string
		spoil func(t *testing.T, b *box)
		env   []string // @ stands for the directory of the box
		err   string
	}{
		{name: "home", env: []string{"MAILDIR=/absent"}, err: "unable to chdir to /absent: file does not exist"},
		{name: "no new", spoil: func(t *testing.T, b *box) { _ = os.Rename(b.path("Maildir/new"), b.path("n")) },
			err: "unable to scan $MAILDIR/new: file does not exist"},
		{name: "no mbox", env: []string{"MAIL="}, err: "unable to lock : file does not exist"},
		{name: "mbox a directory", env: []string{"MAIL=@"}, err: "unable to lock @: is a directory"},
		{name: "mbox unreadable", env: []string{"MAIL=/proc/self/clear_refs"}, err: "unable to read /proc/self/clear_refs: "},
		{name: "no tmp", env: []string{"MAILTMP=/absent/t"}, err: "unable to create /absent/t: file does not exist"},
		{name: "tmp the mbox", env: []string{"MAILTMP=@/Maildir/../mbox"}, err: "unable to create @/Maildir/../mbox: it is $MAIL"},
		{name: "disk full", spoil: func(t *testing.T, b *box) { testkit.Full(t, b.path("mbox.tmp")) },
			err: "unable to write to @/mbox.tmp: out of disk space"},
		{name: "message a directory", spoil: func(t *testing.T, b *box) {
			testkit.Occupied(t, b.path("Maildir/cur/d"))
			if err := os.Chtimes(b.path("Maildir/cur/d"), time.Unix(0, 0), time.Unix(0, 0)); err != nil {
				t.Fatal(err)
			}
		}, err: "unable to read $MAILDIR/cur/d: is a directory"},
	}
	for _, tt := range tests {
		b := newBox(t)
		b.put("Maildir/new/1", "a\n", 0)
		if err := os.WriteFile(b.path("mbox"), []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		if tt.spoil != nil {
			tt.spoil(t, b)
		}
		here := strings.NewReplacer("@", b.dir)
		var env []string
		for _, e := range tt.env {
			env = append(env, here.Replace(e))
		}
		want := fatal + here.Replace(tt.err)
		if got := b.run(env...); got.Code != 111 || !strings.HasPrefix(got.Err, want) || got.Out != "" {
			t.Errorf("%s: %+v, want 111, %q", tt.name, got, want)
		}
		if got, _ := os.ReadFile(b.path("mbox")); string(got) != "old" {
			t.Errorf("%s: mbox %q, want the old one", tt.name, got)
		}
		if got := b.files(); tt.name != "no new" && !strings.HasSuffix(got, "new/1") {
			t.Errorf("%s: in the Maildir: %s", tt.name, got)
		}
	}
}

func TestMaildir2mboxUnset(t *testing.T) {
	b := newBox(t)
	for _, name := range []string{"MAIL", "MAILTMP", "MAILDIR"} {
		got := call(t, at(func(p *prog.Process) int {
			p.Env.Unset(name)
			return Maildir2mbox(p)
		}), "", "", b.env, "maildir2mbox")
		if want := (result{111, "", "maildir2mbox: fatal: " + name + " not set\n"}); got != want {
			t.Errorf("maildir2mbox without %s = %+v, want %+v", name, got, want)
		}
	}
}

// A message that cannot be removed is in both, and somebody is told.
func TestMaildir2mboxUnremovable(t *testing.T) {
	b := newBox(t)
	b.put("Maildir/new/1", "a\n", 0)
	if !testkit.ReadOnly(t, b.path("Maildir/new")) {
		return // root removes everything; TestMaildir2mboxFailures has the rest
	}
	want := result{0, "", "maildir2mbox: warning: unable to remove $MAILDIR/new/1, it will be delivered twice: access denied\n"}
	if got := b.run(); got != want {
		t.Errorf("maildir2mbox = %+v, want %+v", got, want)
	}
}
