//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A gate is a program delivery that waits for the test: until it can remove a
// directory, which the test makes once for each delivery that may go on.
type gate struct {
	u    *user
	path string
}

// gate makes user-EXT run a program that adds a line to ~/entered, waits until
// the test opens the gate, and says so.
func (u *user) gate(ext string) *gate {
	u.b.Helper()
	name := "gate-" + ext
	u.dotQmail("-"+ext, "|echo "+ext+" >>entered; until rmdir "+name+" 2>/dev/null; do sleep 0.01; done; echo opened\n")
	return &gate{u, u.home + "/" + name}
}

// open lets one delivery through, and waits until it has passed.
func (g *gate) open() {
	b := g.u.b
	b.Helper()
	b.must(os.Mkdir(g.path, 0o755))
	b.eventually("a delivery to pass "+g.path, func() bool {
		_, err := os.Stat(g.path)
		return os.IsNotExist(err)
	})
}

// entered waits until n deliveries have come to a gate of the user.
func (u *user) entered(n int) {
	u.b.Helper()
	u.b.eventually(fmt.Sprintf("%d deliveries to %s's gates", n, u.name), func() bool {
		return strings.Count(u.read("entered"), "\n") >= n
	})
}

// TERM: what runs is finished and recorded, nothing new starts, mail stays in
// todo; the next run goes on.
func TestTermInFlight(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		g := ann.gate("slow")
		b.control("concurrencylocal", "1\n")
		b.start()
		m := b.send("", "x\n", "ann-slow@"+domain, "ann@"+domain)
		ann.entered(1)
		b.signal(syscall.SIGTERM)
		b.idle()
		late := b.inject("", "late\n", "ann@"+domain)
		g.open()
		if code := b.exit(); code != 0 {
			t.Errorf("exit status %d after TERM, want 0", code)
		}
		lines := b.journal.since(m.from)
		want := []string{
			fmt.Sprintf("starting delivery 1: msg %d to local ann-slow@e2e.test", m.n),
			"status: local 1/1 remote 0/20",
			"delivery 1: success: opened/did_0+0+1/", "status: local 0/1 remote 0/20 exitasap", "status: exiting",
		}
		if strings.Join(lines, "\n") != strings.Join(want, "\n") {
			t.Errorf("log after TERM:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
		}
		if got, want := b.look("local", m.n), fmt.Sprintf("0600 7796:2107 %q", "Dann-slow@"+domain+"\x00Tann@"+domain+"\x00"); got != want {
			t.Errorf("local/N = %s, want %s", got, want)
		}
		b.start()
		late.taken().end()
		m.end()
		b.empty()
		b.stop()
		if got := ann.read("Mailbox"); strings.Count(got, "\nx\n\n") != 1 || strings.Count(got, "\nlate\n\n") != 1 {
			t.Errorf("ann's mailbox = %q, want each message once", got)
		}
		if got := ann.read("entered"); got != "slow\n" {
			t.Errorf("ann-slow ran %q, want it once", got)
		}
	})
}

// A second TERM: qmail-send does not wait for deliveries any more. They are
// repeated by the next run.
func TestSecondTerm(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		g := ann.gate("slow")
		b.start()
		m := b.send("", "x\n", "ann-slow@"+domain)
		ann.entered(1)
		lspawn := b.pid("qmail-lspawn")
		b.signal(syscall.SIGTERM)
		b.idle()
		b.never(m.from, `exitasap|exiting`)
		b.signal(syscall.SIGTERM)
		select {
		case <-b.ended:
		case <-time.After(patience):
			t.Fatal("qmail-send still waits after the second TERM")
		}
		if code := b.daemon.ProcessState.ExitCode(); code != 0 {
			t.Errorf("exit status %d after the second TERM, want 0", code)
		}
		b.daemon = nil
		if got := b.look("local", m.n); got != fmt.Sprintf("0600 7796:2107 %q", "Tann-slow@"+domain+"\x00") {
			t.Errorf("local/N = %s, want the recipient to do", got)
		}
		if p := pids("qmail-lspawn"); len(p) != 1 || p[0] != lspawn {
			t.Errorf("qmail-lspawn %v, want the old one, %d, still at its delivery", p, lspawn)
		}
		g.open()
		b.eventually("the old qmail-lspawn to go", func() bool { return len(pids("qmail-lspawn")) == 0 })
		b.start()
		ann.entered(2)
		g.open()
		m.end()
		b.empty()
		b.stop()
	})
}

// ALRM: everything deferred is tried again at once, on both channels.
func TestAlarm(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		ann.dotQmail("", "|[ -f ok ] || exit 111\n")
		b.control("smtproutes", ":127.0.0.2\n") // nobody listens there yet
		b.start()
		m := b.send("", "x\n", "ann@"+domain, "r@far.test")
		m.delivery("local", "ann@"+domain)
		if result, text, _ := b.report(0, m.n, "remote", "r@far.test"); result != "deferral" {
			t.Fatalf("remote delivery = %s %q, want a deferral", result, text)
		}
		ann.write("ok", "", 0o644)
		smtpHost(b, "127.0.0.2")
		from := b.journal.mark()
		b.signal(syscall.SIGALRM)
		result, text, _ := b.report(from, m.n, "local", "ann@"+domain)
		b.expect("delivery after ALRM", result, text, "success", "did_0+0+1/")
		result, text, _ = b.report(from, m.n, "remote", "r@far.test")
		b.expect("delivery after ALRM", result, text, "success", "127.0.0.2_accepted_message./Remote_host_said:_250_queued/")
		m.end()
		b.empty()
		b.stop()
	})
}

// HUP: locals and virtualdomains are read again, nothing else; an unreadable
// file leaves the old table.
func TestHangup(t *testing.T) {
	onBed(t, func(b *bed) {
		b.user("ann")
		b.control("concurrencyremote", "0\n")
		b.start()
		m := b.send("", "x\n", "ann@new.test")
		b.eventually("a remote recipient", func() bool { return b.parts(m.n) == "mess info remote" })

		b.control("locals", domain+"\nnew.test\n")
		b.control("virtualdomains", "v.test:ann-x\n")
		b.control("concurrencylocal", "3\n")
		b.signal(syscall.SIGHUP)
		// the flag is seen before anything that comes later is done
		m2 := b.inject("", "y\n", "ann@new.test", "box@v.test").taken()
		b.expectReport(m2, "ann@new.test", "success", "did_1+0+0/")
		b.wait(m2.from, `^starting delivery \d+: msg \d+ to local ann-x-box@v\.test$`)
		b.never(0, `^status: local \d+/3 `)
		if got := b.parts(m.n); got != "mess info remote" {
			t.Errorf("the old message has %q, want its channel unchanged", got)
		}

		b.must(os.Remove(home + "/control/locals"))
		b.must(os.Mkdir(home+"/control/locals", 0o755))
		b.signal(syscall.SIGHUP)
		b.wait(0, `^alert: unable to reread control/locals$`)
		m3 := b.send("", "z\n", "ann@new.test")
		b.expectReport(m3, "ann@new.test", "success", "did_1+0+0/")

		b.must(os.Remove(home + "/control/locals"))
		b.must(os.Remove(home + "/control/virtualdomains"))
		from := b.journal.mark()
		b.signal(syscall.SIGHUP)
		m4 := b.send("", "w\n", "ann@"+hostName, "ann@new.test", "box@v.test")
		b.expectReport(m4, "ann@"+hostName, "success", "did_1+0+0/")
		b.eventually("remote recipients", func() bool { return b.parts(m4.n) == "mess info remote" })
		b.never(from, `to local .*(new|v)\.test$`)
		b.stop()
	})
}
