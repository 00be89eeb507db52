package send

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sys/sig"
	"goqmail/internal/testkit"
)

// TestLeave: TERM waits for deliveries in flight and starts none; the times of
// waiting messages are kept in their files.
func TestLeave(t *testing.T) {
	b := newBed(t)
	now := b.now.Load()
	running := b.queued("Fs@a\x00", "Tx@mx.example.test\x00Ty@mx.example.test\x00", "", "")
	waiting := b.queued("Fs@a\x00", "Tz@mx.example.test\x00", "Tr@far.test\x00", "")
	b.setTime(queue.Info, running, now)
	b.setTime(queue.Local, running, now-5)
	b.setTime(queue.Local, waiting, now+1000)
	b.setTime(queue.Remote, waiting, now+2000)
	b.Control("concurrencylocal", "1\n")
	b.start(9, 9)
	b.command(local)
	b.signals <- sig.TERM
	b.settle()
	left := b.inject("s@a", "n@mx.example.test")
	b.advance(10)
	select {
	case <-b.ended:
		t.Fatal("qmail-send did not wait for the delivery")
	default:
	}
	b.report(local, 0, 'Z', "later\n")
	b.waitEnd()
	b.logged("status: local 0/1 remote 0/9 exitasap", 1)
	if !b.has(queue.Todo, left) || strings.Contains(b.log.all(), "to local y@") {
		t.Error("new work was begun after TERM")
	}
	for k, want := range map[queue.Kind]int64{queue.Local: now + 1000, queue.Remote: now + 2000} {
		if st, err := os.Stat(b.path(k, waiting)); err != nil || st.ModTime().Unix() != want {
			t.Errorf("mtime of %v: %v %v, want %d", k, st.ModTime().Unix(), err, want)
		}
	}
	// the file of a pass that is open is not touched
	if st, err := os.Stat(b.path(queue.Local, running)); err != nil || st.ModTime().Unix() != now-5 {
		t.Errorf("mtime of the open file: %v %v, want %d", st.ModTime().Unix(), err, now-5)
	}
}

// TestKeepTimes: the next attempt of a deferred message, and a file that is
// gone.
func TestKeepTimes(t *testing.T) {
	b := newBed(t)
	now := b.now.Load()
	id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "", "")
	lost := b.queued("Fs@a\x00", "Ty@mx.example.test\x00", "", "")
	b.setTime(queue.Info, id, now-450) // 21*21 is 441
	b.setTime(queue.Local, lost, now+100)
	b.start(1, 1)
	b.command(local)
	b.report(local, 0, 'Z', "later\n")
	b.logged("delivery 1: deferral: later/", 1)
	b.settle()
	check(t, os.Remove(b.path(queue.Local, lost)))
	b.leave()
	want := now - 450 + 31*31
	if st, err := os.Stat(b.path(queue.Local, id)); err != nil || st.ModTime().Unix() != want {
		t.Errorf("mtime %v %v, want %d", st.ModTime().Unix(), err, want)
	}
	b.logged(fmt.Sprintf("warning: unable to utime local/%s; message will be retried too soon", lost.Split()), 1)
}

// TestLeaveBounce: a message whose last delivery ends while qmail-send leaves
// still has its bounce, as with C qmail.
func TestLeaveBounce(t *testing.T) {
	b := newBed(t)
	testkit.Script(t, b.Path("bin/qmail-queue"), "cat >msg; cat <&1 >env")
	id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "", "")
	b.start(2, 2)
	b.command(local)
	b.settle() // the end of the recipients is found
	b.signals <- sig.TERM
	b.settle()
	b.report(local, 0, 'D', "never\n")
	b.waitEnd()
	if env, _ := b.Read("env"); env != "F\x00Ts@a\x00\x00" || b.has(queue.Info, id) || b.has(queue.Bounce, id) {
		t.Errorf("bounce %q, files %q", env, b.Files())
	}
	b.logged(fmt.Sprintf("end msg %d", id), 1)
}

// TestSecondTerm: it ends the wait for deliveries.
func TestSecondTerm(t *testing.T) {
	b := newBed(t)
	id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "", "")
	b.start(1, 1)
	b.command(local)
	b.signals <- sig.TERM
	b.settle()
	b.signals <- sig.TERM
	b.waitEnd()
	if f := b.file(queue.Local, id); f != "Tx@mx.example.test\x00" {
		t.Errorf("local %q", f)
	}
}

// TestSecondTermHung: a qmail-clean that does not answer holds up one TERM for
// ever and two for a few seconds.
func TestSecondTermHung(t *testing.T) {
	b := newBed(t)
	b.clean.set(func(pipe.CleanRequest) byte { return 0 })
	b.start(1, 1, filed)
	b.inject("s@a", "x@mx.example.test")
	b.until("the request", func() bool { return b.clean.requests() != "" })
	b.signals <- sig.TERM
	b.signals <- sig.TERM
	b.settle()
	b.advance(sleepHurry - 1)
	b.settle()
	select {
	case <-b.ended:
		t.Fatal("qmail-send did not wait for other work")
	default:
	}
	b.advance(1)
	b.waitEnd()
}
