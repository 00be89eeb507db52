package send

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sig"
	"goqmail/internal/testkit"
)

// TestStartFailures: each thing that can be wrong at the start has its alert
// and exit 111.
func TestStartFailures(t *testing.T) {
	const start = "alert: cannot start: "
	rename := func(name string) func(*bed) {
		return func(b *bed) {
			check(b.t, os.Rename(b.Path(name), b.Path(name+".x")))
			b.t.Cleanup(func() { check(b.t, os.Rename(b.Path(name+".x"), b.Path(name))) })
		}
	}
	bad := func(name string) func(*bed) {
		return func(b *bed) {
			testkit.Looping(b.t, b.Path("control/"+name))
			b.t.Cleanup(func() { check(b.t, os.Remove(b.Path("control/"+name))) })
		}
	}
	tests := []struct {
		name, want string
		fail       func(b *bed)
	}{
		{"no home", "unable to switch to home directory", func(b *bed) { b.p.Home += "/none" }},
		{"no control", "unable to read controls", rename("control")},
		{"no locals and no me", "unable to read controls", rename("control/me")},
		{"locals", "unable to read controls", bad("locals")},
		{"queuelifetime", "unable to read controls", bad("queuelifetime")},
		{"concurrencylocal", "unable to read controls", bad("concurrencylocal")},
		{"concurrencyremote", "unable to read controls", bad("concurrencyremote")},
		{"envnoathost", "unable to read controls", bad("envnoathost")},
		{"bouncefrom", "unable to read controls", bad("bouncefrom")},
		{"bouncehost", "unable to read controls", bad("bouncehost")},
		{"doublebouncehost", "unable to read controls", bad("doublebouncehost")},
		{"doublebounceto", "unable to read controls", bad("doublebounceto")},
		{"percenthack", "unable to read controls", bad("percenthack")},
		{"virtualdomains", "unable to read controls", bad("virtualdomains")},
		{"no queue", "unable to switch to queue directory", rename("queue")},
		{"no mutex", "unable to open mutex", rename("queue/lock/sendmutex")},
		{"running", "qmail-send is already running", func(b *bed) {
			q, err := sys.OpenDir(b.Queue())
			check(b.t, err)
			fd, err := q.Open(queue.LockSendMutex, sys.WriteOnly, 0)
			check(b.t, err)
			check(b.t, fd.TryLock())
			b.t.Cleanup(func() { _, _ = fd.Close(), q.Close() })
		}},
		{"no lspawn", "hath the daemon spawn no fire?", func(b *bed) { check(b.t, b.reports[local].Close()) }},
		{"no rspawn", "hath the daemon spawn no fire?", func(b *bed) {
			_, err := b.reports[local].Write([]byte{1})
			check(b.t, err)
			check(b.t, b.reports[remote].Close())
		}},
	}
	home := testkit.NewHome(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBedIn(t, home)
			tt.fail(b)
			if code := Run(b.p); code != exitStart {
				t.Errorf("Run() = %d, want %d", code, exitStart)
			}
			b.logged(start+tt.want, 1)
		})
	}
}

// TestRun runs the program as a whole: its directory, real signals, exit 0.
func TestRun(t *testing.T) {
	t.Chdir(t.TempDir())
	b := newBed(t)
	for _, fd := range b.reports {
		_, err := fd.Write([]byte{120})
		check(t, err)
	}
	code := make(chan int)
	go func() { code <- Run(b.p) }()
	b.logged("status: local 0/10 remote 0/20", 1)
	if dir, err := os.Getwd(); err != nil || dir != b.Queue() {
		t.Errorf("directory %q %v, want %q", dir, err, b.Queue())
	}
	check(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	select {
	case c := <-code:
		if c != exitOK {
			t.Errorf("Run() = %d, want %d", c, exitOK)
		}
	case <-time.After(patience):
		t.Fatal("qmail-send does not obey SIGTERM")
	}
	b.logged("status: exiting", 1)
	for _, end := range append(b.reports[:], b.clean.w) {
		_ = end.Close()
	}
}

func TestControls(t *testing.T) {
	h := testkit.NewHome(t)
	h.Control("me", "mx.example.test \n")
	read := func() string {
		t.Helper()
		set, rt, err := readControls(h.Dir)
		check(t, err)
		ch, _ := rt.rewrite("x@local.test")
		return fmt.Sprintf("%d %v %s %s %s %s %v", set.lifetime, set.concurrency,
			set.envnoathost, set.bouncefrom, set.bouncehost, set.doublebounce, ch)
	}
	const m = " mx.example.test"
	if got, want := read(), "604800 [10 20]"+m+" MAILER-DAEMON"+m+" postmaster@mx.example.test remote"; got != want {
		t.Errorf("defaults: %q, want %q", got, want)
	}
	for name, text := range map[string]string{
		"queuelifetime": "3000000000\n", "concurrencylocal": "-1\n", "concurrencyremote": "7x\n", "envnoathost": "e\n",
		"bouncefrom": "B O\t \n", "bouncehost": "bh", "doublebouncehost": "dh\n", "doublebounceto": "\n", "locals": "local.test\n",
	} {
		h.Control(name, text)
	}
	if got, want := read(), "2147483647 [10 7] e B O bh @dh local"; got != want {
		t.Errorf("all set: %q, want %q", got, want)
	}
	h.Control("locals", "")
	check(t, os.Remove(h.Path("control/me")))
	for _, n := range []string{"envnoathost", "bouncehost", "doublebouncehost"} {
		check(t, os.Remove(h.Path("control/"+n)))
	}
	if got, want := read(), "2147483647 [10 7] envnoathost B O bouncehost @doublebouncehost remote"; got != want {
		t.Errorf("without me: %q, want %q", got, want)
	}
}

// TestGrant: the spawner's byte bounds the control file's number.
func TestGrant(t *testing.T) {
	tests := []struct {
		control string
		byte    byte
		want    string
	}{
		{"300", 120, "120"}, {"5", 120, "5"}, {"0", 120, "0"}, {"5", 0, "0"}, {"4000000000", 255, "255"}, {"", 1, "1"},
	}
	for _, tt := range tests {
		b := newBed(t)
		b.Control("concurrencylocal", tt.control+"\n")
		b.start(tt.byte, 1)
		b.logged("status: local 0/"+tt.want+" remote 0/1", 1)
		b.leave()
	}
}

// TestHangup: of what says where mail goes, locals and virtualdomains are read
// again, nothing else is, and on failure both stay as they were.
func TestHangup(t *testing.T) {
	b := newBed(t)
	b.start(1, 1)
	where := func(rcpt string) string {
		ch := make(chan string, 1)
		b.s.post(callback(func() {
			c, got := b.s.routes.Load().rewrite(rcpt)
			ch <- c.String() + " " + got
		}))
		return <-ch
	}
	hup := func() { b.signals <- sig.HUP; b.settle() }
	expect := func(rcpt, want string) {
		t.Helper()
		if got := where(rcpt); got != want {
			t.Errorf("%s goes %s, want %s", rcpt, got, want)
		}
	}
	b.Control("locals", "new.test\n")
	b.Control("virtualdomains", "v.test:joe\n")
	b.Control("percenthack", "new.test\n")
	b.Control("envnoathost", "new.test\n")
	check(t, os.Remove(b.Path("control/me"))) // it is not read again, whatever it is
	testkit.Looping(t, b.Path("control/me"))
	expect("x@new.test", "remote x@new.test")
	hup()
	expect("x@new.test", "local x@new.test")
	expect("x@v.test", "local joe-x@v.test")
	expect("a%b@new.test", "local a%b@new.test")
	expect("noat", "remote noat@mx.example.test")
	for _, tt := range []struct{ file, alert string }{
		{"control/locals", "alert: unable to reread control/locals"},
		{"control/virtualdomains", "alert: unable to reread control/virtualdomains"},
		{"control", "alert: unable to reread control/locals"},
		{"", "alert: unable to reread controls: unable to switch to home directory"},
	} {
		path := strings.TrimSuffix(b.Path(tt.file), "/")
		check(t, os.Rename(path, path+".x"))
		if tt.file == "control/locals" { // what could be read must not count either
			b.Control("virtualdomains", "")
		}
		if tt.file != "" && tt.file != "control" {
			testkit.Looping(t, path)
		}
		had := b.log.count(tt.alert)
		hup()
		b.logged(tt.alert, had+1)
		expect("x@new.test", "local x@new.test")
		expect("x@v.test", "local joe-x@v.test")
		_ = os.Remove(path)
		check(t, os.Rename(path+".x", path))
		b.Control("virtualdomains", "v.test:joe\n")
	}
	check(t, os.Remove(b.Path("control/locals")))
	check(t, os.Remove(b.Path("control/virtualdomains")))
	hup()
	expect("x@mx.example.test", "local x@mx.example.test") // me as it was at the start
	expect("x@v.test", "remote x@v.test")
}

// TestAlarm: everything waiting is due at once, and only that.
func TestAlarm(t *testing.T) {
	b := newBed(t)
	now := b.now.Load()
	id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "Tr@far.test\x00", "")
	b.setTime(queue.Info, id, now)
	b.setTime(queue.Local, id, now+5000)
	b.setTime(queue.Remote, id, now+5000)
	b.start(1, 1)
	b.idle(local)
	b.idle(remote)
	b.signals <- sig.ALRM
	b.command(local)
	b.command(remote)
	b.report(local, 0, 'Z', "")
	b.logged("delivery 1: deferral: ", 1)
	b.idle(local)
	b.advance(99)
	b.idle(local)
	b.advance(1)
	b.command(local)
}

// TestAlarmWhileStoring: the log has told that all deliveries are over, so an
// alarm counts for the message, although the text of a failure is not on disk.
func TestAlarmWhileStoring(t *testing.T) {
	b := newBed(t)
	id := b.queued("Fs@a\x00", "", "Tbad@h\x00Tlater@h\x00", "")
	disk := make(chan bool)
	b.start(1, 2, func(s *server) {
		s.fsync = func(sys.FD) error { <-disk; return nil }
		s.fsyncDir = func(string) error { return nil }
	})
	b.command(remote)
	b.command(remote)
	b.report(remote, 0, 'D', "no\n")
	b.report(remote, 1, 'Z', "later\n")
	b.logged("delivery 2: deferral: later/", 1)
	b.advance(0)
	b.signals <- sig.ALRM
	b.advance(0)
	b.until("the alarm", func() bool { return len(b.signals) == 0 })
	b.advance(0)
	close(disk)
	c := b.command(remote)
	if c.Recipient != "later@h" {
		t.Errorf("command %+v", c)
	}
	b.report(remote, c.Delnum, 'K', "")
	b.until("the end", func() bool { return !b.has(queue.Remote, id) })
}

// TestLostSpawner: deliveries of the other channel are waited for, those of the
// lost one are not.
func TestLostSpawner(t *testing.T) {
	for _, how := range []string{"report pipe", "command pipe"} {
		t.Run(how, func(t *testing.T) {
			b := newBed(t)
			id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00Ty@mx.example.test\x00", "Tr@far.test\x00", "")
			b.start(2, 1)
			b.command(remote)
			b.command(local)
			b.command(local)
			if how == "report pipe" {
				check(t, b.reports[local].Close())
			} else {
				b.s.post(commandWritten{b.s.channels[local], sys.ErrTimeout})
			}
			b.logged("alert: oh no! lost spawn connection! dying...", 1)
			b.settle()
			select {
			case <-b.ended:
				t.Fatal("qmail-send did not wait for the remote delivery")
			default:
			}
			b.report(remote, 0, 'K', "")
			b.waitEnd()
			b.logged("delivery 2: success: ", 1)
			if f := b.file(queue.Local, id); f != "Tx@mx.example.test\x00Ty@mx.example.test\x00" {
				t.Errorf("local %q", f)
			}
			b.logged("alert: oh no! lost spawn connection! dying...", 1)
		})
	}
}

// TestLostClean: an idle qmail-send does not notice; the next request does.
func TestLostClean(t *testing.T) {
	for _, when := range []string{"todo", "foop"} {
		t.Run(when, func(t *testing.T) {
			b := newBed(t)
			b.clean.set(func(r pipe.CleanRequest) byte {
				if r.Todo == (when == "todo") {
					check(t, b.clean.w.Close())
					return 0
				}
				return byte(pipe.CleanDone)
			})
			b.start(1, 1, filed)
			id := b.inject("s@a", "x@mx.example.test")
			if when == "foop" {
				b.command(local)
				b.report(local, 0, 'K', "")
			}
			b.waitEnd()
			b.logged("alert: oh no! lost qmail-clean connection! dying...", 1)
			if !b.has(queue.Mess, id) || (!b.has(queue.Todo, id)) != (when == "foop") {
				t.Errorf("left: %q", b.Files())
			}
		})
	}
}

// TestFoopFails: the message ended; what is left is rubbish for later.
func TestFoopFails(t *testing.T) {
	b := newBed(t)
	b.clean.set(func(pipe.CleanRequest) byte { return byte(pipe.CleanFail) })
	id := b.queued("Fs@a\x00", "", "", "")
	b.start(1, 1)
	b.logged(fmt.Sprintf("warning: qmail-clean unable to clean up foop/%d", id), 1)
	b.advance(sleepSysfail)
	b.settle()
	b.logged(fmt.Sprintf("end msg %d", id), 1)
	if got := strings.Join(b.Files(), " "); got != queue.Mess.Path(id) {
		t.Errorf("left: %s", got)
	}
}

// TestLeftovers starts on what crashes, and a clean stop of C qmail, leave.
func TestLeftovers(t *testing.T) {
	b := newBed(t)
	got := b.recorder("0")
	now := b.now.Load()
	allDone := b.queued("Fs@a\x00", "Dx@mx.example.test\x00", "", "<x@mx.example.test>:\nleft by a crash\n\n")
	noChannels := b.queued("Fs@a\x00", "", "", "")
	half := b.queued("Fs@a\x00", "Dh@mx.example.test\x00Ti@mx.example.test\x00", "", "")
	later := b.queued("Fs@a\x00", "", "Tr@far.test\x00", "")
	b.setTime(queue.Remote, later, now+60)
	inTodo := b.put("s@a", "t@mx.example.test")
	b.Write("queue/"+queue.Info.Path(inTodo), "Fs@a\x00")
	orphan := queue.ID(b.AddMessage("x"))
	b.Write("queue/info/0/name", "F\x00")
	b.Write("queue/info/0/1", "Fs@a\x00") // in the wrong subdirectory
	b.start(5, 5)
	for range 2 {
		switch c := b.command(local); c.Recipient {
		case "i@mx.example.test", "t@mx.example.test":
			b.report(local, c.Delnum, 'K', "")
		default:
			t.Errorf("command %+v", c)
		}
	}
	for _, id := range []queue.ID{allDone, noChannels, half, inTodo} {
		b.gone(id)
	}
	b.idle(remote)
	b.advance(60)
	b.command(remote)
	if m := read(t, got+"/0"); !strings.Contains(m, "<x@mx.example.test>:\nleft by a crash\n\n--- Below this line is a copy") {
		t.Errorf("bounce:\n%s", m)
	}
	if !b.has(queue.Mess, orphan) {
		t.Error("a fresh message without todo and info was removed")
	}
}

// TestInfoUnknown: files that cannot be looked at at the start are looked at
// again.
func TestInfoUnknown(t *testing.T) {
	tests := map[queue.Kind]string{
		queue.Info:   "warning: trouble opening %s; will try again later",
		queue.Local:  "warning: unable to stat %s; will try again later",
		queue.Remote: "warning: unable to stat %s; will try again later",
	}
	for k, want := range tests {
		t.Run(string(k), func(t *testing.T) {
			b := newBed(t)
			id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "", "")
			path := b.path(k, id)
			_ = os.Rename(path, path+".x")
			testkit.Looping(t, path)
			b.start(1, 1)
			b.logged(fmt.Sprintf(want, k.Path(id)), 1)
			b.idle(local)
			check(t, os.Remove(path))
			_ = os.Rename(path+".x", path)
			b.advance(sleepSysfail)
			b.command(local)
		})
	}
}

// TestOtherChannelUnknown: finish looks again.
func TestOtherChannelUnknown(t *testing.T) {
	b := newBed(t)
	id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "", "")
	b.start(1, 1)
	b.command(local)
	testkit.Looping(t, b.path(queue.Remote, id))
	b.report(local, 0, 'K', "")
	b.logged("warning: unable to stat "+queue.Remote.Path(id), 1)
	b.logged("warning: unable to stat "+queue.Remote.Path(id)+"; will try again later", 1)
	b.settle()
	check(t, os.Remove(b.path(queue.Remote, id)))
	b.advance(sleepSysfail)
	b.gone(id)
}

// TestInfoDirectory: the start waits for a directory, but obeys TERM.
func TestInfoDirectory(t *testing.T) {
	b := newBed(t)
	dir := filepath.Join(b.Queue(), "info/3")
	check(t, os.Rename(dir, dir+".x"))
	b.start(1, 1, func(s *server) { s.pauseTime = time.Hour })
	b.until("the alert", func() bool { return b.log.count("alert: unable to opendir info/3, sleeping...") > 0 })
	b.leave()
}

// TestCleanup: what is older than 36 hours by its access time and has neither
// todo nor info goes; nothing else.
func TestCleanup(t *testing.T) {
	b := newBed(t)
	now := b.now.Load()
	make := func(age int64, k queue.Kind) queue.ID {
		id := queue.ID(b.AddMessage("x"))
		if k != "" {
			b.Write("queue/"+k.Path(id), "junk")
		}
		b.setTime(queue.Mess, id, now-age)
		return id
	}
	old := make(queue.Ossified+1, "")
	oldIntd := make(queue.Ossified+1, queue.Intd)
	keep := []queue.ID{make(queue.Ossified, ""), make(0, queue.Intd), make(queue.Ossified+1, queue.Info), make(queue.Ossified+1, queue.Todo)}
	loop := make(queue.Ossified+1, "")
	testkit.Looping(t, b.path(queue.Info, loop)) // nobody knows
	b.Write("queue/mess/0/junk", "")
	b.setTime(queue.Mess, keep[0], now-queue.Ossified)
	b.start(0, 0)
	b.gone(old)
	b.gone(oldIntd)
	b.s.stopCleanup(t, b)
	for _, id := range append(keep, loop) {
		if !b.has(queue.Mess, id) {
			t.Errorf("message %d of %v is gone", id, keep)
		}
	}
}

// stopCleanup waits until the goroutines have looked at everything once.
func (s *server) stopCleanup(t *testing.T, b *bed) {
	t.Helper()
	done := make(chan struct{})
	go func() { s.cleanMess(); close(done) }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("clean-up does not end; log:\n%s", b.log.all())
	}
}
