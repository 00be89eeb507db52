//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// A host that hangs gets as many deliveries as control/concurrencydomains says, and
// mail for others goes out past it; one that is not there is left alone until SIGALRM.
func TestSlowDomain(t *testing.T) {
	onBed(t, func(b *bed) {
		b.control("smtproutes", "slow.test:[127.0.0.3]:2525\nfast.test:[127.0.0.4]:2525\ndead.test:[127.0.0.5]:2525\n")
		b.control("concurrencyremote", "3\n")
		b.control("concurrencydomains", "slow.test:2\ndead.test:1\n")
		var mu sync.Mutex
		now, most := 0, 0
		hold := make(chan bool)
		slow, fast := smtpHostAt(b, "127.0.0.3", 2525), smtpHostAt(b, "127.0.0.4", 2525)
		slow.rcpt = func(string) string {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			<-hold
			mu.Lock()
			now--
			mu.Unlock()
			return "250 ok"
		}
		b.start()
		var rcpts []string
		for i := range 6 {
			rcpts = append(rcpts, fmt.Sprintf("r%d@slow.test", i))
		}
		from := b.journal.mark()
		stuck := b.send("", "x\n", append(rcpts, "f@fast.test")...)
		b.wait(from, `^status: local 0/10 remote 3/3$`)
		alone := b.send("", "x\n", "s@SLOW.test")
		for range 4 {
			m := b.send("", "x\n", "g@fast.test")
			m.delivery("remote", "g@fast.test")
			m.end()
			fast.session(b)
		}
		fast.session(b) // of the first message
		b.eventually("two sessions", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return now == 2
		})
		close(hold)
		stuck.end()
		alone.end()
		if most != 2 {
			t.Errorf("%d deliveries to slow.test at a time, want 2", most)
		}

		var dead []*message
		for i := range 4 {
			m := b.send("", "x\n", "d@dead.test")
			dead = append(dead, m)
			if i < 3 {
				m.delivery("remote", "d@dead.test")
			}
		}
		b.wait(from, `^destination dead.test: held for 60 seconds$`)
		at := b.journal.mark()
		last := b.send("", "x\n", "h@fast.test")
		last.end()
		b.never(at, `to remote d@dead.test`)
		host := smtpHostAt(b, "127.0.0.5", 2525)
		b.signal(syscall.SIGALRM)
		b.wait(at, `^destination dead.test: not held any more$`)
		for _, m := range dead {
			if s := host.session(b); !strings.Contains(s.commands, "RCPT TO:<d@dead.test>") {
				t.Errorf("session %s", s.commands)
			}
			m.end()
		}
		b.stop()
	})
}
