package send

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"goqmail/internal/queue"
	"goqmail/internal/sys/sig"
)

// TestMixedMessage: recipients that wait are tried as soon as there is room, those
// that were deferred when the next attempt is due.
func TestMixedMessage(t *testing.T) {
	b := newBed(t)
	b.Control("concurrencydomains", "slow.test:1\nother.test:1\n")
	b.start(9, 9)
	other := b.sorted("x@slow.test")
	x := b.expect("x@slow.test")
	id := b.sorted("a@fast.test", "1@slow.test", "2@slow.test", "1@other.test", "2@other.test")
	b.expect("a@fast.test", "1@other.test")
	b.ends(1, 'Z')
	b.ends(x, 'K')
	b.gone(other)
	b.ends(b.expect("1@slow.test"), 'D') // its text is stored meanwhile
	b.expect("2@slow.test")
	b.advance(200)
	b.ends(2, 'Z')
	b.expect("2@other.test") // number 1
	b.advance(210)
	b.expect()
	b.ends(0, 'Z')
	b.expect()
	b.ends(1, 'Z')
	b.expect("a@fast.test", "2@slow.test", "1@other.test")
	b.ends(2, 'K')
	b.expect("2@other.test")
	if got, want := b.file(queue.Remote, id), "Ta@fast.test\x00D1@slow.test\x00T2@slow.test\x00D1@other.test\x00T2@other.test\x00"; got != want {
		t.Errorf("remote %q, want %q", got, want)
	}
}

// TestMixedHeld: a message that waits for a dead host has its other recipients tried
// when they are due, and loses nothing.
func TestMixedHeld(t *testing.T) {
	b := dead(t)
	id := b.sorted("a@fast.test", "6@dead.test", "7@dead.test")
	b.deferred("a@fast.test")
	b.advance(60)
	b.deferred("4@dead.test")
	b.advance(120)
	b.deferred("5@dead.test")
	b.advance(220)
	b.expect()
	b.advance(20)
	b.ends(b.expect("6@dead.test"), 'Z')
	b.advance(60) // the message was 5 seconds old: 22*22
	b.deferred("a@fast.test")
	b.advance(480)
	if got := b.file(queue.Remote, id); got != recipients("a@fast.test", "6@dead.test", "7@dead.test") {
		t.Errorf("remote %q", got)
	}
	done := map[string]bool{}
	for i := range 8 {
		if i == 6 { // a@fast.test and 5@dead.test are not due
			b.expect()
			b.signals <- sig.ALRM
		}
		c := b.command(remote)
		if done[c.Recipient] || i < 6 && c.Recipient == "a@fast.test" {
			t.Errorf("command %d is for %s", i, c.Recipient)
		}
		done[c.Recipient] = true
		b.ends(c.Delnum, 'K')
	}
	b.gone(id)
}

// TestMixedAlarm: SIGALRM also has those recipients tried again whose message waits
// for a destination.
func TestMixedAlarm(t *testing.T) {
	b := newBed(t)
	b.Control("concurrencydomains", "slow.test:1\n")
	b.start(9, 9)
	b.sorted("x@slow.test")
	b.expect("x@slow.test")
	b.sorted("a@fast.test", "1@slow.test")
	b.deferred("a@fast.test")
	b.logged("delivery 2: deferral: not_now/", 1)
	b.settle()
	b.signals <- sig.ALRM
	b.expect("a@fast.test")
	b.ends(0, 'K')
	b.expect("1@slow.test")
}

// TestWaitingTrouble: a message whose files cannot be opened or read when its turn has
// come is tried again, and no recipient is taken for done.
func TestWaitingTrouble(t *testing.T) {
	tests := []struct {
		name, warning string
		kind          queue.Kind
		fail          func(b *bed, path string)
	}{
		{"open", "warning: trouble opening %s; will try again later", queue.Remote, func(b *bed, path string) { unopenable(b.t, path) }},
		{"open info", "warning: trouble opening %s; will try again later", queue.Info, func(b *bed, path string) { unopenable(b.t, path) }},
		{"read", "warning: trouble reading %s; will try again later", queue.Remote, func(b *bed, path string) {
			check(b.t, os.Remove(path))
			check(b.t, os.Mkdir(path, 0o700))
		}},
		{"unknown record", "warning: unknown record type in %s!", queue.Remote, func(b *bed, path string) {
			check(b.t, os.WriteFile(path, []byte("Xx@x.test\x00"), 0o600))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			b.Control("concurrencydomains", ":1\n")
			b.start(9, 9)
			b.sorted("1@x.test")
			b.expect("1@x.test")
			id := b.sorted("2@x.test", "3@x.test")
			b.expect()
			path := b.path(tt.kind, id)
			text := b.file(tt.kind, id)
			tt.fail(b, path)
			b.ends(0, 'K')
			b.logged(fmt.Sprintf(tt.warning, tt.kind.Path(id)), 1)
			check(t, os.RemoveAll(path))
			b.Write("queue/"+tt.kind.Path(id), text)
			b.advance(410)
			b.ends(b.expect("2@x.test"), 'K')
			b.ends(b.expect("3@x.test"), 'K')
			b.gone(id)
		})
	}
}

// TestWaitingLost: qmail-send leaves when the spawner is lost, whoever waits.
func TestWaitingLost(t *testing.T) {
	b := newBed(t)
	b.Control("concurrencydomains", ":1\n")
	b.start(9, 9)
	b.sorted("1@x.test", "2@x.test", "3@y.test")
	b.expect("1@x.test", "3@y.test")
	check(t, b.reports[remote].Close())
	b.waitEnd()
	b.reports[remote] = -1
	for i, fd := range b.fds {
		if fd == b.reports[remote] {
			b.fds = slices.Delete(b.fds, i, i+1)
			break
		}
	}
}

// TestDomainLimitWide: limits go beyond what a byte can number.
func TestDomainLimitWide(t *testing.T) {
	const limit, more = 290, 5
	b := newBed(t)
	b.Control("spawnlimit", "1000\n")
	b.Control("concurrencyremote", "1000\n")
	b.Control("concurrencydomains", "x.test:290\n")
	var rcpts []string
	for i := range limit + more {
		rcpts = append(rcpts, fmt.Sprintf("r%d@x.test", i))
	}
	id := b.queued("Fs@a\x00", "", recipients(append(rcpts, "y@y.test")...), "")
	ended := make(chan string, queue.Channels)
	for ch := range queue.Channel(queue.Channels) {
		go b.answer(ch, 255, "\xffK1000\x00", ended)
	}
	b.wide = true
	b.startAgreed()
	for range limit + 1 {
		b.command(remote)
	}
	b.logged("status: local 0/10 remote 291/1000", 1)
	b.expect()
	for n := range uint32(limit + 1) {
		b.report(remote, n, 'K', "")
	}
	for range more {
		c := b.command(remote)
		b.report(remote, c.Delnum, 'K', "")
	}
	b.gone(id)
}

// TestStaleWaits: places in lines that nobody needs any more are taken out.
func TestStaleWaits(t *testing.T) {
	ds := newDestinations(domainLimits{"": 1}, defaultLifetime)
	d := ds.begin("x@x.test", 1, 1000)
	for i := range 3 * sweepAfter {
		ds.jobs++
		j := &job{over: i%3 > 0}
		if j.over {
			ds.stale++
		}
		ds.join(d, wait{since: 1000 + int64(i), job: j}, 1000)
	}
	ds.join(d, wait{since: 5}, 1000)
	ds.sweep(1000)
	if len(d.line) != sweepAfter+1 || ds.jobs != sweepAfter || ds.stale != 0 {
		t.Errorf("%d wait, %d with a job, %d stale", len(d.line), ds.jobs, ds.stale)
	}
}
