package send

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"goqmail/internal/queue"
	"goqmail/internal/sys/sig"
)

// TestScanAndMail: mail that comes, is delivered and ends while the scan goes on
// is tried once for each recipient, as is what the queue had.
func TestScanAndMail(t *testing.T) {
	b := newBed(t)
	const old, fresh = 300, 100
	tries := map[string]int{}
	for i := range old {
		b.queued("Fs@a\x00", fmt.Sprintf("To%d@mx.example.test\x00", i), "", "")
	}
	b.start(20, 20)
	var injected sync.WaitGroup
	injected.Go(func() {
		for i := range fresh {
			b.inject("s@a", fmt.Sprintf("f%d@mx.example.test", i))
		}
	})
	for range old + fresh {
		c := b.command(local)
		tries[c.Recipient]++
		b.report(local, c.Delnum, 'K', "")
	}
	injected.Wait()
	b.idle(local)
	for r, n := range tries {
		if n != 1 {
			t.Errorf("%s was tried %d times", r, n)
		}
	}
	if len(tries) != old+fresh {
		t.Errorf("%d recipients, want %d", len(tries), old+fresh)
	}
	b.until("the queue to be empty", func() bool {
		return len(b.Files()) == 0
	})
}

// TestScanWaits: while a directory of info/ cannot be read, new mail is
// preprocessed and delivered, and does not come twice when the scan goes on and
// finds its info file.
func TestScanWaits(t *testing.T) {
	b := newBed(t)
	id := b.put("s@a", "new@mx.example.test")
	bad := "info/0"
	if queue.Info.Dir(id) == bad {
		bad = "info/1"
	}
	dir := filepath.Join(b.Queue(), bad)
	check(t, os.Rename(dir, dir+".x"))
	b.start(2, 2, func(s *server) { s.pauseTime = time.Millisecond })
	c := b.command(local)
	b.until("the alert", func() bool { return b.log.count("alert: unable to opendir "+bad+", sleeping...") > 0 })
	check(t, os.Rename(dir+".x", dir))
	<-b.s.scanned
	b.idle(local)
	b.report(local, c.Delnum, 'K', "")
	b.gone(id)
}

// TestScanAlarm: a SIGALRM during the scan is for what the scan finds after it.
func TestScanAlarm(t *testing.T) {
	b := newBed(t)
	b.stuck = true
	id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "", "")
	b.setTime(queue.Local, id, b.now.Load()+86400)
	dir := filepath.Join(b.Queue(), "info/0")
	check(t, os.Rename(dir, dir+".x"))
	b.start(1, 1, func(s *server) { s.pauseTime = time.Millisecond })
	b.until("the alert", func() bool { return b.log.count("alert: unable to opendir info/0, sleeping...") > 0 })
	b.idle(local)
	b.signals <- sig.ALRM
	b.settle()
	check(t, os.Rename(dir+".x", dir))
	b.command(local)
}

// TestScanTodo: while todo/ cannot be listed, nobody knows whose a message is,
// and nothing is begun.
func TestScanTodo(t *testing.T) {
	b := newBed(t)
	b.stuck = true
	b.queued("Fs@a\x00", "Told@mx.example.test\x00", "", "")
	dir := filepath.Join(b.Queue(), "todo")
	check(t, os.Rename(dir, dir+".x"))
	b.start(1, 1, func(s *server) { s.pauseTime = time.Millisecond })
	b.until("the alert", func() bool { return b.log.count("alert: unable to opendir todo, sleeping...") > 0 })
	b.idle(local)
	check(t, os.Rename(dir+".x", dir))
	b.command(local)
}

// TestScanChannelDirectory: names are looked for one by one where a channel's
// directory cannot be listed.
func TestScanChannelDirectory(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may list every directory")
	}
	b := newBed(t)
	id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "", "")
	dir := filepath.Join(b.Queue(), queue.Local.Dir(id))
	check(t, os.Chmod(dir, 0o300))
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	b.start(1, 1)
	b.command(local)
}

// A scan rests after each batch while other things happen, and now and then when
// nothing did for a while; what it finds itself is nothing else.
func TestRest(t *testing.T) {
	s := &server{events: make(chan event, 1), quit: make(chan struct{})}
	r := rester{s: s}
	took := func(batches int, post func(event)) time.Duration { // with an event before each
		began := time.Now()
		for range batches {
			post(found{})
			<-s.events
			r.rest()
		}
		return time.Since(began)
	}
	for range 2 {
		if d := took(quietBatches, s.put); d < quietBatches*restTime {
			t.Errorf("%d batches soon after other work: %v of rests", quietBatches, d)
		}
		shortest := time.Hour // of what the machine adds to it
		for range 50 {
			shortest = min(shortest, took(idleBatches-1, s.put))
			r.rest() // one in eight
		}
		if shortest >= (idleBatches-1)*restTime {
			t.Errorf("%d batches with nothing else to do: %v of rests", idleBatches-1, shortest)
		}
		if d := took(10, s.post); d < 10*restTime {
			t.Errorf("10 batches beside other work: %v of rests", d)
		}
	}
}
