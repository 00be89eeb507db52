//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/testkit"
)

// isqrt is the integer square root.
func isqrt(n int64) int64 {
	r := int64(0)
	for (r+1)*(r+1) <= n {
		r++
	}
	return r
}

// The next try is birth + (isqrt(age)+10)^2 on the local channel and 20 on the
// remote one. The birth is the mtime of info.
func TestRetrySchedule(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		ann.dotQmail("", "|exit 111\n")
		b.control("smtproutes", ":127.0.0.2\n") // nobody listens
		b.control("concurrencylocal", "20\n")
		ages := []time.Duration{0, 99, 100, 400, 10000, 250000, 600000, -500}
		var ids []uint64
		for _, a := range ages {
			ids = append(ids, b.put(queued{text: oldReceived + "x\n", info: "F\x00", age: a * time.Second, dueIn: -time.Hour,
				local: "Tann@" + domain + "\x00", remote: "Tx@far.test\x00"}))
		}
		began := time.Now().Unix()
		b.start()
		for _, n := range ids {
			b.report(0, n, "local", "ann@"+domain)
			b.report(0, n, "remote", "x@far.test")
		}
		b.stop()
		ended := time.Now().Unix()
		for i, n := range ids {
			birth := b.mtime(queuePath("info", n))
			for channel, skip := range map[string]int64{"local": 10, "remote": 20} {
				got := b.mtime(queuePath(channel, n)) - birth
				lo, hi := isqrt(max(0, began-birth))+skip, isqrt(max(0, ended-birth))+skip
				if got < lo*lo || got > hi*hi {
					t.Errorf("age %v: next %s try %d s after birth, want %d to %d", ages[i]*time.Second, channel, got, lo*lo, hi*hi)
				}
			}
		}
	})
}

// Without the trigger a new message waits; a byte in lock/trigger is enough,
// again and again.
func TestTrigger(t *testing.T) {
	onBed(t, func(b *bed) {
		b.user("ann")
		b.start()
		trigger := queueDir + "lock/trigger"
		pull := func() {
			f, err := os.OpenFile(trigger, os.O_WRONLY|syscall.O_NONBLOCK, 0)
			b.must(err)
			_, err = f.Write([]byte{0})
			b.must(err)
			b.must(f.Close())
		}
		for range 3 {
			b.idle()
			n := b.put(queued{text: oldReceived + "x\n", todo: envelope("", "ann@"+domain)})
			b.idle()
			b.never(0, fmt.Sprintf(`^new msg %d$`, n))
			from := b.journal.mark()
			pull()
			b.wait(from, fmt.Sprintf(`^end msg %d$`, n))
			b.empty()
		}
		b.stop()
	})
}

// concurrencylocal is reached, and held.
func TestConcurrency(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		g := ann.gate("slow")
		b.control("concurrencylocal", "3\n")
		b.start()
		var rcpts []string
		for range 7 {
			rcpts = append(rcpts, "ann-slow@"+domain)
		}
		m := b.send("", "x\n", rcpts...)
		ann.entered(3)
		b.idle()
		if n := strings.Count(ann.read("entered"), "\n"); n != 3 {
			t.Errorf("%d programs run, want 3", n)
		}
		for range rcpts {
			g.open()
		}
		m.end()
		b.wait(0, `^status: local 3/3 remote 0/20$`)
		b.never(0, `^status: local [4-9]/`)
		b.empty()
		b.stop()
	})
}

// A message that does not fit on the disk is refused with 53 and leaves nothing;
// mail goes on when there is room.
func TestFullDisk(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		b.must(os.Rename(home+"/queue", home+"/queue.old"))
		testkit.SmallDisk(t, home+"/queue.new", 1<<20)
		b.must(testkit.MakeQueue(home + "/queue.new/queue"))
		b.must(os.Symlink("queue.new/queue", home+"/queue"))
		b.start()
		big := strings.Repeat("0123456789abcdef\n", 1<<17)
		r, w, err := os.Pipe()
		b.must(err)
		_, err = w.WriteString("F\x00Tann@" + domain + "\x00\x00")
		b.must(err)
		b.must(w.Close())
		cmd := exec.Command(home + "/bin/qmail-queue")
		cmd.Env = []string{}
		cmd.Stdin, cmd.Stdout = strings.NewReader(big), r
		err = cmd.Run()
		b.must(r.Close())
		if code := cmd.ProcessState.ExitCode(); code != 53 {
			t.Errorf("qmail-queue on a full disk: exit status %d (%v), want 53", code, err)
		}
		b.empty()
		m := b.send("", "small\n", "ann@"+domain)
		m.end()
		b.empty()
		b.stop()
		if got := ann.read("Mailbox"); !strings.HasSuffix(got, "\nsmall\n\n") {
			t.Errorf("ann's mailbox = %q", got)
		}
	})
}

// qmail-qread and qmail-qstat show what is in the queue.
func TestQueueTools(t *testing.T) {
	onBed(t, func(b *bed) {
		n := b.put(queued{text: oldReceived + "x\n", info: "Fs@far.test\x00", age: time.Hour, bounce: "<a@b>:\nx\n\n",
			local: "Tann@" + domain + "\x00Djoe@" + domain + "\x00", remote: "Tx@far.test\x00"})
		b.put(queued{text: oldReceived + "y\n", todo: envelope("", "ann@"+domain)})
		out, err := command(home + "/bin/qmail-qread").Output()
		b.must(err)
		when := time.Unix(b.mtime(queuePath("info", n)), 0).UTC().Format("2 Jan 2006 15:04:05")
		want := fmt.Sprintf("%s GMT  #%d  %d  <s@far.test>  bouncing\n\tlocal\tann@%s\n  done\tlocal\tjoe@%s\n\tremote\tx@far.test\n",
			when, n, len(oldReceived)+2, domain, domain)
		if string(out) != want {
			t.Errorf("qmail-qread = %q, want %q", out, want)
		}
		out, err = command(home + "/bin/qmail-qstat").Output()
		b.must(err)
		if want := "messages in queue: 2\nmessages in queue but not yet preprocessed: 1\n"; string(out) != want {
			t.Errorf("qmail-qstat = %q, want %q", out, want)
		}
	})
}
