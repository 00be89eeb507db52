package send

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sig"
)

// FuzzWaiting has messages delivered under limits that change, with reports, signals
// and times as the input says. At no time do more deliveries to a domain start than
// may, or one for a recipient that is being delivered or done; and when nothing is
// deferred any more, every recipient gets its message and no file is left.
func FuzzWaiting(f *testing.F) {
	f.Add([]byte("aaaab\x00bca\x00dddd\x00\x00ssssKKKKssssssssKKKKKKss"))
	f.Add([]byte("ab\x00ab\x00ab\x00ab\x00\x00ssssssssZssZssZssssTsssKsssZsssTTTssZsssAsssss"))
	f.Add([]byte("abcd\x00b\x00b\x00\x00ssssssZZZZZssTTTsssHsssTTTTsssLsssKssCsssCss"))
	f.Add([]byte("babababababababababababababababab\x00bb\x00\x00ssssssssssssssssssKsKsKsKsZsKsZsZsKsKsTTTTTTsssssssA"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 300 {
			return
		}
		w := newWaitBed(t)
		in = w.messages(in)
		for i, op := range in {
			w.do(op, i)
		}
		for range 40 * (len(in) + 10) {
			w.do('A', 0)
			for range 20 {
				w.do('s', 0)
				w.do('K', 0)
			}
			if len(w.s.done) == w.count {
				break
			}
		}
		if len(w.s.done) != w.count || len(w.running) > 0 {
			t.Fatalf("%q: %d of %d messages are finished, %d deliveries run", in, len(w.s.done), w.count, len(w.running))
		}
		for rcpt, done := range w.isDone {
			if !done {
				t.Errorf("%q: %s never got its message", in, rcpt)
			}
		}
		ds := w.c.dests
		for _, d := range ds.all {
			if d.running != 0 || len(d.line) != 0 {
				t.Errorf("%q: %d run and %d wait at %s", in, d.running, len(d.line), d.domain)
			}
		}
		ended := 0
		for _, p := range ds.parked {
			if p.job.over {
				ended++
			}
		}
		if ended != ds.ended || ended != len(ds.parked) {
			t.Errorf("%q: %d jobs parked, %d ended, %d counted", in, len(ds.parked), ended, ds.ended)
		}
		if ds.jobs != ds.stale || w.s.jobs != 0 || len(w.c.due) != 0 {
			t.Errorf("%q: %d places of jobs, %d stale; %d jobs, %d messages due", in, ds.jobs, ds.stale, w.s.jobs, len(w.c.due))
		}
	})
}

// A waitBed is a qmail-send without goroutines: each step is called for.
type waitBed struct {
	t       *testing.T
	s       *server
	c       *channel
	dir     string
	now     int64
	limits  domainLimits
	count   int      // messages
	running []uint32 // delivery numbers, the oldest first
	isDone  map[string]bool
}

func newWaitBed(t *testing.T) *waitBed {
	w := &waitBed{t: t, dir: t.TempDir(), now: 1_700_000_000, isDone: map[string]bool{}}
	w.limits = domainLimits{"a.test": 1, "b.test": 2, "": 3, "d.test": 0}
	w.s = &server{log: &logger{to: io.Discard}, set: &settings{lifetime: 1 << 40}}
	w.s.routes.Store(testRoutes())
	w.s.now = func() time.Time { return time.Unix(w.now, 0) }
	q, err := sys.OpenDir(w.dir)
	check(t, err)
	t.Cleanup(func() { _ = q.Close() })
	w.s.queue = q
	w.s.channels = [...]*channel{newChannel(local, 1), newChannel(remote, 6)}
	w.c = w.s.channels[remote]
	w.c.dests = newDestinations(w.limits, w.s.set.lifetime)
	w.s.setLimits([...]int{1, 6})
	return w
}

// messages makes messages from the beginning of the input: a recipient for each
// letter, a NUL after each message, one more at the end. It returns the rest.
func (w *waitBed) messages(in []byte) []byte {
	text := ""
	for i, c := range in {
		if c != 0 {
			rcpt := fmt.Sprintf("m%d-%d@%c.test", w.count, i, 'a'+c%4)
			w.isDone[rcpt] = false
			text += "T" + rcpt + "\x00"
			continue
		}
		if text == "" {
			return in[i+1:]
		}
		w.add(text)
		text = ""
	}
	if text != "" {
		w.add(text)
	}
	return nil
}

// add makes a message.
func (w *waitBed) add(text string) {
	id := queue.ID(100 + w.count)
	for _, k := range [...]queue.Kind{queue.Info, queue.Remote} {
		path := w.dir + "/" + k.Path(id)
		check(w.t, os.MkdirAll(filepath.Dir(path), 0o700))
		check(w.t, os.WriteFile(path, []byte(map[queue.Kind]string{queue.Info: "Fs@a\x00", queue.Remote: text}[k]), 0o600))
		check(w.t, os.Chtimes(path, time.Unix(w.now, 0), time.Unix(w.now-int64(w.count), 0)))
	}
	w.c.due.push(entry{w.now, id})
	w.count++
}

// do is one operation; n chooses among deliveries.
func (w *waitBed) do(op byte, n int) {
	const all = "ssssKKKZZTLCAH"
	if strings.IndexByte(all, op) < 0 {
		op = all[int(op)%len(all)]
	}
	switch op {
	case 'K', 'Z':
		if len(w.running) == 0 {
			return
		}
		n %= len(w.running)
		d := w.c.slots[w.running[n]]
		w.isDone[d.rcpt] = op == 'K'
		w.s.report(w.c, pipe.Report{Delnum: w.running[n], Letter: op})
		w.running = slices.Delete(w.running, n, n+1)
	case 'T':
		w.now += 70
	case 'L':
		w.now += 4000
	case 'C':
		w.now -= 5000
		w.s.watchClock(w.now)
	case 'A':
		w.s.signal(sig.ALRM)
	case 'H':
		w.limits = map[int]domainLimits{0: {"": 1}, 1: nil, 2: {"a.test": 2, "d.test": 1}}[n%3]
		w.s.setDomainLimits(w.limits)
	default:
		w.s.seen = w.now
		w.s.serve(w.c, w.now)
		w.started()
	}
}

// started checks the delivery that was started, if one was.
func (w *waitBed) started() {
	select {
	case <-w.c.commands:
	default:
		return
	}
	w.c.writing = false
	domains := map[string]int{}
	var last delivery
	for i, d := range w.c.slots {
		if d.job == nil {
			continue
		}
		_, domain, _ := strings.Cut(d.rcpt, "@")
		domains[domain]++
		if d.number == w.s.delivered {
			last = d
			w.running = append(w.running, uint32(i))
		}
	}
	for i, d := range w.c.slots {
		if d.job != nil && d.rcpt == last.rcpt && d.number != last.number {
			w.t.Fatalf("%s is being delivered twice (slot %d)", d.rcpt, i)
		}
	}
	if w.isDone[last.rcpt] {
		w.t.Fatalf("%s is done and is delivered again", last.rcpt)
	}
	_, domain, _ := strings.Cut(last.rcpt, "@")
	if limit := w.limits.of(domain); domains[domain] > limit {
		w.t.Fatalf("%d deliveries to %s, %d may be", domains[domain], domain, limit)
	}
}

// TestTooManyWait: a recipient for whose message there is no place follows the retry
// schedule.
func TestTooManyWait(t *testing.T) {
	w := newWaitBed(t)
	w.c.dests.jobs = lagsMax
	w.messages([]byte("dad")) // a.test, b.test, a.test
	w.drive()
	if got := len(w.running); got != 2 {
		t.Fatalf("%d deliveries run, want one for each domain", got)
	}
	w.do('K', 0)
	w.do('K', 0)
	w.drive()
	if len(w.running) > 0 || len(w.s.done) > 0 {
		t.Errorf("%d deliveries run, %d messages are finished", len(w.running), len(w.s.done))
	}
	w.now += 400
	w.drive()
	if len(w.running) != 1 {
		t.Fatal("never tried again")
	}
}

// drive does what there is to do without another report.
func (w *waitBed) drive() {
	for range 20 {
		w.do('s', 0)
	}
}
