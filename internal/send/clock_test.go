package send

import (
	"os"
	"testing"

	"goqmail/internal/queue"
)

const tenYears = 10 * 365 * 86400

// TestClockWasAhead: times that were noted while the clock was years ahead do
// not keep a message for as long; the times of its files stay. What is due
// within queuelifetime waits as it should.
func TestClockWasAhead(t *testing.T) {
	b := newBed(t)
	now := b.now.Load()
	ahead := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "", "")
	b.setTime(queue.Info, ahead, now+tenYears)
	b.setTime(queue.Local, ahead, now+tenYears+100)
	waits := b.queued("Fs@a\x00", "", "Tr@far.test\x00", "")
	b.setTime(queue.Remote, waits, now+6*86400)
	b.start(1, 1)
	b.command(local)
	b.report(local, 0, 'Z', "")
	b.logged("delivery 1: deferral: ", 1)
	b.idle(remote)
	b.advance(99)
	b.idle(local)
	b.advance(1)
	b.command(local)
	st, err := os.Stat(b.path(queue.Info, ahead))
	check(t, err)
	if got := st.ModTime().Unix(); got != now+tenYears {
		t.Errorf("birth of the message is now %d, want it left at %d", got, now+tenYears)
	}
}

// TestClockSetBack: what waits when the clock is set back is tried, and a
// delivery that was running then waits its usual time.
func TestClockSetBack(t *testing.T) {
	b := newBed(t)
	b.now.Add(tenYears)
	now := b.now.Load()
	runs := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "", "")
	b.setTime(queue.Info, runs, now)
	waits := b.queued("Fs@a\x00", "", "Tr@far.test\x00", "")
	b.setTime(queue.Info, waits, now)
	b.setTime(queue.Remote, waits, now+300)
	b.start(1, 1)
	b.command(local)
	b.idle(remote)
	b.advance(-tenYears)
	b.command(remote)
	b.report(local, 0, 'Z', "")
	b.logged("delivery 1: deferral: ", 1)
	b.command(local)
}

// TestClockSetForward: what waits is tried at once, and not given up untried.
func TestClockSetForward(t *testing.T) {
	b := newBed(t)
	got := b.recorder("0")
	now := b.now.Load()
	id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00Ty@mx.example.test\x00", "", "")
	b.setTime(queue.Info, id, now)
	b.setTime(queue.Local, id, now+5000)
	b.start(1, 1)
	b.idle(local)
	b.advance(tenYears)
	b.command(local)
	b.report(local, 0, 'K', "")
	b.command(local)
	b.report(local, 0, 'Z', "busy\n")
	b.gone(id)
	if text := read(t, got+"/0"); text == "" {
		t.Error("no bounce for the recipient whose last attempt was deferred")
	}
}
