//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"goqmail/internal/testkit"
)

// longAgo is older than what qmail-queue may still be working on (36 hours).
const longAgo = 37 * time.Hour

// S2 and S3: messages that were never accepted. Old ones are rubbish and go,
// with old files in pid/; younger ones may still be written and stay.
func TestTakeOverUnaccepted(t *testing.T) {
	onBed(t, func(b *bed) {
		oldS2 := b.put(queued{text: oldReceived + "half a mess", age: longAgo})
		oldS3 := b.put(queued{text: oldReceived + "x\n", intd: "u0\x00p4711\x00Fs@far", age: longAgo})
		newS2 := b.put(queued{text: oldReceived + "x\n", age: time.Hour})
		newS3 := b.put(queued{text: oldReceived + "x\n", intd: "u0\x00p4711\x00Fs@far", age: time.Hour})
		for name, age := range map[string]time.Duration{"4711.1.1": longAgo, "4712.2.1": time.Hour} {
			path := queueDir + "pid/" + name
			b.must(os.WriteFile(path, nil, 0o644))
			b.dress(path, 0o644, testkit.UIDQueue, 0, time.Now().Add(-age))
		}
		b.start()
		b.eventually("the rubbish to go", func() bool { return b.parts(oldS2)+b.parts(oldS3) == "" })
		b.eventually("the old file in pid/ to go", func() bool {
			_, err := os.Lstat(queueDir + "pid/4711.1.1")
			return os.IsNotExist(err)
		})
		b.stop()
		if got := b.parts(newS2); got != "mess" {
			t.Errorf("a young S2 message has %q, want mess", got)
		}
		if got := b.parts(newS3); got != "mess intd" {
			t.Errorf("a young S3 message has %q, want mess intd", got)
		}
		if _, err := os.Lstat(queueDir + "pid/4712.2.1"); err != nil {
			t.Errorf("a young file in pid/: %v", err)
		}
		b.never(0, `^(new msg|starting|warning|alert)`)
	})
}

// S4: accepted messages that no qmail-send has dealt with, or that one was
// dealing with when it died. What info, local and remote say is worthless.
func TestTakeOverAccepted(t *testing.T) {
	onBed(t, func(b *bed) {
		ann, sue := b.user("ann"), b.user("sue")
		ann.maildir("Maildir")
		ann.dotQmail("", "./Maildir/\n")
		todo := envelope("s@far.test", "ann@"+domain)
		tests := []queued{
			{text: oldReceived + "plain\n", todo: todo},
			{text: oldReceived + "old\n", todo: todo, age: 48 * time.Hour},
			{text: oldReceived + "without intd\n", todo: todo, noIntd: true},
			{text: oldReceived + "with junk\n", todo: todo, info: "Fsomeone@else.test\x00", local: "Tsue@" + domain + "\x00Tann@" + domain + "\x00",
				remote: "Tx@nowhere.test\x00"},
			{text: oldReceived + "with marks\n", todo: todo, info: "Fs@far.test\x00", local: "Dann@" + domain + "\x00"},
			{text: oldReceived + "with half an info\n", todo: todo, info: "Fs@", noIntd: true},
			{text: oldReceived + "no recipients\n", todo: envelope("s@far.test")},
			{text: "", todo: todo},
		}
		var ids []uint64
		for _, q := range tests {
			ids = append(ids, b.put(q))
		}
		b.must(os.WriteFile(queueDir+"todo/junkname", nil, 0o644))
		b.start()
		for _, n := range ids {
			b.wait(0, fmt.Sprintf(`^info msg %d: bytes \d+ from <s@far\.test> qp 4711 uid 0$`, n))
			b.wait(0, fmt.Sprintf(`^end msg %d$`, n))
		}
		b.eventually("a queue with the junk name only", func() bool {
			return strings.Join(b.queueFiles(), " ") == "todo/junkname"
		})
		b.stop()
		got := strings.Join(ann.mails("Maildir"), "")
		for _, q := range tests {
			want := 1
			if strings.HasSuffix(q.text, "no recipients\n") {
				want = 0
			}
			if q.text != "" && strings.Count(got, q.text) != want {
				t.Errorf("ann got %q %d times, want %d", q.text, strings.Count(got, q.text), want)
			}
		}
		if n := len(ann.mails("Maildir")); n != len(tests)-1 {
			t.Errorf("ann got %d messages, want %d", n, len(tests)-1)
		}
		if sue.read("Mailbox") != "" {
			t.Error("sue got a message out of a junk local file")
		}
		b.never(0, `remote x@nowhere`)
		b.never(0, `^(warning|alert)`)
	})
}

// S5: deferred messages. The time of the next try is the mtime of local/N and
// remote/N; recipients marked D are done.
func TestTakeOverPreprocessed(t *testing.T) {
	onBed(t, func(b *bed) {
		ann, joe, sue := b.user("ann"), b.user("joe"), b.user("sue")
		b.control("smtproutes", ":127.0.0.2\n")
		host := smtpHost(b, "127.0.0.2")
		info := "Fsue@" + domain + "\x00"
		due := b.put(queued{text: oldReceived + "due\n", info: info, local: "Tann@" + domain + "\x00", age: 2 * time.Hour, dueIn: -time.Hour})
		half := b.put(queued{text: oldReceived + "half done\n", info: info, age: 2 * time.Hour, dueIn: -time.Hour,
			local:  "Dann@" + domain + "\x00Tjoe@" + domain + "\x00Dsue@" + domain + "\x00",
			remote: "Da@one.test\x00Tb@two.test\x00"})
		done := b.put(queued{text: oldReceived + "done\n", info: info, local: "Dann@" + domain + "\x00Djoe@" + domain + "\x00", age: time.Hour})
		idle := b.put(queued{text: oldReceived + "no channel\n", info: info, age: time.Hour})
		notYet := b.put(queued{text: oldReceived + "not yet\n", info: info, local: "Tjoe@" + domain + "\x00", age: time.Hour, dueIn: time.Hour})
		verp := b.put(queued{text: oldReceived + "verp\n", info: "Flist-@" + domain + "-@[]\x00", remote: "Tc@three.test\x00", age: time.Hour})
		b.start()
		for _, n := range []uint64{due, half, done, idle, verp} {
			b.wait(0, fmt.Sprintf(`^end msg %d$`, n))
		}
		b.eventually("all but the message that is not due to go", func() bool { return len(b.queueFiles()) == 3 })
		when := b.mtime(queuePath("local", notYet))
		b.stop()

		if got := ann.read("Mailbox"); strings.Count(got, "Received:") != 1 || !strings.Contains(got, "due\n\n") {
			t.Errorf("ann's mailbox = %q, want the due message alone", got)
		}
		if got := joe.read("Mailbox"); strings.Count(got, "Received:") != 1 || !strings.Contains(got, "half done\n\n") {
			t.Errorf("joe's mailbox = %q, want the half done message alone", got)
		}
		if sue.read("Mailbox") != "" {
			t.Errorf("sue's mailbox = %q, want nothing", sue.read("Mailbox"))
		}
		got := map[string]bool{}
		for range 2 {
			got[host.session(b).commands] = true
		}
		for _, want := range []string{"MAIL FROM:<sue@e2e.test>|RCPT TO:<b@two.test>", "MAIL FROM:<list-c=three.test@e2e.test>|RCPT TO:<c@three.test>"} {
			if !got["HELO mx.e2e.test|"+want+"|DATA|QUIT"] {
				t.Errorf("SMTP sessions %v, want %s", got, want)
			}
		}
		b.never(0, fmt.Sprintf(`msg %d`, notYet))
		if got := b.mtime(queuePath("local", notYet)); got != when {
			t.Errorf("next try of the waiting message moved from %d to %d", when, got)
		}
	})
}

// S5 with a bounce that had been written but not sent.
func TestTakeOverBounces(t *testing.T) {
	onBed(t, func(b *bed) {
		sue := b.user("sue")
		b.alias().dotQmail("-postmaster", "./pm\n")
		const text = "<gone@far.test>:\nfar away\n\n"
		single := b.put(queued{text: oldReceived + "x\n", info: "Fsue@" + domain + "\x00", bounce: text, age: time.Hour})
		verp := b.put(queued{text: oldReceived + "w\n", info: "Fsue@" + domain + "-@[]\x00", bounce: text, age: time.Hour})
		double := b.put(queued{text: oldReceived + "y\n", info: "F\x00", bounce: text, age: time.Hour})
		triple := b.put(queued{text: oldReceived + "z\n", info: "F#@[]\x00", bounce: text, age: time.Hour})
		// half way: one recipient has failed, the other is still to be tried
		half := b.put(queued{text: oldReceived + "v\n", info: "Fsue@" + domain + "\x00", bounce: text, age: time.Hour,
			local: "Dsue@" + domain + "\x00Tnobody@" + domain + "\x00"})
		b.start()
		for _, n := range []uint64{single, verp, double, half} {
			b.bounce(0, n).end()
			b.wait(0, fmt.Sprintf(`^end msg %d$`, n))
		}
		b.wait(0, fmt.Sprintf(`^triple bounce: discarding bounce/%d$`, triple))
		b.wait(0, fmt.Sprintf(`^end msg %d$`, triple))
		b.empty()
		b.stop()
		box := sue.read("Mailbox")
		if n := strings.Count(box, "\n\nHi. This is the qmail-send program"); n != 3 {
			t.Errorf("sue got %d bounces, want 3:\n%s", n, box)
		}
		for _, want := range []string{
			text + "--- Below this line is a copy of the message.\n\nReturn-Path: <sue@e2e.test>\n" + oldReceived + "x\n",
			text + "--- Below this line is a copy of the message.\n\nReturn-Path: <sue@e2e.test>\n" + oldReceived + "w\n",
			text + "<nobody@e2e.test>:\n" + noBox + "\n--- Below this line is a copy of the message.\n",
		} {
			if !strings.Contains(box, want) {
				t.Errorf("sue's mailbox has no %q:\n%s", want, box)
			}
		}
		if pm := b.alias().read("pm"); !strings.Contains(pm, text+"--- Below this line is the original bounce.\n\nReturn-Path: <>\n"+oldReceived+"y\n") {
			t.Errorf("postmaster's mailbox = %q", pm)
		}
	})
}

// What qmail-send leaves of deferred, half done and failed mail when it stops is
// such a queue again, byte by byte.
func TestLeavesSuchAQueue(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		ann.dotQmail("-later", "|exit 111\n")
		ann.dotQmail("-no", "|echo no; exit 100\n")
		b.control("concurrencyremote", "0\n") // keeps remote recipients
		b.start()
		m := b.send("s@far.test", "body\n", "ann-later@"+domain, "ann@"+domain, "ann-no@"+domain, "x@one.test", "y@two.test")
		for _, r := range []string{"ann-later", "ann", "ann-no"} {
			b.report(0, m.n, "local", r+"@"+domain)
		}
		birth := b.mtime(queuePath("info", m.n))
		b.stop()
		local := fmt.Sprintf("%q", "Tann-later@"+domain+"\x00Dann@"+domain+"\x00Dann-no@"+domain+"\x00")
		remote := fmt.Sprintf("%q", "Tx@one.test\x00Ty@two.test\x00")
		for _, f := range []struct{ dir, want string }{
			{"intd", "-"}, {"todo", "-"},
			{"info", `0600 7796:2107 "Fs@far.test\x00"`},
			{"local", "0600 7796:2107 " + local},
			{"remote", "0600 7796:2107 " + remote},
			{"bounce", fmt.Sprintf("0600 7796:2107 %q", "<ann-no@"+domain+">:\nno\n\n")},
		} {
			if got := b.look(f.dir, m.n); got != f.want {
				t.Errorf("%s/N = %s, want %s", f.dir, got, f.want)
			}
		}
		if got := b.look("mess", m.n); !strings.HasPrefix(got, `0644 7794:0 "Received: (qmail `) || !strings.HasSuffix(got, `body\n"`) {
			t.Errorf("mess/N = %s", got)
		}
		// age 0 or a little more at the attempt: (0+10)^2 seconds after birth
		if got := b.mtime(queuePath("local", m.n)) - birth; got < 100 || got > 144 {
			t.Errorf("next local try %d s after birth, want 100", got)
		}
		if got := b.mtime(queuePath("remote", m.n)) - birth; got < 0 || got > 2 {
			t.Errorf("next remote try %d s after birth, want at once, as none was made", got)
		}
	})
}
