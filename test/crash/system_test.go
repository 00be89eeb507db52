//go:build e2e

package crash

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/testkit"
)

// after is how long the running system may go on after the point was reached.
// What failed may be tried again only after minutes; it is then a loss of power
// that ends it.
const after = 300 * time.Millisecond

// settled waits until the running system has nothing to do, or has ended, or
// the point was reached and its time is over.
func (b *bed) settled(p point) {
	b.Helper()
	end := time.Now().Add(patience)
	for hit := false; time.Now().Before(end); time.Sleep(3 * time.Millisecond) {
		select {
		case err := <-b.ended:
			b.ended <- err
			return
		default:
		}
		if byNumber, _ := scan(); len(byNumber) == 0 {
			return
		}
		if p.n > 0 && !hit {
			if _, hit = b.counted(); hit {
				end = time.Now().Add(after)
			}
		}
	}
}

// bad is an address that nobody has: mail to it bounces.
const bad = "no-such-user@" + domain

// batch is how many messages pass the system at once: enough for what is done for
// several together, by one process or with one flush.
const batch = 5

// disturb runs the system once with p done to one of its programs: messages to
// ann pass, of which one goes to a bad address too, so that a bounce comes to ann
// as well. After a restart each has arrived at least once, and what was left
// behind goes when it is old.
func (b *bed) disturb(p point) {
	b.Helper()
	b.emptyQueue()
	b.emptyHome()
	var ids []string
	to := []string{"ann@" + domain, bad}
	for len(ids) < batch {
		ids = append(ids, b.newID())
		if code := b.enqueue(ids[len(ids)-1], 2000, to); code != 0 {
			b.Fatalf("qmail-queue: exit %d", code)
		}
		to = to[:1]
	}
	b.start(&p)
	b.settled(p)
	b.powerOff()
	_, wrong := b.look()
	for _, w := range wrong {
		b.Errorf("%v: %s", p, w)
	}
	done := b.deliverAll()
	got, broken := b.delivered()
	switch {
	case !done:
		b.Errorf("%v: not delivered after a restart; queue %v", p, b.inQueue())
	case len(broken) > 0:
		b.Errorf("%v: new/ has %q", p, broken)
	case slices.ContainsFunc(ids, func(id string) bool { return got[id] == 0 }):
		b.Errorf("%v: of %v arrived %v; queue %v", p, ids, got, b.inQueue())
	case got["bounce"] == 0:
		b.Errorf("%v: the bounce is lost; queue %v", p, b.inQueue())
	case len(b.inQueue()) > 0:
		b.cleanUp()
	}
	if log := b.log(); b.Failed() {
		b.Fatalf("%v: log:\n%s", p, log)
	}
}

// systemPoints disturbs one program of the running system, by kills and errors
// in turn, in random order, until the time is over.
func (b *bed) systemPoints(exe string) {
	b.Helper()
	b.disturb(point{exe: exe})
	kills, errs := b.points(exe)
	b.shuffle(kills)
	b.shuffle(errs)
	if only := os.Getenv("CRASHONLY"); only != "" {
		kills, errs = chosen(kills, only), chosen(errs, only)
	}
	all := byTurns(kills, errs)
	end, done := time.Now().Add(seconds()), 0
	for ; done < len(all) && time.Now().Before(end); done++ {
		b.disturb(all[done])
	}
	b.Logf("%s: %d of %d kills and errors done", exe, done, len(all))
}

func (b *bed) shuffle(list []point) {
	b.rnd.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// chosen returns the points that CRASHONLY asks for, each a hundred times.
func chosen(list []point, text string) (out []point) {
	for _, p := range list {
		if strings.Contains(p.String(), text) {
			for range 100 {
				out = append(out, p)
			}
		}
	}
	return out
}

// byTurns takes the next of a and of b, as long as there are any.
func byTurns(a, b []point) (out []point) {
	for len(a)+len(b) > 0 {
		if len(a) > 0 {
			out, a = append(out, a[0]), a[1:]
		}
		if len(b) > 0 {
			out, b = append(out, b[0]), b[1:]
		}
	}
	return out
}

// inQueue shows what is in the queue, for messages.
func (b *bed) inQueue() (out []string) {
	b.Helper()
	list, _ := b.look()
	for _, q := range list {
		out = append(out, q.n+" "+q.state)
	}
	return out
}

func TestSend(t *testing.T) { onBed(t, func(b *bed) { b.systemPoints("qmail-send") }, needTracer) }

func TestClean(t *testing.T) { onBed(t, func(b *bed) { b.systemPoints("qmail-clean") }, needTracer) }

func TestLspawn(t *testing.T) { onBed(t, func(b *bed) { b.systemPoints("qmail-lspawn") }, needTracer) }

func TestRspawn(t *testing.T) { onBed(t, func(b *bed) { b.systemPoints("qmail-rspawn") }, needTracer) }

func TestLocal(t *testing.T) { onBed(t, func(b *bed) { b.systemPoints("qmail-local") }, needTracer) }

// The qmail-queue that takes the bounce.
func TestBounceQueue(t *testing.T) {
	onBed(t, func(b *bed) { b.systemPoints("qmail-queue") }, needTracer)
}

// A session of qmail-smtpd with several messages: each 250 is a message that is
// queued whole, whatever happens to qmail-queue.
func TestSession(t *testing.T) {
	onBed(t, func(b *bed) {
		if said := b.session(point{exe: "qmail-queue"}); said != sessionMessages {
			b.Fatalf("qmail-smtpd answers %d of %d messages", said, sessionMessages)
		}
		kills, errs := b.points("qmail-queue")
		b.shuffle(kills)
		b.shuffle(errs)
		all := byTurns(kills, errs)
		end, done := time.Now().Add(seconds()), 0
		for ; done < len(all) && time.Now().Before(end); done++ {
			b.session(all[done])
		}
		b.Logf("%d of %d kills and errors done", done, len(all))
	}, needTracer)
}

const sessionMessages = 3

// session runs one session with p and checks the queue against what
// qmail-smtpd said. It returns the number of answers.
func (b *bed) session(p point) (said int) {
	b.Helper()
	b.emptyQueue()
	argv := append([]string{testkit.LookTool(b, "env"), "RELAYCLIENT=", "PROTO=TCP", "TCPREMOTEIP=127.0.0.1", "TCPLOCALIP=127.0.0.1"},
		b.traced(p, home+"/bin/qmail-smtpd")...)
	var ids []string
	in := "HELO test\r\n"
	for range sessionMessages {
		id := b.newID()
		ids = append(ids, id)
		in += "MAIL FROM:<s@" + domain + ">\r\nRCPT TO:<ann@" + domain + ">\r\nDATA\r\n" +
			strings.ReplaceAll(mail(id, 3000), "\n", "\r\n") + ".\r\n"
	}
	code, out := b.run(in+"QUIT\r\n", "", argv...)
	if code == hung {
		b.Errorf("%v: it hangs", p)
	}
	for len(pids("qmail-queue")) > 0 { // one that was left behind ends by itself
		time.Sleep(time.Millisecond)
	}
	list, wrong := b.look()
	for _, w := range wrong {
		b.Errorf("%v: %s", p, w)
	}
	for _, line := range strings.Split(out, "\r\n") {
		accepted := strings.Contains(line, " qp ")
		if said == len(ids) || !accepted && !strings.HasPrefix(line, "4") && !strings.HasPrefix(line, "5") {
			continue
		}
		if q, there := holds(list, ids[said]); accepted && !(there && q.whole) {
			b.Errorf("%v: %q, but message %d is not queued", p, line, said+1)
		}
		said++
	}
	return said
}

// A flush that fails once: that message is not acknowledged, and a later flush
// that succeeds is not taken for its own. The next message is accepted.
func TestFlushFails(t *testing.T) {
	onBed(t, func(b *bed) {
		b.enqueue(b.newID(), 5000, []string{"ann@" + domain}, b.traced(point{exe: "qmail-queue"}, home+"/bin/qmail-queue")...)
		list, _ := b.counted()
		for _, p := range pointsOf("qmail-queue", list) {
			if !strings.HasPrefix(p.call, "fsync ") {
				continue
			}
			p.action, p.errno = "fail", syscall.EIO
			id := b.newID()
			code := b.enqueue(id, 5000, []string{"ann@" + domain}, b.traced(p, home+"/bin/qmail-queue")...)
			if _, hit := b.counted(); !hit {
				b.Errorf("%v: not reached", p)
			}
			now, _ := b.look()
			if _, there := holds(now, id); code == 0 || there {
				b.Errorf("%v: exit %d, queued %v, want a failure", p, code, there)
			}
			if next := b.newID(); b.enqueue(next, 5000, []string{"ann@" + domain}) != 0 {
				b.Errorf("%v: the next message is not accepted", p)
			}
		}
		// and in the mailboxes
		for _, how := range []string{"./Maildir/", "./Mailbox"} {
			b.emptyHome() // a new mbox is flushed with its directory
			b.local(point{exe: "qmail-local"}, b.newID(), how)
			list, _ := b.counted()
			flushes := 0
			for _, p := range pointsOf("qmail-local", list) {
				if !strings.HasPrefix(p.call, "fsync ") {
					continue
				}
				flushes++
				p.action, p.errno = "fail", syscall.EIO
				b.emptyHome()
				if code, _ := b.local(p, b.newID(), how); code != 111 {
					b.Errorf("%s, %v: exit %d, want 111", how, p, code)
				}
			}
			if flushes == 0 {
				b.Errorf("%s: no flush among %d calls", how, len(list))
			}
		}
	}, needTracer)
}

// The same for each flush that the daemons wait for.
func TestFlushFailsRunning(t *testing.T) {
	onBed(t, func(b *bed) {
		for _, exe := range []string{"qmail-send", "qmail-clean"} {
			b.disturb(point{exe: exe})
			list, _ := b.counted()
			flushes := 0
			for _, p := range pointsOf(exe, list) {
				if strings.HasPrefix(p.call, "fsync ") {
					flushes++
					p.action, p.errno = "fail", syscall.EIO
					b.disturb(p)
				}
			}
			b.Logf("%s: %d flushes failed", exe, flushes)
		}
	}, needTracer)
}
