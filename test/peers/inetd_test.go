//go:build e2e

package peers

import (
	"strings"
	"testing"

	"goqmail/internal/testkit"
)

// inetdTrial checks a service that runs qmail-smtpd through tcp-env: names by
// DNS, the ident answer only where tcp-env asks for it, relaying only for
// 127.0.0.4 where the page's hosts.allow is in use.
func (b *bed) inetdTrial(text string, asks bool, relay string) {
	b.Helper()
	want := "Received: from good.host.test (HELO there.test) (127.0.0.8)\n"
	if asks {
		want = "Received: from good.host.test (HELO there.test) (sam@127.0.0.8)\n"
	}
	mail := b.mail("127.0.0.8", text, relay)
	if !strings.Contains(mail, want) {
		b.Errorf("the message is %q, want %q in it", mail, want)
	}
}

// inetds are the two, each with the page's snippet.
var inetds = []struct {
	name, file string
	prefix     string // before tcp-env's option -R in the snippet
	command    []string
}{
	{"xinetd", "/etc/xinetd.d/qmail-smtpd", "server_args     = ", []string{"xinetd", "-dontfork", "-f", "/etc/xinetd.conf"}},
	{"inetd", "/etc/inetd.conf", "tcp-env ", []string{"inetd", "-i", "/etc/inetd.conf"}},
}

// tcp-env and qmail-smtpd under Debian's xinetd and openbsd-inetd, as the page
// shows them: with and without tcp-env's option -R, and behind tcpd.
func TestInetd(t *testing.T) {
	for _, tt := range inetds {
		t.Run(tt.name, func(t *testing.T) {
			onBed(t, func(b *bed) {
				testkit.StartDNS(t, "127.0.0.1", 53, zone)
				b.identServer("127.0.0.8", "sam")
				b.start()
				b.write("/etc/xinetd.conf", "includedir /etc/xinetd.d\n", 0o644)

				b.install(tt.file, 0)
				stop := b.background("/tmp/inetd.log", ownPath, tt.command...)
				b.inetdTrial("quick", false, "553 ")
				stop()

				asking := strings.Replace(b.page.files[tt.file][0], tt.prefix+"-R ", tt.prefix, 1)
				if asking == b.page.files[tt.file][0] {
					t.Fatalf("no %q in %q", tt.prefix+"-R ", asking)
				}
				b.write(tt.file, asking, 0o644)
				stop = b.background("/tmp/inetd.log", ownPath, tt.command...)
				b.inetdTrial("asking", true, "553 ")
				stop()

				b.install(tt.file, 1)
				b.install("/etc/hosts.allow", 0)
				stop = b.background("/tmp/inetd.log", ownPath, tt.command...)
				b.inetdTrial("relaying", false, "250 ")
				stop()

				// from the page's rule for others
				allow := strings.Replace(b.page.files["/etc/hosts.allow"][0], " 127. ", " ", 1)
				b.write("/etc/hosts.allow", allow, 0o644)
				stop = b.background("/tmp/inetd.log", ownPath, tt.command...)
				b.inetdTrial("not relaying", false, "553 ")
				stop()
			})
		})
	}
}
