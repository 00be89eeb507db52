//go:build e2e

package e2e

import (
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/testkit"
)

// A lock that the start script holds on a descriptor above 6 stays held as long as
// qmail-send runs, but no longer: no child keeps it. Data is limited, as start
// scripts do.
func TestLockAndLimit(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		ann.dotQmail("", "|ls -l /proc/self/fd 2>/dev/null | grep -c qmail.lock; sleep 1000 & exit 0\n")
		flock, lock := testkit.LookTool(t, "flock"), "/run/qmail.lock"
		free := func() bool { return command(flock, "-n", lock, "true").Run() == nil }
		b.startCommand(command("/bin/sh", "-c", "exec 9>>"+lock+"; "+flock+" -n 9; ulimit -d 64000; exec "+
			home+"/bin/qmail-start ./Mailbox"))
		b.wait(0, `^status: local 0/10 remote 0/20$`)
		if free() {
			t.Error("the lock is free while qmail-send runs")
		}
		for _, name := range daemonNames[1:] {
			if fds := b.descriptors(b.pid(name)); strings.Contains(fds, "qmail.lock") {
				t.Errorf("%s holds the lock: %s", name, fds)
			}
		}
		m := b.send("", "x\n", "ann@"+domain)
		// the background process keeps the delivery open, as in C
		b.eventually("the program", func() bool { return len(pids("sleep")) == 1 })
		for _, p := range pids("sleep") {
			b.must(syscall.Kill(p, syscall.SIGKILL))
		}
		b.expectReport(m, "ann@"+domain, "success", "0/did_0+0+1/")
		b.stop()
		if !free() {
			t.Error("the lock is held after qmail-send's end")
		}
	})
}
