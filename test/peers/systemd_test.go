//go:build e2e

package peers

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"goqmail/internal/testkit"
)

const unitDir = "/etc/systemd/system/"

// The drop-ins that the page shows.
const (
	multilogDropIn = unitDir + "qmail-send.service.d/multilog.conf"
	tcpdDropIn     = unitDir + "smtpd@.service.d/tcpd.conf"
)

// unitsInPlace copies the shipped units by the page's command.
func (b *bed) unitsInPlace() {
	b.Helper()
	b.must(os.MkdirAll(unitDir, 0o755))
	b.command(ownPath, "cp "+home+"/boot/systemd/")
}

// systemd-analyze has nothing to say about the units, with and without the
// page's drop-ins, and systemctl can enable all that the page speaks of.
func TestUnitsVerify(t *testing.T) {
	onBed(t, func(b *bed) {
		b.unitsInPlace()
		verify := func(pattern string) {
			t.Helper()
			files, err := filepath.Glob(pattern)
			b.must(err)
			if len(files) != 17 {
				t.Errorf("%d units, want 17", len(files))
			}
			if out := b.run(ownPath, append([]string{"systemd-analyze", "verify"}, files...)...); out != "" {
				t.Errorf("systemd-analyze verify %s prints\n%s", pattern, out)
			}
		}
		verify(home + "/boot/systemd/*")
		verify(unitDir + "*.s*[te]")
		b.install(multilogDropIn)
		b.install(tcpdDropIn)
		verify(unitDir + "*.s*[te]") // not the directories NAME.d
		files, err := filepath.Glob(home + "/boot/systemd/*[a-z].s*")
		b.must(err)
		for _, f := range files {
			b.run(ownPath, "systemctl", "--root=/", "enable", filepath.Base(f))
		}
		for link, n := range map[string]int{"multi-user.target.wants/qmail-*.service": 5, "sockets.target.wants/*.socket": 8} {
			if names, _ := filepath.Glob(unitDir + link); len(names) != n {
				t.Errorf("enable made %v, want %d of %s", names, n, link)
			}
		}
	})
}

// qmail-send.service: ExecStart as the unit says; ALRM, ExecReload, and TERM
// while a delivery runs, which ends first. The log is on descriptor 1, or where
// the page's drop-in puts it.
func TestUnitSend(t *testing.T) {
	onBed(t, func(b *bed) {
		b.firstStart()
		b.unitsInPlace()
		b.dotQmail("slow", "|touch /tmp/slow; while test -e /tmp/slow; do sleep 0.02; done\n./Maildir/\n")
		b.dotQmail("later", "|test -e /tmp/open || exit 111\n./Maildir/\n")
		const log = "/tmp/journal"
		s := b.startService(b.readUnit("qmail-send.service"), log, nil)
		b.wait(log, 0, `^status: local 0/10 remote 0/20$`)
		b.runsAs(1, "qmail-send", home+"/bin/qmail-send", testkit.UIDSend, testkit.GIDQmail)
		if list := pids("qmail-send"); len(list) != 1 || list[0] != s.cmd.Process.Pid {
			t.Errorf("qmail-send has the pids %v, the main process is %d", list, s.cmd.Process.Pid)
		}
		b.inject("by the unit", "ann@"+domain)
		b.arrived("by the unit")

		b.inject("later", "ann-later@"+domain)
		_, from := b.wait(log, 0, `^delivery \d+: deferral: `)
		b.write("/tmp/open", "", 0o644)
		b.run(ownPath, "kill", "-ALRM", strconv.Itoa(s.cmd.Process.Pid))
		b.arrived("later")

		from = b.becomesLocal(log, "^", from, s.reload)

		b.inject("slow", "ann-slow@"+domain)
		b.eventually("the slow delivery", func() bool { _, err := os.Stat("/tmp/slow"); return err == nil })
		s.kill()
		select {
		case err := <-s.ended:
			t.Fatalf("qmail-send ended while a delivery ran: %v", err)
		default:
		}
		b.must(os.Remove("/tmp/slow"))
		b.wait(log, from, `^status: local 0/10 remote 0/20 exitasap$`)
		s.over()
		b.arrived("slow")
		for _, name := range []string{"qmail-lspawn", "qmail-rspawn", "qmail-clean"} {
			b.eventually("the end of "+name, func() bool { return len(pids(name)) == 0 })
		}

		// A second TERM, which comes after TimeoutStopSec: no waiting.
		s = b.startService(b.readUnit("qmail-send.service"), log, nil)
		if got := b.one(s.u, "Service.FinalKillSignal"); got != "SIGTERM" {
			t.Errorf("FinalKillSignal=%s", got)
		}
		b.inject("slow again", "ann-slow@"+domain)
		b.eventually("another slow delivery", func() bool { _, err := os.Stat("/tmp/slow"); return err == nil })
		s.insist()
		b.dotQmail("slow", "./Maildir/\n") // it comes again
		b.must(os.Remove("/tmp/slow"))

		b.install(multilogDropIn)
		u := b.readUnit("qmail-send.service", multilogDropIn)
		b.run(ownPath, strings.Fields(b.one(u, "Service.ExecStartPre"))...)
		s = b.startService(u, log, nil)
		b.wait(sendCurrent, 0, stamped+`status: local 0/10 remote 0/20$`)
		b.runsAs(1, "multilog", home+"/bin/multilog", testkit.UIDLog, testkit.GIDNofiles)
		s.stop()
		b.wait(sendCurrent, 0, stamped+`status: exiting$`)
	})
}

// The servers under tcpserver, with sockets made by the test as systemd makes
// them: rules count, no process but POP3's is ever root, and after TERM the
// socket still listens and a connection goes on.
func TestUnitServers(t *testing.T) {
	onBed(t, func(b *bed) {
		b.firstStart()
		b.unitsInPlace()
		b.start()
		var running []*service
		for _, name := range services[1:] {
			u := b.readUnit("qmail-" + name + ".service")
			if got, want := b.one(u, "Unit.Requires"), "qmail-"+name+".socket"; got != want {
				t.Errorf("Requires=%s, want %s", got, want)
			}
			files := b.sockets(b.readUnit("qmail-" + name + ".socket"))
			running = append(running, b.startService(u, "/tmp/journal."+name, files))
			for _, f := range files {
				defer f.Close()
			}
		}
		b.tcpservers(home + "/bin/tcpserver")
		b.mail("127.0.0.4", "by the unit", "250 ")
		b.others("127.0.0.4", "by units", true)
		if hasIPv6() {
			b.mail("::1", "by IPv6", "250 ")
		}
		b.replace(home+"/control/tcp.smtp", "127.:allow", "127.0.0.8:allow")
		b.replace(home+"/control/tcp.qmqp", "127.:allow", "127.0.0.8:allow")
		b.command(ownPath, home+"/boot/service cdb")
		b.mail("127.0.0.4", "no relay", "553 ")
		b.qmtp("127.0.0.4", "no relay by QMTP", false)
		b.noQMQP("127.0.0.4")

		open := b.connect("127.0.0.8")
		open.say("", "220 ")
		for _, s := range running {
			s.stop()
		}
		open.say("HELO there.test", "250 ") // KillMode=process
		open.say("QUIT", "221 ")
		next := b.connect("127.0.0.8") // waits for the next start
		again := b.startService(running[0].u, "/tmp/journal.again", running[0].cmd.ExtraFiles)
		next.say("", "220 ")
		next.say("QUIT", "221 ")
		again.stop()
	})
}

// One process for each connection, as the templates say: tcp-env tells of both
// ends; there are no rules, so nobody relays, unless tcpd says so.
func TestUnitTemplates(t *testing.T) {
	onBed(t, func(b *bed) {
		testkit.StartDNS(t, "127.0.0.1", 53, zone)
		b.firstStart()
		b.unitsInPlace()
		b.start()
		const log = "/tmp/journal"
		for _, name := range services[1:] {
			stop := b.accepting(b.readUnit(name+".socket"), b.readUnit(name+"@.service"), log)
			if name != "smtpd" {
				defer stop()
				continue
			}
			b.inetdTrial("127.0.0.8", "by a template", false, "553 ")
			stop()
			b.install(tcpdDropIn)
			b.command(ownPath, "cat "+home+"/boot/hosts.allow ")
			stop = b.accepting(b.readUnit(name+".socket"), b.readUnit(name+"@.service", tcpdDropIn), log)
			b.inetdTrial("127.0.0.8", "relaying", false, "250 ")
			b.replace("/etc/hosts.allow", "tcp-env: 127. ", "tcp-env: 127.0.0.8 ")
			b.inetdTrial("127.0.0.4", "not relaying", false, "553 ")
			stop()
		}
		b.qmtp("127.0.0.8", "by QMTP", false)
		mail := b.qmqp("127.0.0.8", "by QMQP")
		if want := "Received: from good.host.test (127.0.0.8)\n"; !strings.Contains(mail, want) {
			t.Errorf("the message by QMQP is %q, want %q in it", mail, want)
		}
		b.pop3("127.0.0.8", "by QMTP")
		if said := lines(log); len(said) != 0 {
			t.Errorf("the journal has %q", said)
		}
	})
}

// What the page says of NoNewPrivileges=yes: no mail comes in.
func TestNoNewPrivileges(t *testing.T) {
	onBed(t, func(b *bed) {
		b.firstStart()
		b.unitsInPlace()
		u := b.readUnit("qmail-smtpd.service")
		u["Service.NoNewPrivileges"] = []string{"yes"}
		s := b.startService(u, "/tmp/journal", b.sockets(b.readUnit("qmail-smtpd.socket")))
		c := b.connect("127.0.0.4")
		c.say("", "220 ")
		c.say("MAIL FROM:<s@far.test>", "250 ")
		c.say("RCPT TO:<ann@"+domain+">", "250 ")
		c.say("DATA", "354 ")
		c.say("x\r\n.", "451 qq ")
		s.stop()
	})
}
