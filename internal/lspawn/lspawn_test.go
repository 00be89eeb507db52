package lspawn

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"goqmail/internal/assign"
	"goqmail/internal/cdb"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/spawn"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/sys/creds"
	"goqmail/internal/testkit"
)

// A bed is a spawner that becomes nobody, with fake programs.
type bed struct {
	t    *testing.T
	home *testkit.Home
	s    *spawner
	mess string

	mu  sync.Mutex
	ids []creds.ID // whom the programs would have been started as
}

// showArgs prints what a program was given.
const showArgs = `for a in "$@"; do printf '[%s]' "$a"; done`

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, home: testkit.NewHome(t)}
	dir, err := sys.OpenDir(b.home.Dir)
	b.must(err)
	t.Cleanup(func() { _ = dir.Close() })
	b.mess = strings.TrimPrefix(testkit.SplitPath("mess", b.home.AddMessage("message\n")), "mess/")
	b.s = &spawner{
		homeName: b.home.Dir, home: dir, fallback: "./Mailbox", env: []string{"PATH=/bin:/usr/bin", "KEEP=me"},
		lookup: creds.ID{UID: 7793, GID: 2108, Groups: []uint32{2108}}, start: b.start,
	}
	b.getpw(`printf 'joe\0005001\0005002\000/home/joe\000-\000%s\000' "$1"`)
	b.local(showArgs)
	return b
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) getpw(body string) { testkit.Script(b.t, b.home.Path("bin/qmail-getpw"), body) }
func (b *bed) local(body string) { testkit.Script(b.t, b.home.Path("bin/qmail-local"), body) }

// start notes the credentials and starts the program without them.
func (b *bed) start(c *child.Cmd, id creds.ID) (child.Process, error) {
	b.mu.Lock()
	b.ids = append(b.ids, id)
	b.mu.Unlock()
	return child.Start(c)
}

// deliver has one delivery done and returns its report.
func (b *bed) deliver(sender, rcpt string) string {
	b.t.Helper()
	b.mu.Lock()
	b.ids = nil
	b.mu.Unlock()
	dir, err := sys.OpenDir(b.home.Path("queue/mess"))
	b.must(err)
	defer func() { _ = dir.Close() }()
	commands, in, err := sys.Pipe()
	b.must(err)
	out, reports, err := sys.Pipe()
	b.must(err)
	_, err = in.Write(pipe.DeliveryCommand{Delnum: 7, Mess: b.mess, Sender: sender, Recipient: rcpt}.Append(nil))
	b.must(err)
	b.must(in.Close())
	e := &spawn.Engine{Mess: dir, Owner: uint32(os.Geteuid()), Slots: 10, Deliver: b.s.deliver, Bug: verdict(exitBug, "")}
	go e.Serve(commands, reports)
	all, err := out.ReadAll(1 << 20)
	b.must(err)
	_, _ = commands.Close(), out.Close()
	text, ok := strings.CutPrefix(strings.TrimSuffix(string(all), "\x00"), "\x0a\x07")
	if !ok {
		b.t.Fatalf("output %q is not a grant and a report", all)
	}
	return text
}

// assign writes users/cdb from the text of users/assign.
func (b *bed) assign(text string) {
	b.t.Helper()
	b.database(func(put func(key, data []byte) error) error { return assign.Compile([]byte(text), put) })
}

// database writes users/cdb with the records that fill puts.
func (b *bed) database(fill func(put func(key, data []byte) error) error) {
	b.t.Helper()
	database(b.t, b.home.Path("users/cdb"), fill)
}

func database(t testing.TB, path string, fill func(put func(key, data []byte) error) error) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := cdb.NewWriter(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fill(w.Put), w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestArguments(t *testing.T) {
	b := newBed(t)
	b.local(showArgs + `; printf '|%s|' "$0"; pwd; cat; ls /proc/self/fd | tr '\n' ' '; env | sort | tr '\n' ' '; echo err >&2; exit 0`)
	got := b.deliver("s@x", "Joe-Ext@mx@Example.Test")
	want := "K[--][joe][/home/joe][Joe-Ext@mx][-][Joe-Ext@mx][Example.Test][s@x][./Mailbox]|bin/qmail-local|" + b.home.Dir +
		"\nmessage\n0 1 2 3 GOMAXPROCS=1 GOTRACEBACK=crash KEEP=me PATH=/bin:/usr/bin PWD=" + b.home.Dir + " err\n"
	if got != want {
		t.Errorf("report\n%q, want\n%q", got, want)
	}
	if s := fmt.Sprint(b.ids); s != "[{7793 2108 [2108]} {5001 5002 [5002]}]" {
		t.Errorf("programs started as %s", s)
	}
	b.local(showArgs)
	b.assign("=joe:u:1:2:/h:::\n.\n")
	if got := b.deliver("", "joe@h"); got != "K[--][u][/h][joe][][][h][][./Mailbox]" {
		t.Errorf("empty arguments: %q", got)
	}
}

func TestEmptyLocalPart(t *testing.T) {
	b := newBed(t)
	if got := b.deliver("s@x", "@h"); got != "K" || len(b.ids) != 0 {
		t.Errorf("report %q, started %v; want K and nothing", got, b.ids)
	}
}

func TestAssignments(t *testing.T) {
	b := newBed(t)
	b.assign("=joe.exact:f6joe:1:1:/j:::\n+joe-:f6joe:1:1:/j:-::\n+F6:f6ann:1:1:/a:-:pre-:\n=Upper:f6joe:1:1:/j::x:\n" +
		"+ABC:abc:1:1:/c:-::\n+:alias:1:1:/alias:-::\n=root:root:0:1:/r:::\n=junk:j:x1:1:/r:::\n=nogid:j:1::/r:::\n=blank:b:12 :13 :/b:::\n" +
		"=huge:j:4294967295:1:/r:::\n.\n")
	b.local(`printf '%s,%s,%s' "$2" "$5" "$6"`)
	tests := []struct{ box, want string }{
		{"joe.exact", "Kf6joe,,"},
		{"JOE.EXACT", "Kf6joe,,"},
		{"joe-A-b", "Kf6joe,-,A-b"},
		{"joe-", "Kf6joe,-,"},
		{"joe", "Kalias,-,joe"},
		{"f6xYz", "Kf6ann,-,pre-xYz"},
		{"UPPER", "Kf6joe,,x"},
		{"abCdE", "Kabc,-,dE"},
		{"Other", "Kalias,-,Other"},
		{"blank", "Kb,,"},
		{"root", "ZNot allowed to perform deliveries as root.\n"},
		{"junk", "ZInternal qmail-lspawn bug.\n"},
		{"nogid", "ZInternal qmail-lspawn bug.\n"},
		{"huge", "ZInternal qmail-lspawn bug.\n"},
	}
	for _, tt := range tests {
		if got := b.deliver("s", tt.box+"@h"); got != tt.want {
			t.Errorf("box %q: report %q, want %q", tt.box, got, tt.want)
		}
		if tt.box == "blank" && fmt.Sprint(b.ids) != "[{12 13 [13]}]" {
			t.Errorf("trailing blanks: started as %v", b.ids)
		}
	}
	// Records without their six fields.
	b.database(func(put func(key, data []byte) error) error {
		return errors.Join(put([]byte("!short\x00"), []byte("j\x001\x001")), put([]byte("!s-"), []byte("j\x001\x001\x00/h")), put(nil, []byte("-")))
	})
	for _, box := range []string{"short", "s-x"} {
		if got := b.deliver("s", box+"@h"); got != "ZInternal qmail-lspawn bug.\n" {
			t.Errorf("short record: box %q: report %q", box, got)
		}
	}
	b.assign("+joe-:f6joe:1:1:/j:-::\n.\n")
	if got := b.deliver("s", "ann@h"); got != "Kjoe,-,ann" {
		t.Errorf("not assigned: %q, want what qmail-getpw says", got)
	}
}

func TestBrokenAssignments(t *testing.T) {
	good := newBed(t)
	good.assign("=joe:joe:1:1:/j:::\n+:alias:1:1:/alias:-::\n.\n")
	whole, _ := good.home.Read("users/cdb")
	tests := []struct {
		name  string
		spoil func(b *bed, path string)
	}{
		{"empty", func(b *bed, _ string) { b.home.Write("users/cdb", "") }},
		{"short", func(b *bed, _ string) { b.home.Write("users/cdb", strings.Repeat("\x00", 100)) }},
		{"no records", func(b *bed, _ string) { b.home.Write("users/cdb", strings.Repeat("\x00", 2048)) }},
		{"cut", func(b *bed, _ string) { b.home.Write("users/cdb", whole[:len(whole)-1]) }},
		{"junk", func(b *bed, _ string) { b.home.Write("users/cdb", strings.Repeat("\xff", 4000)) }},
		{"no wildcards", func(b *bed, _ string) {
			b.database(func(put func(key, data []byte) error) error {
				return put([]byte("!joe\x00"), []byte("joe\x001\x001\x00/\x00\x00"))
			})
		}},
		{"a directory", func(b *bed, path string) { b.must(os.Mkdir(path, 0o755)) }},
		{"a FIFO", func(b *bed, path string) { b.must(syscall.Mkfifo(path, 0o644)) }},
		{"unreadable", func(b *bed, path string) { testkit.Unreadable(b.t, path, whole) }},
	}
	for _, tt := range tests {
		b := newBed(t)
		tt.spoil(b, b.home.Path("users/cdb"))
		if got := b.deliver("s", "joe@h"); got != "ZTrouble reading users/cdb in qmail-lspawn.\n" || len(b.ids) != 0 {
			t.Errorf("users/cdb %s: report %q, started %v", tt.name, got, b.ids)
		}
	}
}

// FuzzAssignments: whatever users/cdb holds, nobody becomes root, and nothing
// is bounced.
func FuzzAssignments(f *testing.F) {
	f.Add([]byte(strings.Repeat("\x00", 2048)), "joe")
	f.Add([]byte(strings.Repeat("\xff", 3000)), "a-b")
	path := filepath.Join(f.TempDir(), "cdb")
	database(f, path, func(put func(key, data []byte) error) error {
		return assign.Compile([]byte("=joe:joe:1:1:/j:::\n+a-:root:0:1:/a:-::\n.\n"), put)
	})
	file, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file, "joe")
	f.Add(file, "a-b")
	f.Fuzz(func(t *testing.T, file []byte, box string) {
		who, found, code := search(bytes.NewReader(file), int64(len(file)), box)
		if code != 0 && verdict(code, "").Letter != pipe.Deferral {
			t.Errorf("box %q: code %d does not defer", box, code)
		}
		if found {
			if id, code := credentials(who); code == 0 && id.UID == 0 {
				t.Errorf("box %q: %+v becomes root", box, who)
			}
		}
	})
}

// brokenReader panics.
type brokenReader struct{}

func (brokenReader) ReadAt([]byte, int64) (int, error) { panic("bug") }

func TestSearchPanics(t *testing.T) {
	if _, found, code := search(brokenReader{}, 5000, "joe"); found || code != exitAssign {
		t.Errorf("search that panics: found %v, code %d; want false, %d", found, code, exitAssign)
	}
}

func TestGetpw(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"looked up", `[ "$1" = joe ] && printf 'joe\0001\0001\000/\000\000\000'`, "K"},
		{"more than six fields", `printf 'joe\0001\0001\000/\000\000\000more'`, "K"},
		{"five fields", `printf 'joe\0001\0001\000/\000\000'`, "ZInternal qmail-lspawn bug.\n"},
		{"a long extension", `printf 'joe\0001\0001\000/\000-\000'; head -c 100000 /dev/zero | tr '\0' x; printf '\000'`, "K"},
		{"nothing", `exit 0`, "ZInternal qmail-lspawn bug.\n"},
		{"endless", `head -c 3000000 /dev/zero | tr '\0' x`, "ZInternal qmail-lspawn bug.\n"},
		{"root", `printf 'root\0000\0000\000/\000\000\000'`, "ZNot allowed to perform deliveries as root.\n"},
		{"killed", `kill -9 $$`, "ZTemporary failure in qmail-lspawn.\n"},
		{"run-time failure", `exit 2`, "ZTemporary failure in qmail-lspawn.\n"},
		{"115", `exit 115`, "ZNFS failure in qmail-local.\n"},
		{"116", `exit 116`, "ZUnable to find alias user!\n"},
		{"118", `exit 118`, "ZTemporary failure in qmail-lspawn.\n"},
		{"100", `echo text; exit 100`, "D"},
		{"descriptors", `[ "$(ls -l /proc/self/fd/0 /proc/self/fd/2 | grep -c /dev/null)" = 2 ] || exit 115
[ "$(ls /proc/self/fd | tr '\n' ' ')" = '0 1 2 3 ' ] || exit 116; printf 'joe\0001\0001\000/\000\000\000'`, "K"},
	}
	for _, tt := range tests {
		b := newBed(t)
		b.local("exit 0")
		b.getpw(tt.script)
		if got := b.deliver("s", "joe@h"); got != tt.want {
			t.Errorf("qmail-getpw: %s: report %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestCannotStart: nothing that keeps a program from starting bounces mail.
func TestCannotStart(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(b *bed)
		want  string
	}{
		{"no qmail-getpw", func(b *bed) { b.must(os.Remove(b.home.Path("bin/qmail-getpw"))) }, "ZUnable to run qmail-getpw.\n"},
		{"qmail-getpw not executable", func(b *bed) { b.must(os.Chmod(b.home.Path("bin/qmail-getpw"), 0o644)) }, "ZUnable to run qmail-getpw.\n"},
		{"no qmail-local", func(b *bed) { b.must(os.Remove(b.home.Path("bin/qmail-local"))) }, "ZUnable to run qmail-local.\n"},
		{"qmail-local not executable", func(b *bed) { b.must(os.Chmod(b.home.Path("bin/qmail-local"), 0o644)) }, "ZUnable to run qmail-local.\n"},
		{"qmail-local is no program", func(b *bed) {
			b.home.Write("bin/qmail-local", "\x00\x01")
			b.must(os.Chmod(b.home.Path("bin/qmail-local"), 0o755))
		}, "ZInternal qmail-lspawn bug.\n"},
		{"no process for qmail-getpw", func(b *bed) { b.s.start = failing(b.s.start, 1, syscall.EAGAIN) }, "ZTemporary failure in qmail-lspawn.\n"},
		{"setuid to qmailp fails", func(b *bed) { b.s.start = failing(b.s.start, 1, syscall.EPERM) }, "ZInternal qmail-lspawn bug.\n"},
		{"no process for qmail-local", func(b *bed) { b.s.start = failing(b.s.start, 2, syscall.EAGAIN) }, "Zqmail-spawn unable to fork. (#4.3.0)\n"},
		{"no memory for qmail-local", func(b *bed) { b.s.start = failing(b.s.start, 2, syscall.ENOMEM) }, "Zqmail-spawn unable to fork. (#4.3.0)\n"},
		{"setuid fails", func(b *bed) { b.s.start = failing(b.s.start, 2, syscall.EPERM) }, "ZInternal qmail-lspawn bug.\n"},
		{"arguments too long", func(b *bed) { b.s.start = failing(b.s.start, 2, syscall.E2BIG) }, "ZInternal qmail-lspawn bug.\n"},
		{"a panic", func(b *bed) { b.s.start = nil }, "ZInternal qmail-lspawn bug.\n"},
	}
	for _, tt := range tests {
		b := newBed(t)
		tt.spoil(b)
		if got := b.deliver("s", "joe@h"); got != tt.want {
			t.Errorf("%s: report %q, want %q", tt.name, got, tt.want)
		}
	}
}

// failing makes the n-th start fail.
func failing(start func(*child.Cmd, creds.ID) (child.Process, error), n int, errno syscall.Errno) func(*child.Cmd, creds.ID) (child.Process, error) {
	return func(c *child.Cmd, id creds.ID) (child.Process, error) {
		if n--; n == 0 {
			return child.Process{}, sys.NewError("exec", c.Path, errno)
		}
		return start(c, id)
	}
}

func TestReports(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"success", "echo did", "Kdid\n"},
		{"111", "echo later >&2; exit 111", "Zlater\n"},
		{"71", "exit 71", "Z"},
		{"74", "exit 74", "Z"},
		{"75", "exit 75", "Z"},
		{"100", "echo no; exit 100", "Dno\n"},
		{"1", "exit 1", "D"},
		{"127", "exit 127", "D"},
		{"killed", "echo x; kill -9 $$", "Zqmail-local crashed.\n"},
		{"Go run-time", "echo goroutine 1; exit 2", "Zqmail-local crashed.\n"},
		{"112", "echo x; exit 112", "ZInternal qmail-lspawn bug.\n"},
		{"119", "exit 119", "ZOut of memory in qmail-lspawn.\n"},
		{"120", "exit 120", "ZUnable to run qmail-local.\n"},
		{"126", "exit 126", "DUnable to run qmail-local.\n"},
		{"NUL", `printf 'a\000b'; exit 100`, "Da"},
		{"3000 bytes", `head -c 3000 /dev/zero | tr '\0' x`, "K" + strings.Repeat("x", 3000)},
		{"3001 bytes", `head -c 3001 /dev/zero | tr '\0' x; exit 100`, "D" + strings.Repeat("x", 2966) + "\nError report too long, sorry.\n"},
		{"much", `head -c 300000 /dev/zero | tr '\0' x; exit 100`, "D" + strings.Repeat("x", 2966) + "\nError report too long, sorry.\n"},
	}
	b := newBed(t)
	for _, tt := range tests {
		b.local(tt.script)
		if got := b.deliver("s", "joe@h"); got != tt.want {
			t.Errorf("%s: report %.100q (%d bytes), want %.100q (%d)", tt.name, got, len(got), tt.want, len(tt.want))
		}
	}
}

func TestRunFailures(t *testing.T) {
	home := testkit.NewHome(t)
	t.Chdir(t.TempDir()) // Run changes the directory of the whole process
	for _, tt := range []struct {
		home string
		args []string
		want int
	}{
		{home.Dir + "/absent", []string{"qmail-lspawn", "./Mailbox"}, 111},
		{t.TempDir(), []string{"qmail-lspawn", "./Mailbox"}, 111},
		{home.Dir, []string{"qmail-lspawn"}, 100},
	} {
		if got := Run(&prog.Process{Args: tt.args, Home: tt.home}); got != tt.want {
			t.Errorf("Run(%q) in %s = %d, want %d", tt.args, tt.home, got, tt.want)
		}
	}
}

func TestNoAccounts(t *testing.T) {
	testkit.InWorld(t, testkit.World{Bare: true}, func(t *testing.T) {
		home := testkit.NewHome(t)
		r, w, err := sys.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		code := Run(&prog.Process{Args: []string{"qmail-lspawn", "./Mailbox"}, Home: home.Dir, FDs: map[int]sys.FD{2: w}})
		_ = w.Close()
		if text, err := r.ReadAll(1000); code != 111 || string(text) != "fatal: unable to find user qmailp\n" || err != nil {
			t.Errorf("Run without accounts = %d, %q, %v", code, text, err)
		}
	})
}

// TestAsRoot: the programs really run as the user they should.
func TestAsRoot(t *testing.T) {
	world := testkit.World{Users: []testkit.User{{Name: "joe", UID: 5001, GID: 5002, Home: "/home/joe"}}}
	testkit.InWorld(t, world, func(t *testing.T) {
		if err := os.Chmod(filepath.Dir(t.TempDir()), 0o755); err != nil {
			t.Fatal(err)
		}
		home := testkit.NewHome(t)
		mess := testkit.SplitPath("mess", home.AddMessage("message\n"))
		if err := os.Chown(home.Path("queue/"+mess), testkit.UIDQueue, testkit.GIDQmail); err != nil {
			t.Fatal(err)
		}
		const ids = `$(id -u):$(id -g):$(id -G | tr ' ' ,)`
		testkit.Script(t, home.Path("bin/qmail-getpw"), `printf 'joe\0005001\0005002\000/%s\000-\000x\000' "`+ids+`"`)
		testkit.Script(t, home.Path("bin/qmail-local"), `echo "$3 `+ids+`"; cat`)
		commands, in, err := sys.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		out, reports, err := sys.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		b := pipe.DeliveryCommand{Mess: strings.TrimPrefix(mess, "mess/"), Recipient: "joe@h"}.Append(nil)
		_, err = in.Write(b)
		if err := errors.Join(err, in.Close()); err != nil {
			t.Fatal(err)
		}
		p := &prog.Process{
			Args: []string{"qmail-lspawn", "./Mailbox"}, Home: home.Dir, Env: prog.NewEnv([]string{"PATH=/bin:/usr/bin"}),
			FDs: map[int]sys.FD{0: commands, 1: reports},
		}
		if code := Run(p); code != 0 {
			t.Errorf("Run = %d", code)
		}
		got, err := out.ReadAll(10000)
		want := "x\x00K/7793:2108:2108 5001:5002:5002\nmessage\n\x00"
		if string(got) != want || err != nil {
			t.Errorf("reports %q, %v; want %q", got, err, want)
		}
	})
}
