package send

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"goqmail/internal/queue"
	"goqmail/internal/sys/sig"
	"goqmail/internal/testkit"
)

// recipients joins recipients to the content of a file in remote/.
func recipients(rcpts ...string) string { return "T" + strings.Join(rcpts, "\x00T") + "\x00" }

// expect checks the recipients of the next remote commands, and that no other comes.
// It returns the delivery number of the last.
func (b *bed) expect(rcpts ...string) (delnum uint32) {
	b.t.Helper()
	for _, want := range rcpts {
		c := b.command(remote)
		if c.Recipient != want {
			b.t.Errorf("command for %s, want %s", c.Recipient, want)
		}
		delnum = c.Delnum
	}
	for range 5 { // a turn of the loop is one step of one message
		b.idle(remote)
	}
	return delnum
}

// sorted injects a message and waits until qmail-send has done with it what it can.
func (b *bed) sorted(rcpts ...string) queue.ID {
	b.t.Helper()
	id := b.inject("s@a", rcpts...)
	b.until("preprocessing", func() bool {
		is := make(chan bool, 1)
		b.s.post(callback(func() { is <- b.s.channels[remote].knows(id) }))
		return <-is
	})
	b.settle()
	return id
}

// knows tells whether a message is being delivered, or waits in a line.
func (c *channel) knows(id queue.ID) bool {
	for _, d := range c.slots {
		if d.job != nil && d.job.id == id {
			return true
		}
	}
	for _, d := range c.dests.all {
		for _, w := range d.line {
			if w.id == id {
				return true
			}
		}
	}
	return false
}

// ends reports on a remote delivery and waits until that has its effect.
func (b *bed) ends(delnum uint32, letter byte) {
	b.t.Helper()
	number := make(chan uint64, 1)
	b.s.post(callback(func() { number <- b.s.channels[remote].slots[delnum].number }))
	line := fmt.Sprintf("delivery %d: ", <-number)
	b.report(remote, delnum, letter, "not now\n")
	b.until(line, func() bool { return strings.Contains("\n"+b.log.all(), "\n"+line) })
	b.settle()
}

// deferred expects the delivery to one recipient and defers it.
func (b *bed) deferred(rcpt string) {
	b.t.Helper()
	b.ends(b.expect(rcpt), 'Z')
}

// TestDomainLimit: a domain has no more deliveries than it may, and others go on, in
// the same message and in others.
func TestDomainLimit(t *testing.T) {
	b := newBed(t)
	b.Control("concurrencydomains", "slow.test:2\n")
	b.start(9, 9)
	b.advance(10) // the times of files are those of the real clock
	first := b.sorted("1@slow.test", "2@SLOW.test", "3@slow.test", "a@fast.test", "4@slow.Test", "b@fast.test", "5@slow.test")
	b.expect("1@slow.test", "2@SLOW.test", "a@fast.test", "b@fast.test")
	b.logged("status: local 0/9 remote 4/9", 1)
	second := b.sorted("6@slow.test")
	b.expect()
	third := b.sorted("c@fast.test")
	b.ends(b.expect("c@fast.test"), 'K')
	b.gone(third)
	b.ends(0, 'K')
	b.ends(b.expect("3@slow.test"), 'Z')
	b.expect("6@slow.test") // who was served waits for the others
	b.ends(2, 'K')
	b.ends(3, 'K')
	b.expect()
	b.ends(0, 'K')
	b.gone(second)
	b.ends(b.expect("4@slow.Test"), 'K')
	b.ends(b.expect("5@slow.test"), 'K')
	b.ends(1, 'K')
	b.until("all marks but one", func() bool {
		return b.file(queue.Remote, first) == "D1@slow.test\x00D2@SLOW.test\x00T3@slow.test\x00Da@fast.test\x00"+
			"D4@slow.Test\x00Db@fast.test\x00D5@slow.test\x00"
	})
	b.advance(540)
	b.ends(b.expect("3@slow.test"), 'K')
	b.gone(first)
}

// TestDomainLimitList: a message with many recipients of one domain keeps that many
// deliveries running.
func TestDomainLimitList(t *testing.T) {
	const n, limit = 3000, 20
	b := newBed(t)
	b.Control("concurrencydomains", ":20\n")
	b.Control("concurrencyremote", "100\n")
	var rcpts []string
	for i := range n {
		rcpts = append(rcpts, fmt.Sprintf("r%d@list.test", i))
		if i%100 == 0 {
			rcpts = append(rcpts, fmt.Sprintf("r@d%d.test", i/100))
		}
	}
	id := b.queued("Fs@a\x00", "", recipients(rcpts...), "")
	b.start(100, 100)
	seen := map[string]bool{}
	for range limit + n/100 {
		c := b.command(remote)
		seen[c.Recipient] = true
		if !strings.HasSuffix(c.Recipient, "@list.test") {
			b.ends(c.Delnum, 'K')
		}
	}
	b.idle(remote)
	for len(seen) < n+n/100 {
		for _, sl := range b.slots() {
			b.report(remote, sl, 'K', "")
			c := b.command(remote)
			if seen[c.Recipient] {
				t.Fatalf("%s twice", c.Recipient)
			}
			if seen[c.Recipient] = true; len(seen) == n+n/100 {
				break
			}
		}
	}
	for _, sl := range b.slots() {
		b.report(remote, sl, 'K', "")
	}
	b.gone(id)
	if text := b.log.all(); strings.Contains(text, "remote 21/") && !strings.Contains(text, "remote 20/100") {
		t.Error("never 20 at a time")
	}
}

// slots are the numbers of remote deliveries that run.
func (b *bed) slots() (all []uint32) {
	b.settle()
	got := make(chan []uint32, 1)
	b.s.post(callback(func() {
		var all []uint32
		for i, d := range b.s.channels[remote].slots {
			if d.job != nil {
				all = append(all, uint32(i))
			}
		}
		got <- all
	}))
	return <-got
}

// dead makes a bed whose domain dead.test is held for a minute from now on, with
// messages to 4@ and 5@ waiting, the older first.
func dead(t *testing.T, control ...string) *bed {
	b := newBed(t)
	b.Control("concurrencydomains", "dead.test:1\n")
	for i := 0; i < len(control); i += 2 {
		b.Control(control[i], control[i+1])
	}
	now := b.now.Load()
	for i := range 5 {
		id := b.queued("Fs@a\x00", "", recipients(fmt.Sprintf("%d@dead.test", i+1)), "")
		b.setTime(queue.Info, id, now+int64(i)-5)
		b.setTime(queue.Remote, id, now+int64(i)+1) // they come in this order
	}
	b.start(9, 9)
	b.expect()
	b.advance(5)
	b.deferred("1@dead.test")
	b.deferred("2@dead.test")
	b.deferred("3@dead.test")
	b.logged("destination dead.test: held for 60 seconds", 1)
	b.expect()
	return b
}

// TestDeadHost: a domain that defers everything is held; single deliveries find out
// when it is back.
func TestDeadHost(t *testing.T) {
	b := dead(t)
	b.sorted("a@alive.test", "6@dead.test", "b@alive.test")
	b.ends(b.expect("a@alive.test", "b@alive.test"), 'K')
	b.advance(59)
	b.expect()
	b.advance(1)
	b.deferred("4@dead.test")
	b.logged("destination dead.test: held for 120 seconds", 1)
	b.advance(119)
	b.expect()
	b.advance(1)
	b.ends(b.expect("5@dead.test"), 'K')
	b.logged("destination dead.test: not held any more", 1)
	b.ends(b.expect("6@dead.test"), 'K')
	b.expect()
	b.advance(484 - 180 - 8) // it was 8 seconds old: 22*22
	b.ends(b.expect("3@dead.test"), 'K')
}

// TestHeldAlarm: SIGALRM has everything tried.
func TestHeldAlarm(t *testing.T) {
	b := dead(t)
	b.signals <- sig.ALRM
	b.logged("destination dead.test: not held any more", 1)
	var got []string
	for range 5 {
		c := b.command(remote)
		got = append(got, c.Recipient[:1])
		b.ends(c.Delnum, 'K')
	}
	if slices.Sort(got); strings.Join(got, "") != "12345" {
		t.Errorf("tried %v", got)
	}
	b.until("all to go", func() bool { return strings.Count(b.log.all(), "end msg") == 5 })
}

// TestHeldLeave: qmail-send leaves although messages wait, and the next begins with
// them at once.
func TestHeldLeave(t *testing.T) {
	b := dead(t)
	b.setTimes(5000)
	b.leave()
	next := newBedIn(t, b.Home)
	next.now.Store(b.now.Load())
	next.start(9, 9)
	for range 2 {
		c := next.command(remote)
		if c.Recipient < "4" {
			t.Errorf("command for %s", c.Recipient)
		}
		next.report(remote, c.Delnum, 'K', "")
	}
	next.expect()
}

// setTimes gives all remote files a time that lies ahead.
func (b *bed) setTimes(ahead int64) {
	for _, f := range b.Files() {
		if name, ok := strings.CutPrefix(f, "remote/"); ok {
			id, _ := queue.ParseID(name[strings.LastIndexByte(name, '/')+1:])
			b.setTime(queue.Remote, id, b.now.Load()+ahead)
		}
	}
}

// TestHeldLifetime: the last attempt is made in time, and its failure reported.
func TestHeldLifetime(t *testing.T) {
	b := dead(t, "queuelifetime", "40\n")
	b.recorder("0")
	b.advance(33) // 4@ was born 7 seconds ago, 5@ 6
	b.expect()
	b.advance(1)
	b.ends(b.expect("4@dead.test"), 'Z')
	b.until("the failure", func() bool {
		return strings.Contains(b.log.all(), "failure: not_now/I'm_not_going_to_try_again;")
	})
	b.expect()
	b.advance(1)
	b.ends(b.expect("5@dead.test"), 'K')
	b.logged("destination dead.test: not held any more", 1)
}

// TestDomainLimitHangup: SIGHUP reads the file again; deliveries that run count.
func TestDomainLimitHangup(t *testing.T) {
	b := newBed(t)
	b.start(9, 9)
	hup := func(text string) { b.Control("concurrencydomains", text); b.signals <- sig.HUP; b.settle() }
	b.sorted("1@x.test", "2@x.test", "3@x.test")
	b.expect("1@x.test", "2@x.test", "3@x.test")
	hup("x.test:2\n")
	b.sorted("4@x.test", "5@x.test", "6@x.test", "7@x.test", "8@x.test")
	b.expect()
	b.ends(0, 'K')
	b.expect()
	b.ends(1, 'K')
	b.expect("4@x.test")
	hup("x.test:3\n")
	b.expect("5@x.test")
	check(t, os.Remove(b.Path("control/concurrencydomains")))
	testkit.Looping(t, b.Path("control/concurrencydomains"))
	b.Control("locals", "x.test\n")
	b.signals <- sig.HUP
	b.logged("alert: unable to reread control/concurrencydomains", 1)
	b.expect()
	if ch, _ := b.s.routes.Load().rewrite("x@x.test"); ch != remote {
		t.Error("locals were taken over")
	}
	check(t, os.Remove(b.Path("control/concurrencydomains")))
	b.signals <- sig.HUP
	b.expect("6@x.test", "7@x.test", "8@x.test")
}

// TestDomainLimitUnreadable: qmail-send does not start.
func TestDomainLimitUnreadable(t *testing.T) {
	b := newBed(t)
	testkit.Looping(t, b.Path("control/concurrencydomains"))
	if code := Run(b.p); code != exitStart {
		t.Errorf("Run() = %d", code)
	}
	b.logged("alert: cannot start: unable to read controls", 1)
	b.closeAll()
}

// TestNoDomainLimits: without the file nothing is counted and nothing held, and the
// local channel never is.
func TestNoDomainLimits(t *testing.T) {
	for _, text := range []string{"-", "", "other.test:1\n", ":1\nx.test:0\n"} {
		b := newBed(t)
		if text != "-" {
			b.Control("concurrencydomains", text)
		}
		b.start(9, 9)
		b.sorted("1@x.test", "2@x.test", "3@x.test", "4@x.test", "a@mx.example.test", "b@mx.example.test")
		b.expect("1@x.test", "2@x.test", "3@x.test", "4@x.test")
		b.command(local)
		b.command(local)
		for n := range uint32(4) {
			b.report(remote, n, 'Z', "")
		}
		b.sorted("5@x.test", "6@x.test")
		b.expect("5@x.test", "6@x.test")
		b.s.post(callback(func() {
			if n := len(b.s.channels[remote].dests.all); n != 0 {
				t.Errorf("%q: %d destinations", text, n)
			}
		}))
		b.settle()
	}
}
