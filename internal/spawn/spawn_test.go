package spawn

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/pipe"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/testkit"
)

// A bed is an engine with a queue and the far ends of its pipes.
type bed struct {
	t       testing.TB
	home    *testkit.Home
	mess    string // name of a good message
	engine  *Engine
	out, in sys.FD // reports, commands
	served  chan struct{}
	wide    bool // the wide protocol was agreed on
}

func newBed(t testing.TB, slots int, deliver func(*Delivery) Verdict) *bed {
	t.Helper()
	b := &bed{t: t, home: testkit.NewHome(t), served: make(chan struct{})}
	n := b.home.AddMessage("message\n")
	b.mess = strings.TrimPrefix(testkit.SplitPath("mess", n), "mess/")
	dir, err := sys.OpenDir(b.home.Path("queue/mess"))
	b.must(err)
	t.Cleanup(func() { _ = dir.Close() })
	b.engine = &Engine{Mess: dir, Owner: uint32(os.Geteuid()), Slots: slots, Deliver: deliver, Bug: Verdict{'Z', "bug"}}
	commands, in, err := sys.Pipe()
	b.must(err)
	out, reports, err := sys.Pipe()
	b.must(err)
	b.in, b.out = in, out
	go func() {
		b.engine.Serve(commands, reports)
		_ = commands.Close()
		close(b.served)
	}()
	return b
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// grant reads the first byte.
func (b *bed) grant() int {
	b.t.Helper()
	var c [1]byte
	if _, err := b.out.Read(c[:]); err != nil {
		b.t.Fatal("no grant byte:", err)
	}
	return int(c[0])
}

// command writes one command.
func (b *bed) command(delnum uint32, mess, sender, rcpt string) {
	b.t.Helper()
	c := pipe.DeliveryCommand{Delnum: delnum, Mess: mess, Sender: sender, Recipient: rcpt}
	bytes := c.Append(nil)
	if b.wide {
		bytes = c.AppendWide(nil)
	}
	_, err := b.in.Write(bytes)
	b.must(err)
}

// report reads one report: its number and the rest.
func (b *bed) report() (int, string) {
	b.t.Helper()
	d := pipe.ReportDecoder{Wide: b.wide}
	var c [1]byte
	for {
		if _, err := b.out.Read(c[:]); err != nil {
			b.t.Fatal("no report:", err)
		}
		if r, ok := d.Push(c[0]); ok {
			return int(r.Delnum), string(r.Letter) + r.Text
		}
	}
}

// end closes the commands and waits for Serve.
func (b *bed) end() {
	b.t.Helper()
	b.must(b.in.Close())
	<-b.served
	_ = b.out.Close()
}

func TestChecks(t *testing.T) {
	b := newBed(t, 120, func(d *Delivery) Verdict {
		return Verdict{'K', d.Sender + "|" + d.Local + "|" + d.Host + "|" + d.Recipient}
	})
	if g := b.grant(); g != 120 {
		t.Errorf("grant = %d, want 120", g)
	}
	other := strings.TrimPrefix(testkit.SplitPath("mess", b.home.AddMessage("x")), "mess/")
	b.must(syscall.Mkfifo(b.home.Path("queue/mess/0/230"), 0o644))
	tests := []struct {
		name, mess, rcpt string
		delnum           int
		want             string
	}{
		{"good", b.mess, "a@b@c.d", 3, "Ks|a@b|c.d|a@b@c.d"},
		{"empty local part", b.mess, "@c.d", 0, "Ks||c.d|@c.d"},
		{"number of slots", b.mess, "a@b", 120, "ZInternal error: delnum too big. (#4.3.5)\n"},
		{"largest number, everything else wrong too", "x", "a", 255, "ZInternal error: delnum too big. (#4.3.5)\n"},
		{"letters", "x/1", "a@b", 5, "DInternal error: messid has nonnumerics. (#5.3.5)\n"},
		{"dots", "../1", "a@b", 5, "DInternal error: messid has nonnumerics. (#5.3.5)\n"},
		{"slash first", "/1", "a@b", 5, "DInternal error: messid has nonnumerics. (#5.3.5)\n"},
		{"letters far behind", strings.Repeat("1", 200) + "x", "a", 5, "DInternal error: messid has nonnumerics. (#5.3.5)\n"},
		{"99 digits", strings.Repeat("1", 99), "a@b", 5, "Zqmail-spawn unable to open message. (#4.3.0)\n"},
		{"100 digits", strings.Repeat("1", 100), "a", 5, "DInternal error: messid too long. (#5.3.5)\n"},
		{"no digits", "", "a", 5, "DInternal error: messid too short. (#5.3.5)\n"},
		{"no host", "0/99999", "a", 5, "DSorry, address must include host name. (#5.1.3)\n"},
		{"no message", "0/99999", "a@b", 5, "Zqmail-spawn unable to open message. (#4.3.0)\n"},
		{"a directory", "3", "a@b", 5, "ZSorry, message has wrong type. (#4.3.5)\n"},
		{"a FIFO", "0/230", "a@b", 5, "ZSorry, message has wrong type. (#4.3.5)\n"},
		{"address over a mebibyte", b.mess, strings.Repeat("x", pipe.CommandMax) + "@y", 6, "Zqmail-spawn out of memory. (#4.3.0)\n"},
		{"after all that", other, "a@b", 119, "Ks|a|b|a@b"},
	}
	for _, tt := range tests {
		go b.command(uint32(tt.delnum), tt.mess, "s", tt.rcpt)
		if n, got := b.report(); n != tt.delnum || got != tt.want {
			t.Errorf("%s: report %d %q, want %d %q", tt.name, n, got, tt.delnum, tt.want)
		}
	}
	b.end()
}

func TestWrongOwner(t *testing.T) {
	b := newBed(t, 1, func(*Delivery) Verdict { return Verdict{'K', ""} })
	b.engine.Owner++
	b.grant()
	b.command(0, b.mess, "", "a@b")
	if n, got := b.report(); n != 0 || got != "ZSorry, message has wrong owner. (#4.3.5)\n" {
		t.Errorf("report %d %q", n, got)
	}
	b.end()
}

// TestSideBySide: a delivery that waits does not hold up others; its slot is
// busy until it ends, and free when its report is read; the end of the commands
// does not end it.
func TestSideBySide(t *testing.T) {
	wait := make(chan string)
	b := newBed(t, 255, func(d *Delivery) Verdict {
		if d.Local == "slow" {
			return Verdict{'K', <-wait}
		}
		return Verdict{'K', d.Local}
	})
	b.grant()
	b.command(0, b.mess, "", "slow@h")
	b.command(1, b.mess, "", "quick@h")
	want := func(num int, text string) {
		t.Helper()
		if n, got := b.report(); n != num || got != text {
			t.Errorf("report %d %q, want %d %q", n, got, num, text)
		}
	}
	want(1, "Kquick")
	b.command(0, b.mess, "", "quick@h")
	want(0, "ZInternal error: delnum in use. (#4.3.5)\n")
	wait <- "one"
	want(0, "Kone")
	b.command(0, b.mess, "", "slow@h") // the number may be used at once
	b.command(254, b.mess, "", "slow@h")
	b.must(b.in.Close())
	wait <- "two"
	wait <- "two"
	n1, got := b.report()
	n2, got2 := b.report()
	if n1+n2 != 254 || got != "Ktwo" || got2 != "Ktwo" {
		t.Errorf("reports %d %q and %d %q after the end of commands", n1, got, n2, got2)
	}
	<-b.served
	if _, err := b.out.Read(make([]byte, 1)); err == nil {
		t.Error("something after the last report")
	}
	_ = b.out.Close()
}

// TestNobodyReads: reports are dropped when nobody reads them, deliveries are not.
func TestNobodyReads(t *testing.T) {
	done := make(chan string, 100)
	b := newBed(t, 255, func(d *Delivery) Verdict { done <- d.Local; return Verdict{'K', ""} })
	b.grant()
	b.must(b.out.Close())
	for i := range 100 {
		b.command(uint32(i), b.mess, "", strconv.Itoa(i)+"@h")
	}
	b.must(b.in.Close())
	<-b.served
	if len(done) != 100 {
		t.Errorf("%d deliveries were done, want 100", len(done))
	}
}

func TestPanic(t *testing.T) {
	b := newBed(t, 2, func(d *Delivery) Verdict { panic("oops") })
	b.grant()
	for range 3 {
		b.command(1, b.mess, "", "a@b")
		if n, got := b.report(); n != 1 || got != "Zbug" {
			t.Errorf("report of a panic: %d %q", n, got)
		}
	}
	b.end()
}

func TestNUL(t *testing.T) {
	b := newBed(t, 1, func(d *Delivery) Verdict { return Verdict{'D', "a\x00b"} })
	b.grant()
	b.command(0, b.mess, "", "a@b")
	if _, got := b.report(); got != "Da" {
		t.Errorf("report %q, want Da", got)
	}
	b.end()
}

// FuzzServe: whatever comes as commands, every complete one gets exactly one
// report with its number, and Serve comes to an end.
func FuzzServe(f *testing.F) {
	f.Add([]byte("\x001/2\x00s\x00r@h\x00\x01x\x00\x00\x00\x03"))
	f.Add([]byte("\xff\x00\x00\x00"))
	f.Add([]byte{})
	dir, err := sys.OpenDir(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var want, got [256]int
		for rest, ok := in, true; ok; {
			var c pipe.DeliveryCommand
			if c, rest, ok = pipe.NextDeliveryCommand(rest); ok {
				want[c.Delnum]++
			}
		}
		commands, w, err := sys.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		r, reports, err := sys.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = w.Write(in); _ = w.Close() }()
		e := &Engine{Mess: dir, Slots: 10, Deliver: func(*Delivery) Verdict { return Verdict{'K', ""} }}
		go e.Serve(commands, reports)
		all, err := r.ReadAll(1 << 24)
		if err != nil || len(all) == 0 || all[0] != 10 {
			t.Fatalf("input %q: output %q, %v", in, all, err)
		}
		var d pipe.ReportDecoder
		for _, c := range all[1:] {
			if rep, ok := d.Push(c); ok {
				got[rep.Delnum]++
			}
		}
		if got != want {
			t.Errorf("input %q: output %q does not answer every command once", in, all)
		}
		_, _ = r.Close(), commands.Close()
	})
}

// open makes a Delivery for tests of Run.
func open(t *testing.T) *Delivery {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m")
	if err := os.WriteFile(path, []byte("message\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := sys.Cwd().Open(path, sys.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &Delivery{message: fd}
}

// shell starts a command as Run wants it.
func shell(command string) func([]sys.FD) (child.Process, error) {
	return func(files []sys.FD) (child.Process, error) {
		return child.Start(&child.Cmd{Path: "/bin/sh", Args: []string{"sh", "-c", command}, Files: files, Env: []string{"PATH=/bin:/usr/bin"}})
	}
}

func TestRun(t *testing.T) {
	tests := []struct {
		name, command, out string
		code               int
		crashed            bool
	}{
		{"output", "cat; echo err >&2; exit 3", "message\nerr\n", 3, false},
		{"nothing", "exit 0", "", 0, false},
		{"killed", "echo x; kill -9 $$", "x\n", 0, true},
		{"closes its output", "exec >&- 2>&-; exit 7", "", 7, false},
		{"background process", "(read x; echo late) </proc/self/fd/0 & exit 5", "late\n", 5, false},
		{"descriptors", "ls /proc/self/fd | tr '\\n' ' '", "0 1 2 3 ", 0, false},
		{"much", "head -c 300000 /dev/zero | tr '\\0' x", strings.Repeat("x", 300000), 0, false},
	}
	for _, tt := range tests {
		d := open(t)
		var out bytes.Buffer
		st, err := d.Run(shell(tt.command), &out)
		if err != nil || st.Crashed() != tt.crashed || !tt.crashed && st.Code() != tt.code || out.String() != tt.out {
			t.Errorf("%s: status %#x, %v, output %.80q; want code %d, crashed %v, %.80q", tt.name, st, err, out.String(), tt.code, tt.crashed, tt.out)
		}
		if d.message != -1 {
			t.Errorf("%s: the message is still open", tt.name)
		}
	}
}

func TestRunFailures(t *testing.T) {
	bad := errors.New("bad")
	start := func(e error) func([]sys.FD) (child.Process, error) {
		return func([]sys.FD) (child.Process, error) { return child.Process{}, e }
	}
	tests := []struct {
		name  string
		start func([]sys.FD) (child.Process, error)
		want  string // of Refused; "" not refused
	}{
		{"no process", start(sys.NewError("fork", "", syscall.EAGAIN)), "qmail-spawn unable to fork. (#4.3.0)\n"},
		{"no memory", start(sys.NewError("fork", "", syscall.ENOMEM)), "qmail-spawn unable to fork. (#4.3.0)\n"},
		{"no program", start(sys.NewError("exec", "", syscall.ENOENT)), ""},
		{"something else", start(bad), ""},
	}
	for _, tt := range tests {
		_, err := open(t).Run(tt.start, &bytes.Buffer{})
		if v, ok := Refused(err); err == nil || ok != (tt.want != "") || v.Text != tt.want {
			t.Errorf("%s: %v, Refused %q, %v", tt.name, err, v, ok)
		}
	}
	// a process that somebody else has waited for
	st, err := open(t).Run(start(nil), &bytes.Buffer{})
	if err != nil || !st.Crashed() {
		t.Errorf("wait fails: status %#x, %v; want one that counts as crashed", st, err)
	}
}

// noFiles makes every new descriptor fail with EMFILE until it is called.
func noFiles(t *testing.T) (restore func()) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoDescriptors(t *testing.T) {
	d := open(t)
	b := newBed(t, 1, func(*Delivery) Verdict { return Verdict{'K', ""} })
	b.grant()
	restore := noFiles(t)
	_, err := d.Run(shell("exit 0"), &bytes.Buffer{})
	b.command(0, b.mess, "", "a@b")
	n, got := b.report()
	restore()
	if v, ok := Refused(err); !ok || v.Text != "qmail-spawn unable to create pipe. (#4.3.0)\n" {
		t.Errorf("Run without descriptors: %v, %q", err, v)
	}
	if n != 0 || got != "Zqmail-spawn unable to open message. (#4.3.0)\n" {
		t.Errorf("command without descriptors: %d %q", n, got)
	}
	d.closeMessage()
	b.end()
}

// TestManyAtOnce: deliveries that wait for their program hold no thread each.
func TestManyAtOnce(t *testing.T) {
	const many = 100
	hold, release, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	b := newBed(t, many, func(d *Delivery) Verdict {
		var out bytes.Buffer
		_, err := d.Run(func(files []sys.FD) (child.Process, error) {
			files[0] = hold // cat ends when release is closed
			p, err := child.Start(&child.Cmd{Path: "/bin/cat", Args: []string{"cat"}, Files: files})
			started <- struct{}{}
			return p, err
		}, &out)
		if err != nil {
			return Verdict{'Z', err.Error()}
		}
		return Verdict{'K', out.String()}
	})
	b.grant()
	for i := range many {
		b.command(uint32(i), b.mess, "", "a@b")
	}
	for range many {
		<-started
	}
	threads, err := sys.Cwd().Names("/proc/self/task")
	if err != nil || len(threads) > many/2 {
		t.Errorf("%d threads for %d deliveries, %v", len(threads), many, err)
	}
	_, _ = hold.Close(), release.Close()
	for range many {
		if _, got := b.report(); got != "K" {
			t.Errorf("report %q", got)
		}
	}
	b.end()
}
