//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// Killed while deliveries run: they are repeated, nothing is lost, and the
// recipients that were marked done are not tried again.
func TestKilledInFlight(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		g := ann.gate("slow")
		b.start()
		m := b.send("", "x\n", "ann@"+domain, "ann-slow@"+domain)
		ann.entered(1)
		m.delivery("local", "ann@"+domain)
		b.eventually("the mark of the first recipient", func() bool {
			return strings.Contains(b.look("local", m.n), `"Dann@`)
		})
		b.signal(syscall.SIGKILL)
		<-b.ended
		b.daemon = nil
		b.start()
		ann.entered(2) // the old qmail-lspawn still has its own
		g.open()
		g.open()
		m.end()
		b.empty()
		b.stop()
		if n := strings.Count(ann.read("Mailbox"), "\nx\n\n"); n != 1 {
			t.Errorf("ann got the message %d times, want once", n)
		}
	})
}

// Losing a partner: qmail-send says so and ends with 0; mail stays.
func TestLostPartner(t *testing.T) {
	for _, tt := range []struct{ name, line string }{
		{"qmail-lspawn", "alert: oh no! lost spawn connection! dying..."},
		{"qmail-rspawn", "alert: oh no! lost spawn connection! dying..."},
		{"qmail-clean", "alert: oh no! lost qmail-clean connection! dying..."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBed(t, func(b *bed) {
				ann := b.user("ann")
				b.start()
				b.must(syscall.Kill(b.pid(tt.name), syscall.SIGKILL))
				m := b.inject("", "x\n", "ann@"+domain) // qmail-clean is missed when it is needed
				if code := b.exit(); code != 0 {
					t.Errorf("exit status %d, want 0", code)
				}
				b.wait(0, "^"+tt.line+"$")
				b.wait(0, "^status: exiting$")
				b.start()
				b.eventually("an empty queue", func() bool { return len(b.queueFiles()) == 0 })
				b.stop()
				if n := strings.Count(ann.read("Mailbox"), "\nx\n\n"); n < 1 {
					t.Errorf("message of qp %d was lost; log:\n%s", m.qp, strings.Join(b.journal.all(), "\n"))
				}
			})
		})
	}
}

// Only one qmail-send runs over a queue.
func TestOnlyOne(t *testing.T) {
	onBed(t, func(b *bed) {
		b.start()
		first := b.daemon
		second := &bed{T: t, journal: newJournal()}
		second.startQuietly("./Mailbox")
		select {
		case <-second.ended:
		case <-patienceEnds():
			t.Fatal("a second qmail-send runs")
		}
		if code := second.daemon.ProcessState.ExitCode(); code != 111 {
			t.Errorf("exit status of a second qmail-send = %d, want 111", code)
		}
		second.journal.drained()
		if got := strings.Join(second.journal.all(), "|"); got != "alert: cannot start: qmail-send is already running" {
			t.Errorf("its log = %q", got)
		}
		if b.daemon != first {
			t.Error("the first one ended")
		}
		b.stop()
	})
}

// Many messages queued while nothing runs, then stopped and started in the
// middle: each is delivered, none twice.
func TestBurstWithRestarts(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		ann.maildir("Maildir")
		const messages = 60
		for i := range messages {
			b.inject("", fmt.Sprintf("message %d\n", i), "ann@"+domain)
		}
		for round := 1; round <= 3; round++ {
			from := b.journal.mark()
			b.start("./Maildir/")
			b.wait(from, `^delivery 8: success`)
			b.stop()
		}
		b.start("./Maildir/")
		b.empty()
		b.stop()
		got := strings.Join(ann.mails("Maildir"), "")
		for i := range messages {
			if n := strings.Count(got, fmt.Sprintf("\nmessage %d\n", i)); n != 1 {
				t.Errorf("message %d was delivered %d times, want once", i, n)
			}
		}
		b.never(0, `^(warning|alert)`)
	})
}
