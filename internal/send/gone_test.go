package send

import (
	"os"
	"strings"
	"testing"
	"time"

	"goqmail/internal/queue"
	"goqmail/internal/testkit"
)

// TestGone: what a loss of power brought back of messages that had ended starts no
// delivery, and goes at a start when it is old. A message with a todo file is not
// one.
func TestGone(t *testing.T) {
	for _, old := range []bool{false, true} {
		b := newBed(t)
		b.now.Store(time.Now().Unix()) // a file's ctime is the real time
		lost := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "Ty@far.test\x00", "<z@a>:\nno\n\n")
		hide(b, lost)
		stuck := b.queued("Fs@a\x00", "", "", "")
		hide(b, stuck)
		testkit.Occupied(t, b.path(queue.Local, stuck))
		todo := b.put("s@a", "t@mx.example.test")
		hide(b, todo)
		b.Write("queue/"+queue.Info.Path(todo), "Fs@a\x00")
		live := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "", "")
		if old {
			b.now.Add(queue.Ossified + 60)
		}
		b.start(5, 5)
		if c := b.command(local); "mess/"+c.Mess != queue.Mess.Path(live) {
			t.Errorf("delivery of %s, want that of %d only", c.Mess, live)
		}
		b.idle(remote)
		b.logged("warning: "+queue.Mess.Path(lost)+" is gone; ignoring what is left of that message", 1)
		for _, k := range []queue.Kind{queue.Info, queue.Local, queue.Remote, queue.Bounce} {
			if b.has(k, lost) == old {
				t.Errorf("old %v, %s is there %v", old, k.Path(lost), !old)
			}
		}
		if old {
			b.logged("warning: unable to unlink "+queue.Local.Path(stuck), 1)
		}
		if !b.has(queue.Info, stuck) || !b.has(queue.Info, todo) {
			t.Errorf("old %v: an info file went too early", old)
		}
	}
}

// TestStaleBounce: the text of an earlier message with the number is not sent to
// the sender of a new one, and cannot come back.
func TestStaleBounce(t *testing.T) {
	b := newBed(t)
	id := b.inject("s@a", "x@mx.example.test")
	b.Write("queue/"+queue.Bounce.Path(id), "<old@a>:\nno\n\n")
	f := &failOnce{}
	b.start(1, 1, filed, func(s *server) { s.fsyncDir = f.check })
	b.command(local)
	if b.has(queue.Bounce, id) {
		t.Error("the old bounce file is still there")
	}
	if got := f.take(); !strings.Contains(" "+got+" ", " "+string(queue.Bounce)+" ") {
		t.Errorf("flushed %s, and not bounce", got)
	}
}

// hide takes a message's file in mess/ away; its inode stays in use.
func hide(b *bed, id queue.ID) {
	b.t.Helper()
	check(b.t, os.Rename(b.path(queue.Mess, id), b.path(queue.Mess, id)+".x"))
}
