package send

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sig"
	"goqmail/internal/testkit"
)

const (
	local  = queue.ChanLocal
	remote = queue.ChanRemote
)

// TestJourney follows one message with three recipients from todo to its end.
func TestJourney(t *testing.T) {
	b := newBed(t)
	got := b.recorder("0")
	b.start(120, 120)
	b.logged("status: local 0/10 remote 0/20", 1)
	id := b.inject("own-@mx.example.test-@[]", "a@mx.example.test", "b@far.test", "c")
	want := func(ch queue.Channel, n uint32, sender, rcpt string) {
		t.Helper()
		if c := b.command(ch); c != (pipe.DeliveryCommand{Delnum: n, Mess: id.Split(), Sender: sender, Recipient: rcpt}) {
			t.Errorf("%v command %+v", ch, c)
		}
	}
	want(local, 0, "own-a=mx.example.test@mx.example.test", "a@mx.example.test")
	want(local, 1, "own-c=mx.example.test@mx.example.test", "c@mx.example.test")
	want(remote, 0, "own-b=far.test@mx.example.test", "b@far.test")
	if f := b.file(queue.Info, id); f != "Fown-@mx.example.test-@[]\x00" {
		t.Errorf("info %q", f)
	}
	b.report(local, 1, 'K', "done\n")
	b.until("the mark", func() bool { return b.file(queue.Local, id) == "Ta@mx.example.test\x00Dc@mx.example.test\x00" })
	for _, c := range []byte("\x00Dnever\n\x00") { // byte by byte
		_, err := b.reports[local].Write([]byte{c})
		check(t, err)
	}
	b.until("local/N to go", func() bool { return !b.has(queue.Local, id) })
	if f := b.file(queue.Bounce, id); f != "<a@mx.example.test>:\nnever\n\n" {
		t.Errorf("bounce %q", f)
	}
	b.report(remote, 0, 'Z', "later\n")
	b.logged("delivery 2: deferral: later/", 1)
	b.idle(remote)
	b.signals <- 0 // unknown signals do nothing
	b.advance(399)
	b.idle(remote)
	b.advance(10) // the message was born by the real clock
	want(remote, 0, "own-b=far.test@mx.example.test", "b@far.test")
	b.report(remote, 0, 'K', "ok\n")
	b.gone(id)
	if e := read(t, got+"/1"); e != "F\x00Town-@mx.example.test\x00\x00" {
		t.Errorf("envelope of the bounce %q", e)
	}
	if r := b.clean.requests(); r != fmt.Sprintf("todo/%d foop/%d", id, id) {
		t.Errorf("requests %q", r)
	}
	b.leave()
	log := strings.Split(b.log.all(), "\n")
	var mine []string
	for _, l := range log {
		if strings.HasPrefix(l, "bounce msg") {
			l, _, _ = strings.Cut(l, " qp ")
		}
		mine = append(mine, l)
	}
	n := id.String()
	for _, order := range [][]string{
		{"new msg " + n, "info msg " + n + ": bytes 25 from <own-@mx.example.test-@[]> qp 6011 uid 7791",
			"starting delivery 1: msg " + n + " to local a@mx.example.test", "status: local 1/10 remote 0/20",
			"delivery 1: failure: never/", "bounce msg " + n, "end msg " + n, "status: exiting"},
		{"delivery 2: deferral: later/", "starting delivery 4: msg " + n + " to remote b@far.test",
			"status: local 0/10 remote 1/20", "delivery 4: success: ok/", "status: local 0/10 remote 0/20", "end msg " + n},
	} {
		at := 0
		for _, l := range mine {
			if at < len(order) && l == order[at] {
				at++
			}
		}
		if at < len(order) {
			t.Errorf("not in order: %q; log:\n%s", order[at], strings.Join(log, "\n"))
		}
	}
}

// TestAlternation: one start for each channel and turn, lowest number first.
func TestAlternation(t *testing.T) {
	b := newBed(t)
	var in []string
	for i := range 4 {
		in = append(in, fmt.Sprintf("l%d@mx.example.test", i), fmt.Sprintf("r%d@far.test", i))
	}
	id := b.inject("s@a", in...)
	b.start(3, 2)
	for i := range 3 {
		if c := b.command(local); c.Delnum != uint32(i) || c.Recipient != fmt.Sprintf("l%d@mx.example.test", i) {
			t.Errorf("local command %+v", c)
		}
	}
	for i := range 2 {
		if c := b.command(remote); c.Delnum != uint32(i) {
			t.Errorf("remote command %+v", c)
		}
	}
	b.idle(local)
	b.idle(remote)
	b.report(local, 1, 'Z', "")
	if c := b.command(local); c.Delnum != 1 || c.Recipient != "l3@mx.example.test" {
		t.Errorf("after 1 was free: %+v", c)
	}
	for _, l := range []string{
		fmt.Sprintf("starting delivery 1: msg %d to local l0@", id), fmt.Sprintf("starting delivery 2: msg %d to remote r0@", id),
		"status: local 3/3 remote 2/2",
	} {
		b.until(l, func() bool { return strings.Contains(b.log.all(), l) })
	}
	log := b.log.all()
	if strings.Contains(log, "local 4/3") || strings.Contains(log, "remote 3/2") {
		t.Errorf("too many deliveries:\n%s", log)
	}
}

// TestReports sends reports of all kinds for one delivery.
func TestReports(t *testing.T) {
	const range_ = "warning: internal error: delivery report out of range"
	long := strings.Repeat("y", 20000)
	tests := []struct {
		name, bytes, log, local, bounce string
	}{
		{"success", "\x00Kok\n\x00", "delivery 1: success: ok/", "-", "-"},
		{"success without text", "\x00K\x00", "delivery 1: success: ", "-", "-"},
		{"deferral", "\x00Zno\x00", "delivery 1: deferral: no", "T", "-"},
		{"mangled", "\x00Qwhat\n\x00", "delivery 1: report mangled, will defer", "T", "-"},
		{"no letter", "\x00\x00", "delivery 1: report mangled, will defer", "T", "-"},
		{"unsafe bytes", "\x00Za b%\xff\n\x00", "delivery 1: deferral: a_b__/", "T", "-"},
		{"too long", "\x00Z" + long + "\x00", "delivery 1: deferral: " + long[:9998], "T", "-"},
		{"unused", "\x01Kx\x00\x00Kok\x00", range_, "-", "-"},
		{"out of range", "\xffKx\x00\x00Kok\x00", range_, "-", "-"},
		{"twice", "\x00Kok\x00\x00Kok\x00", range_, "-", "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			id := b.inject("s@a", "x@mx.example.test")
			b.start(2, 1)
			b.command(local)
			_, err := b.reports[local].Write([]byte(tt.bytes))
			check(t, err)
			b.logged(tt.log, 1)
			b.until("the slot to be free", func() bool { return b.log.count("status: local 0/2 remote 0/1") >= 2 })
			b.settle()
			if tt.local == "-" {
				b.gone(id)
			} else if f := b.file(queue.Local, id); f != tt.local+"x@mx.example.test\x00" {
				t.Errorf("local %q", f)
			}
		})
	}
}

// FuzzReports: whatever a spawner writes, qmail-send goes on, and only a K or a
// D for a delivery that runs can mark its recipient.
func FuzzReports(f *testing.F) {
	for _, s := range []string{"\x00Kok\x00", "\x00Zno\x00", "\x00Dno\x00", "\x01Kok\x00", "\x00\x00\x00", "\xff\xff\xff", "K\x00K\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		s := &server{log: &logger{to: new(strings.Builder)}, set: &settings{}}
		s.routes.Store(testRoutes())
		dir := t.TempDir()
		check(t, os.MkdirAll(dir+"/local/1", 0o700))
		check(t, os.WriteFile(dir+"/local/1/24", []byte("Ta@b\x00Tc@d\x00"), 0o600))
		q, err := sys.OpenDir(dir)
		check(t, err)
		defer func() { _ = q.Close() }()
		s.queue, s.now = q, fixedNow
		s.channels = [...]*channel{newChannel(local, 3), newChannel(remote, 3)}
		s.setLimits([...]int{3, 3})
		c := s.channels[local]
		j := s.openJob(24, c, "s@a", 0, 0)
		for i, at := range []int64{0, 5} {
			j.open++
			s.start(j, []string{"a@b", "c@d"}[i], at)
			<-c.commands
		}
		var d pipe.ReportDecoder
		want := [2]bool{}
		running := [2]bool{true, true}
		for _, x := range bytes {
			r, ok := d.Push(x)
			if !ok {
				continue
			}
			if int(r.Delnum) < len(running) && running[r.Delnum] {
				running[r.Delnum] = false
				want[r.Delnum] = r.Letter == 'K'
			}
			s.report(c, r)
		}
		got, err := os.ReadFile(dir + "/local/1/24")
		check(t, err)
		for i, at := range []int{0, 5} {
			if (got[at] == 'D') != want[i] {
				t.Errorf("after %q the file is %q, want marks %v", bytes, got, want)
			}
		}
	})
}

// TestDying: the last attempt turns deferrals into failures.
func TestDying(t *testing.T) {
	b := newBed(t)
	b.Control("queuelifetime", "300\n")
	b.recorder("0")
	old := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "", "")
	young := b.queued("Fs@a\x00", "Ty@mx.example.test\x00", "", "")
	now := b.now.Load()
	b.setTime(queue.Info, old, now-301)
	b.setTime(queue.Info, young, now-300)
	b.start(2, 2)
	for range 2 {
		c := b.command(local)
		b.report(local, c.Delnum, 'Z', "not now\n")
	}
	b.gone(old)
	b.until("both reports", func() bool { return strings.Contains(b.log.all(), ": deferral: not_now/\n") })
	log := b.log.all()
	if !strings.Contains(log, ": failure: not_now/I'm_not_going_to_try_again;_this_message_has_been_in_the_queue_too_long./\n") ||
		!strings.Contains(log, ": deferral: not_now/\n") {
		t.Errorf("log:\n%s", log)
	}
	if f := b.file(queue.Local, young); f != "Ty@mx.example.test\x00" {
		t.Errorf("local of the young message %q", f)
	}
}

// setTime sets a file's times.
func (b *bed) setTime(k queue.Kind, id queue.ID, sec int64) {
	b.t.Helper()
	q, err := sys.OpenDir(b.Queue())
	check(b.t, err)
	defer func() { _ = q.Close() }()
	check(b.t, q.Chtimes(k.Path(id), sec, sec))
}

// unopenable puts something at path that can be looked at but not opened.
func unopenable(t *testing.T, path string) {
	t.Helper()
	check(t, os.Remove(path))
	check(t, syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0))
}

// TestPassTrouble: files that cannot be opened or read are tried again.
func TestPassTrouble(t *testing.T) {
	const rcpt = "Tx@mx.example.test\x00"
	tests := []struct {
		name, warning string
		kind          queue.Kind
		fail          func(b *bed, path string)
		isRequeued    bool // for sleepSysfail; else the message waits for its next attempt
	}{
		{"open", "warning: trouble opening %s; will try again later", queue.Local, func(b *bed, path string) {
			unopenable(b.t, path)
		}, true},
		{"open info", "warning: trouble opening %s; will try again later", queue.Info, func(b *bed, path string) {
			unopenable(b.t, path)
		}, true},
		{"info without sender", "warning: trouble reading %s; will try again later", queue.Info, func(b *bed, path string) {
			check(b.t, os.WriteFile(path, nil, 0o600))
		}, true},
		{"info with another record", "warning: trouble reading %s; will try again later", queue.Info, func(b *bed, path string) {
			check(b.t, os.WriteFile(path, []byte("Ts@a\x00"), 0o600))
		}, true},
		{"read", "warning: trouble reading %s; will try again later", queue.Local, func(b *bed, path string) {
			check(b.t, os.Remove(path))
			check(b.t, os.Mkdir(path, 0o700)) // opens, but cannot be read
		}, false},
		{"unknown record", "warning: unknown record type in %s!", queue.Local, func(b *bed, path string) {
			check(b.t, os.WriteFile(path, []byte("Dy@z\x00Xx@mx.example.test\x00"), 0o600))
		}, false},
		{"empty record", "warning: unknown record type in %s!", queue.Local, func(b *bed, path string) {
			check(b.t, os.WriteFile(path, []byte("\x00"), 0o600))
		}, false},
		{"endless record", "warning: trouble reading %s; will try again later", queue.Local, func(b *bed, path string) {
			check(b.t, os.WriteFile(path, []byte("T"+strings.Repeat("x", maxRecord+4096)), 0o600))
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			id := b.queued("Fs@a\x00", rcpt, "", "")
			path := b.path(tt.kind, id)
			tt.fail(b, path)
			b.start(1, 1)
			b.logged(fmt.Sprintf(tt.warning, tt.kind.Path(id)), 1)
			b.advance(sleepSysfail - 1)
			b.idle(local)
			check(t, os.RemoveAll(path))
			b.Write("queue/"+tt.kind.Path(id), map[queue.Kind]string{queue.Info: "Fs@a\x00", queue.Local: "Dy@z\x00" + rcpt}[tt.kind])
			if tt.isRequeued {
				b.advance(1)
			} else {
				b.idle(local)
				b.signals <- sig.ALRM
			}
			if c := b.command(local); c.Recipient != "x@mx.example.test" {
				t.Errorf("command %+v", c)
			}
		})
	}
}

// TestMarkTrouble: a mark that cannot be written is warned of.
func TestMarkTrouble(t *testing.T) {
	b := newBed(t)
	id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00Ty@mx.example.test\x00", "", "")
	b.start(1, 1)
	c := b.command(local)
	check(t, os.Remove(b.path(queue.Local, id)))
	testkit.Looping(t, b.path(queue.Local, id))
	b.report(local, c.Delnum, 'K', "")
	b.logged(fmt.Sprintf("warning: trouble marking local/%s; message will be delivered twice!", id.Split()), 1)
}

// TestUnlinkTrouble: a finished channel file that cannot be unlinked is tried
// again, without delivering anything again.
func TestUnlinkTrouble(t *testing.T) {
	b := newBed(t)
	id := b.queued("Fs@a\x00", "Dx@mx.example.test\x00", "", "")
	path := b.path(queue.Local, id)
	check(t, os.Remove(path))
	check(t, os.Symlink(b.Path("elsewhere"), path))
	b.Write("elsewhere", "Dx@mx.example.test\x00")
	dir := b.Queue() + "/local/" + id.Sub()
	isUser := testkit.ReadOnly(t, dir)
	b.start(1, 1)
	if isUser { // root is not stopped by a mode
		b.logged(fmt.Sprintf("warning: unable to unlink local/%s; will try again later", id.Split()), 1)
		check(t, os.Chmod(dir, 0o700))
		b.advance(sleepSysfail)
	}
	b.gone(id)
	b.idle(local)
}
