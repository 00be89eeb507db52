//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// A host that hangs gets as many deliveries as control/concurrencydomains says, and
// mail for others goes out past it; one that is not there is left alone until SIGALRM.
// It is the same when deliveries share connections and transactions.
func TestSlowDomain(t *testing.T) {
	for _, share := range []string{"0", "1"} {
		t.Run("remoteshare "+share, func(t *testing.T) {
			onBed(t, func(b *bed) {
				b.control("remoteshare", share+"\n")
				b.control("smtproutes", "slow.test:[127.0.0.3]:2525\nfast.test:[127.0.0.4]:2525\ndead.test:[127.0.0.5]:2525\n")
				b.control("concurrencyremote", "3\n")
				b.control("concurrencydomains", "slow.test:2\ndead.test:1\n")
				b.slowDomain()
				b.deadDomain()
				b.stop()
			})
		})
	}
}

// slowDomain sends to a host that accepts no message until others have got theirs.
func (b *bed) slowDomain() {
	b.Helper()
	slow := smtpHostAt(b, "127.0.0.3", 2525)
	slow.hold = make(chan struct{})
	smtpHostAt(b, "127.0.0.4", 2525)
	b.start()
	var rcpts []string
	for i := range 6 {
		rcpts = append(rcpts, fmt.Sprintf("r%d@slow.test", i))
	}
	from := b.journal.mark()
	stuck := b.send("", "x\n", append(rcpts, "f@fast.test")...)
	b.wait(from, `to remote f@fast.test$`)
	alone := b.send("", "x\n", "s@SLOW.test")
	for range 4 {
		m := b.send("", "x\n", "g@fast.test")
		m.delivery("remote", "g@fast.test")
		m.end()
	}
	started := 0
	for _, line := range b.journal.all()[from:] {
		if strings.HasPrefix(line, "starting ") && strings.HasSuffix(strings.ToLower(line), "@slow.test") {
			started++
		}
	}
	if started != 2 {
		b.Errorf("%d deliveries to slow.test were started at a time, want 2", started)
	}
	close(slow.hold)
	stuck.end()
	alone.end()
	b.empty()
}

// deadDomain sends to a host that is not there, until it is.
func (b *bed) deadDomain() {
	b.Helper()
	from := b.journal.mark()
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
	b.send("", "x\n", "h@fast.test").end()
	b.never(at, `to remote d@dead.test`)
	smtpHostAt(b, "127.0.0.5", 2525)
	b.signal(syscall.SIGALRM)
	b.wait(at, `^destination dead.test: not held any more$`)
	for _, m := range dead {
		m.end()
	}
	b.empty()
}
