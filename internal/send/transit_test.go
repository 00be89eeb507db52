package send

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sig"
)

// inTodo tells whether a message has no files but those that qmail-queue made.
func (b *bed) inTodo(id queue.ID) bool {
	for _, k := range [...]queue.Kind{queue.Info, queue.Local, queue.Remote, queue.Bounce} {
		if b.has(k, id) {
			return false
		}
	}
	return b.has(queue.Todo, id) && b.has(queue.Mess, id)
}

// hasFiles waits until a message is preprocessed.
func (b *bed) hasFiles(id queue.ID, k queue.Kind, sender, records string) {
	b.t.Helper()
	b.until("the files", func() bool { return !b.has(queue.Todo, id) })
	if info, f := b.file(queue.Info, id), b.file(k, id); info != "F"+sender+"\x00" || f != records {
		b.t.Errorf("info %q, %v %q; want sender %s, records %q", info, k, f, sender, records)
	}
}

// A message whose delivery succeeds at once never has a file of its own, and goes
// in this order: todo/N, the flush of todo/, mess/N.
func TestTransit(t *testing.T) {
	for _, ch := range []queue.Channel{local, remote} {
		b := newBed(t)
		f := &failOnce{}
		b.clean.before = func(r pipe.CleanRequest) { f.note("request-" + r.String()) }
		b.start(1, 1, func(s *server) {
			s.fsync = func(fd sys.FD) error { return f.check(nameOf(fd, b.Queue())) }
			s.fsyncDir = f.check
		})
		rcpt := "x@mx.example.test"
		if ch == remote {
			rcpt = "x@far.test"
		}
		id := b.inject("s@a", rcpt)
		if c := b.command(ch); c.Sender != "s@a" || c.Recipient != rcpt || "mess/"+c.Mess != queue.Mess.Path(id) {
			t.Errorf("command %+v", c)
		}
		b.pull()
		b.settle()
		if !b.inTodo(id) {
			t.Errorf("files %q", b.Files())
		}
		b.report(ch, 0, 'K', "ok")
		b.gone(id)
		b.logged(fmt.Sprintf("end msg %d", id), 1)
		b.settle()
		if got, want := f.take(), fmt.Sprintf("request-todo/%d todo request-foop/%[1]d", id); got != want {
			t.Errorf("order %s, want %s", got, want)
		}
		want := fmt.Sprintf(`new msg %[1]d
info msg %[1]d: bytes 25 from <s@a> qp 6011 uid 7791
starting delivery 1: msg %[1]d to %[2]s %[3]s
status: local %[4]d/1 remote %[5]d/1
delivery 1: success: ok
status: local 0/1 remote 0/1
end msg %[1]d`, id, map[queue.Channel]string{local: "local", remote: "remote"}[ch], rcpt, 1-ch, ch)
		if got := b.log.all(); !strings.HasSuffix(got, want) {
			t.Errorf("log:\n%s\nwant at its end:\n%s", got, want)
		}
		b.idle(local)
		b.idle(remote)
	}
}

// What does not succeed at once has its files before the report takes effect.
func TestTransitReports(t *testing.T) {
	tests := []struct {
		letter  byte
		records string
		bounce  string
	}{
		{'Z', "Tx@mx.example.test\x00", "-"},
		{'D', "", "<x@mx.example.test>:\nwhy\n\n"},
		{'?', "Tx@mx.example.test\x00", "-"},
	}
	for _, tt := range tests {
		b := newBed(t)
		b.start(1, 1)
		id := b.inject("s@a", "x@mx.example.test")
		b.command(local)
		b.report(local, 0, tt.letter, "why")
		b.logged("status: local 0/1 remote 0/1", 2)
		if b.has(queue.Todo, id) {
			t.Errorf("%c was logged before the files were there", tt.letter)
		}
		if tt.letter == 'D' { // there is no qmail-queue to take the bounce
			b.until("the bounce", func() bool { return b.file(queue.Bounce, id) == tt.bounce })
			continue
		}
		b.hasFiles(id, queue.Local, "s@a", tt.records)
		b.idle(local)
		b.advance(100) // 10 squared: the first retry
		b.command(local)
		b.report(local, 0, 'K', "")
		b.gone(id)
	}
}

// hurry has what is in transit get files now.
func (b *bed) hurry() { b.s.post(callback(func() { b.s.transitTime = time.Millisecond })) }

// A delivery that takes long gets its files meanwhile.
func TestTransitSlow(t *testing.T) {
	for _, letter := range []byte{'K', 'Z', 'D'} {
		b := newBed(t)
		b.start(1, 1)
		id := b.inject("s@a", "x@mx.example.test")
		b.command(local)
		b.hurry()
		b.hasFiles(id, queue.Local, "s@a", "Tx@mx.example.test\x00")
		b.settle()
		b.report(local, 0, letter, "why")
		b.logged("status: local 0/1 remote 0/1", 2)
		switch letter {
		case 'K':
			b.gone(id)
		case 'Z':
			b.advance(100)
			b.command(local)
		case 'D':
			b.until("the bounce", func() bool { return b.file(queue.Bounce, id) != "-" })
		}
	}
}

// A report that comes while the files are being made waits for them.
func TestTransitMeanwhile(t *testing.T) {
	for _, letter := range []byte{'K', 'Z'} {
		b := newBed(t)
		flushing, flushed := make(chan bool, 9), make(chan bool)
		b.start(1, 1, func(s *server) {
			s.fsync = func(sys.FD) error { flushing <- true; <-flushed; return nil }
		})
		id := b.inject("s@a", "x@mx.example.test")
		b.command(local)
		b.hurry()
		<-flushing
		b.report(local, 0, letter, "")
		if b.log.count("status: local 0/1 remote 0/1") != 1 || !b.has(queue.Todo, id) || b.file(queue.Local, id) != "Tx@mx.example.test\x00" {
			t.Errorf("files %q", b.Files())
		}
		close(flushed)
		if letter == 'K' {
			b.gone(id)
			b.logged(fmt.Sprintf("end msg %d", id), 1)
			continue
		}
		b.until("the end of preprocessing", func() bool { return !b.has(queue.Todo, id) })
		b.settle()
		b.advance(100)
		b.command(local)
	}
}

// Messages for which transit is nothing get their files before anything else.
func TestTransitNot(t *testing.T) {
	long := strings.Repeat("x", transitEnvelope)
	tests := []struct {
		name    string
		rcpts   []string
		prepare func(b *bed, id queue.ID)
		first   string
	}{
		{"two recipients", []string{"x@mx.example.test", "y@mx.example.test"}, nil, "x@mx.example.test"},
		{"both channels", []string{"x@mx.example.test", "y@far.test"}, nil, "x@mx.example.test"},
		{"long envelope", []string{long + "@mx.example.test"}, nil, long + "@mx.example.test"},
		{"a bounce", []string{"x@mx.example.test"}, func(b *bed, id queue.ID) {
			b.Write("queue/"+queue.Todo.Path(id), "u1\x00p1\x00F\x00Tx@mx.example.test\x00")
		}, "x@mx.example.test"},
		{"an info file", []string{"x@mx.example.test"}, func(b *bed, id queue.ID) {
			b.Write("queue/"+queue.Info.Path(id), "Fold@a\x00")
		}, "x@mx.example.test"},
		{"classic", []string{"x@mx.example.test"}, func(b *bed, _ queue.ID) { b.Control("classic", "") }, "x@mx.example.test"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			id := b.inject("s@a", tt.rcpts...)
			if tt.prepare != nil {
				tt.prepare(b, id)
			}
			b.start(1, 1)
			if c := b.command(local); c.Recipient != tt.first {
				t.Errorf("command %+v", c)
			}
			if b.has(queue.Todo, id) || !b.has(queue.Info, id) {
				t.Errorf("files %q", b.Files())
			}
		})
	}
}

// Where no delivery can be started, messages get their files: at once if the
// channel has no slots, after a while if others have them all.
func TestTransitNoSlot(t *testing.T) {
	b := newBed(t)
	b.Control("concurrencyremote", "0\n")
	b.start(1, 1, func(s *server) { s.transitTime = 20 * time.Millisecond })
	far := b.inject("s@a", "x@far.test")
	b.hasFiles(far, queue.Remote, "s@a", "Tx@far.test\x00")
	first := b.inject("s@a", "x@mx.example.test")
	b.command(local)
	second := b.inject("s@a", "y@mx.example.test")
	b.hasFiles(second, queue.Local, "s@a", "Ty@mx.example.test\x00")
	b.settle()
	b.report(local, 0, 'K', "")
	b.gone(first)
	b.command(local)
	b.report(local, 0, 'K', "")
	b.gone(second)
}

// At the end, those that wait stay in todo/, and those on their way are waited for.
func TestTransitLeave(t *testing.T) {
	for _, letter := range []byte{'K', 'Z'} {
		b := newBed(t)
		b.start(1, 1, func(s *server) { s.transitTime = time.Hour })
		id := b.inject("s@a", "x@mx.example.test")
		b.command(local)
		waits := b.inject("s@a", "y@mx.example.test")
		b.logged(fmt.Sprintf("new msg %d", waits), 1)
		b.signals <- sig.TERM
		b.logged("status: local 1/1 remote 0/1 exitasap", 0)
		b.settle()
		b.report(local, 0, letter, "")
		b.waitEnd()
		if !b.inTodo(waits) {
			t.Errorf("files %q", b.Files())
		}
		if letter == 'K' {
			b.gone(id)
		} else {
			b.hasFiles(id, queue.Local, "s@a", "Tx@mx.example.test\x00")
		}
	}
}

// At the end, what cannot get files is not tried again and again.
func TestTransitLeaveNoFiles(t *testing.T) {
	for _, letter := range []byte{'K', 'Z', 'D'} {
		b := newBed(t)
		var flushes atomic.Int32
		b.start(1, 1, func(s *server) {
			s.fsyncDir = func(path string) error {
				if strings.HasPrefix(path, "info/") {
					flushes.Add(1)
					return sys.ErrTimeout
				}
				return nil
			}
		})
		id := b.inject("s@a", "x@mx.example.test")
		b.command(local)
		b.signals <- sig.TERM
		b.until("a flush", func() bool { return flushes.Load() > 0 })
		b.settle()
		b.report(local, 0, letter, "")
		b.waitEnd()
		if n := flushes.Load(); n > 2 || b.has(queue.Todo, id) == (letter == 'K') {
			t.Errorf("%c: %d flushes; files %q", letter, n, b.Files())
		}
	}
}

// Those on their way get files when qmail-send is to leave, whatever for.
func TestTransitLost(t *testing.T) {
	for _, letter := range []byte{'K', 'Z'} {
		b := newBed(t)
		b.start(1, 1)
		far := b.inject("s@a", "x@far.test")
		b.command(remote)
		id := b.inject("s@a", "x@mx.example.test")
		b.command(local)
		check(t, b.reports[local].ToNull()) // the number stays taken
		b.hasFiles(id, queue.Local, "s@a", "Tx@mx.example.test\x00")
		b.hasFiles(far, queue.Remote, "s@a", "Tx@far.test\x00")
		b.report(remote, 0, letter, "")
		b.waitEnd()
		if b.has(queue.Remote, far) != (letter == 'Z') {
			t.Errorf("files %q", b.Files())
		}
	}
}

// Nothing is delivered out of todo/ that could not be removed then.
func TestTransitLostClean(t *testing.T) {
	b := newBed(t)
	b.start(1, 1)
	check(t, b.clean.w.ToNull()) // the number stays taken
	id := b.inject("s@a", "x@mx.example.test")
	b.waitEnd()
	b.logged("alert: oh no! lost qmail-clean connection! dying...", 1)
	b.idle(local)
	if !b.has(queue.Mess, id) {
		t.Errorf("files %q", b.Files())
	}
}

// A message that is done but cannot be removed is not delivered again, and is
// removed later.
func TestTransitStranded(t *testing.T) {
	b := newBed(t)
	b.clean.set(func(pipe.CleanRequest) byte { return byte(pipe.CleanFail) })
	b.start(1, 1)
	id := b.inject("s@a", "x@mx.example.test")
	b.command(local)
	b.report(local, 0, 'K', "")
	b.logged(fmt.Sprintf("warning: qmail-clean unable to clean up todo/%d", id), 1)
	b.pull()
	b.settle()
	b.idle(local)
	b.clean.set(nil)
	b.advance(sleepSysfail + 1)
	b.gone(id)
	b.idle(local)
}

// Without room for its files a message stays in todo/. The next scan begins with
// it anew if the delivery failed; it is tried again while the delivery runs; a
// recipient that is done needs no files.
func TestTransitNoFiles(t *testing.T) {
	for _, when := range []string{"deferred", "running", "done"} {
		t.Run(when, func(t *testing.T) {
			b := newBed(t)
			f := &failOnce{}
			var fails atomic.Bool
			fails.Store(true)
			b.start(1, 1, func(s *server) {
				s.fsyncDir = func(path string) error {
					if fails.Load() && strings.HasPrefix(path, "info/") {
						return sys.ErrTimeout
					}
					return f.check(path)
				}
				s.pauseTime = time.Millisecond
			})
			id := b.inject("s@a", "x@mx.example.test")
			b.command(local)
			warning := "warning: trouble fsyncing " + queue.Info.Dir(id)
			if when == "deferred" {
				b.report(local, 0, 'Z', "")
			} else {
				b.hurry()
			}
			b.until("the warning", func() bool { return b.log.count(warning) > 0 })
			if !b.has(queue.Todo, id) {
				t.Fatal("the todo file is gone")
			}
			switch when {
			case "deferred":
				b.settle()
				fails.Store(false)
				b.pull()
				b.command(local)
				b.report(local, 0, 'K', "")
			case "running":
				fails.Store(false)
				b.hasFiles(id, queue.Local, "s@a", "Tx@mx.example.test\x00")
				b.report(local, 0, 'K', "")
			case "done":
				b.report(local, 0, 'K', "")
				fails.Store(false)
			}
			b.gone(id)
		})
	}
}

// A flood of messages goes through few slots while todo/ is scanned again and
// again: each once, and old messages have their turn.
func TestTransitFlood(t *testing.T) {
	const n, slots = 3 * transitMax, 3
	b := newBed(t)
	old := b.queued("Fs@a\x00", "Told@mx.example.test\x00", "", "")
	for i := range n {
		b.put("s@a", fmt.Sprintf("x%d@mx.example.test", i))
	}
	b.start(slots, 1, func(s *server) { s.transitTime = 50 * time.Millisecond })
	seen := map[string]int{}
	for i := range n + 1 {
		c := b.command(local)
		seen[c.Recipient]++
		if c.Recipient == "old@mx.example.test" && i > n {
			t.Errorf("the old message was delivered as number %d", i)
		}
		b.report(local, c.Delnum, 'K', "")
		if i%50 == 0 {
			b.pull()
		}
	}
	b.gone(old)
	for rcpt, k := range seen {
		if k != 1 {
			t.Errorf("%s got %d", rcpt, k)
		}
	}
	b.until("the queue to be empty", func() bool {
		mess, err := filepath.Glob(filepath.Join(b.Queue(), "mess/*/*"))
		return err == nil && len(mess) == 0
	})
	b.settle()
	if len(b.s.transit.all) != 0 || b.s.transit.waiting != [queue.Channels]int{} {
		t.Errorf("in transit: %v, waiting: %v", b.s.transit.all, b.s.transit.waiting)
	}
}

// What a crash leaves after each step of the end is taken up.
func TestTransitCrash(t *testing.T) {
	for _, state := range []string{"S4", "L1", "L2"} {
		b := newBed(t)
		id := b.put("s@a", "x@mx.example.test")
		if state != "S4" {
			check(t, os.Remove(b.path(queue.Intd, id)))
		}
		if state == "L2" {
			check(t, os.Remove(b.path(queue.Todo, id)))
			b.now.Add(queue.Ossified + 60)
		}
		b.start(1, 1)
		if state != "L2" {
			b.command(local)
			b.report(local, 0, 'K', "")
		}
		b.gone(id)
		b.idle(local)
	}
}

// FuzzBoards: what is taken for a passenger has one sender and then one recipient, and
// preprocessing would write the same.
func FuzzBoards(f *testing.F) {
	for _, s := range []string{
		"u1\x00p2\x00Fs@a\x00Tx@b\x00", "u1\x00p2\x00Fs@a\x00Tx@b\x00Ty@b\x00", "Tx@b\x00Fs@a\x00", "F\x00T\x00", "",
		"u1\x00p2\x00Fs@a\x00", "Fs@a\x00Tx@b", "Fs\x00Fs\x00Tx\x00", "X\x00Fs\x00Tx\x00", "Fs\x00Tx\x00X", "\x00Fs\x00Tx\x00",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, envelope []byte) {
		s := &server{}
		s.routes.Store(&routes{envnoathost: "mx"})
		p := s.boards(&incoming{}, envelope)
		var letters, texts []string
		for rest := envelope; ; {
			rec, r, ok := queue.NextRecord(rest)
			if !ok {
				break
			}
			rest = r
			if l := string(rune(rec.Letter)); l != "u" && l != "p" {
				letters, texts = append(letters, l), append(texts, rec.Text)
			}
		}
		if is := strings.Join(letters, "") == "FT"; (p != nil) != is {
			t.Fatalf("passenger %v, records %q", p, letters)
		}
		if p == nil {
			return
		}
		if c, addr := s.routes.Load().rewrite(texts[1]); p.sender != texts[0] || p.rcpt != addr || p.to != c {
			t.Errorf("passenger %+v of %q", p, envelope)
		}
	})
}

// A domain's limit counts a message in transit once, whatever becomes of it.
func TestTransitDomain(t *testing.T) {
	b := newBed(t)
	b.Control("concurrencydomains", ":1\n")
	b.start(5, 5)
	b.inject("s@a", "x@far.test")
	b.command(remote)
	b.report(remote, 0, 'Z', "")
	b.logged("status: local 0/5 remote 0/5", 2)
	b.inject("s@a", "y@far.test")
	b.command(remote)
	waits := b.inject("s@a", "z@far.test")
	b.hasFiles(waits, queue.Remote, "s@a", "Tz@far.test\x00")
	b.idle(remote)
	b.report(remote, 0, 'K', "")
	b.command(remote)
}
