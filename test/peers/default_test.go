//go:build e2e

package peers

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"goqmail/internal/testkit"
)

// hide makes a program of the machine one that cannot be executed.
func (b *bed) hide(name string) {
	b.Helper()
	for _, dir := range []string{"/usr/bin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/"} {
		if _, err := os.Stat(dir + name); err == nil {
			b.must(unix.Mount("/dev/null", dir+name, "", unix.MS_BIND, ""))
		}
	}
}

// The default installation, as boot/service starts it, needs no other package:
// it works while all programs of others are out of reach.
func TestNoOtherPackage(t *testing.T) {
	onBed(t, func(b *bed) {
		for _, name := range needed {
			b.hide(name)
			if err := command(peerPath, "/usr/bin/"+name).Run(); err == nil {
				t.Fatalf("%s can still be executed", name)
			}
		}
		b.firstStart()
		b.command(ownPath, "TCPREMOTEIP=192.0.2.1 tcprulescheck ")
		b.write(home+"/rc", "#!/bin/sh\nexec env - PATH=\"/var/qmail/bin:/usr/bin:/bin\" \\\n"+
			"qmail-start ./Maildir/ multilog t /var/log/qmail/send\n", 0o755)
		b.run("/usr/bin:/bin:/usr/sbin", home+"/boot/service", "start")
		b.mail("127.0.0.4", "by default", "250 ")
		b.runsAs(2, "multilog", home+"/bin/multilog", testkit.UIDLog, testkit.GIDNofiles)
		b.runsAs(1, "tcpserver", home+"/bin/tcpserver", testkit.UIDDaemon, testkit.GIDNofiles)
		b.wait(sendCurrent, 0, stamped+"end msg ")
		b.wait(smtpdCurrent, 0, stamped+`tcpserver: end \d+ status 0$`)
		b.run("/usr/bin:/bin:/usr/sbin", home+"/boot/service", "stop")
		for _, name := range []string{"qmail-send", "tcpserver", "multilog"} {
			b.eventually("the end of "+name, func() bool { return len(pids(name)) == 0 })
		}
	})
}

// boot/send: what control/defaultdelivery says, as many lines as it has; without
// it, or with an empty one, a Maildir. No mail is dropped.
func TestDefaultDelivery(t *testing.T) {
	onBed(t, func(b *bed) {
		for i, tt := range []struct{ name, text, want string }{
			{"absent", "", "./Maildir/"},
			{"empty", "\n", "./Maildir/"},
			{"lines", "|cat >/dev/null\n# $HOME `date`\n./Maildir/\n", "|cat >/dev/null\n# $HOME `date`\n./Maildir/"},
		} {
			if tt.text != "" {
				b.write(home+"/control/defaultdelivery", tt.text, 0o644)
			}
			log := fmt.Sprint("/tmp/send.", i)
			stop := b.background(log, ownPath, home+"/boot/send")
			b.wait(log, 0, `^status: local 0/10 remote 0/20$`)
			args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pids("qmail-lspawn")[0]))
			b.must(err)
			if got := string(args); got != "qmail-lspawn\x00"+tt.want+"\x00" {
				t.Errorf("%s: qmail-lspawn runs as %q", tt.name, got)
			}
			b.inject("default "+tt.name, "ann@"+domain)
			b.arrived("default " + tt.name)
			stop()
		}
	})
}
