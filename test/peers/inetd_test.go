//go:build e2e

package peers

import (
	"os"
	"strings"
	"testing"

	"goqmail/internal/testkit"
)

// inetdTrial sends a message from a client by SMTP: its name is found by DNS, the
// ident answer only where tcp-env asks for it; relay is the reply to a recipient
// elsewhere.
func (b *bed) inetdTrial(from, text string, asks bool, relay string) {
	b.Helper()
	want := "Received: from good.host.test (HELO there.test) (127.0.0.8)\n"
	switch {
	case asks:
		want = "Received: from good.host.test (HELO there.test) (sam@127.0.0.8)\n"
	case from != "127.0.0.8":
		want = "Received: from unknown (HELO there.test) (" + from + ")\n"
	}
	mail := b.mail(from, text, relay)
	if !strings.Contains(mail, want) {
		b.Errorf("the message is %q, want %q in it", mail, want)
	}
}

// An inetd is xinetd or inetd.
type inetd struct {
	name    string
	command []string
	plain   []string // how the page's commands begin that copy the files
	tcpd    []string // those for tcpd
	smtp    string   // the file with the line for SMTP
	option  string   // what stands before tcp-env's -R there
	qmqp    bool     // served without tcpd, and not by it
}

var inetds = []inetd{
	{
		name: "xinetd", command: []string{"xinetd", "-dontfork", "-f", "/etc/xinetd.conf"},
		plain: []string{"cp " + home + "/boot/xinetd/qmail-smtpd ", "cp " + home + "/boot/xinetd/qmail-qmqpd "},
		tcpd:  []string{"cp " + home + "/boot/xinetd/qmail-smtpd+tcpd ", "cp " + home + "/boot/xinetd/qmail-qmtpd+tcpd "},
		smtp:  "/etc/xinetd.d/qmail-smtpd", option: "server_args     = ", qmqp: true,
	},
	{
		name: "inetd", command: []string{"inetd", "-i", "/etc/inetd.conf"},
		plain: []string{"cat " + home + "/boot/inetd.conf "},
		tcpd:  []string{"cat " + home + "/boot/inetd.conf+tcpd "},
		smtp:  "/etc/inetd.conf", option: "/tcp-env tcp-env ",
	},
}

// configured makes the configuration by the page's commands, then edits it, and
// starts the server.
func (b *bed) configured(d inetd, commands []string, edit func()) (stop func()) {
	b.Helper()
	b.must(os.RemoveAll("/etc/inetd.conf"))
	b.must(os.MkdirAll("/etc/xinetd.d", 0o755))
	for _, c := range commands {
		b.command(ownPath, c)
	}
	edit()
	return b.background("/tmp/inetd.log", ownPath, d.command...)
}

// replace changes a text in a file, in which it must be.
func (b *bed) replace(file, old, by string) {
	b.Helper()
	text, err := os.ReadFile(file)
	b.must(err)
	if !strings.Contains(string(text), old) {
		b.Fatalf("no %q in %s:\n%s", old, file, text)
	}
	b.write(file, strings.Replace(string(text), old, by, 1), 0o644)
}

// The servers under Debian's xinetd and openbsd-inetd, with the shipped files: as
// they are, with ident, and behind tcpd. The queue runs without servers by the
// service script.
func TestInetd(t *testing.T) {
	for _, d := range inetds {
		t.Run(d.name, func(t *testing.T) {
			onBed(t, func(b *bed) {
				testkit.StartDNS(t, "127.0.0.1", 53, zone)
				b.identServer("127.0.0.8", "sam")
				b.firstStart()
				b.command(ownPath, "test -f "+home+"/rc ")
				b.run(ownPath, "env", "SERVICES=", home+"/boot/service", "start")
				b.write("/etc/xinetd.conf", "includedir /etc/xinetd.d\n", 0o644)

				stop := b.configured(d, d.plain, func() {})
				b.inetdTrial("127.0.0.8", "quick", false, "553 ")
				b.qmtp("127.0.0.8", "quick by QMTP", false)
				b.pop3("127.0.0.8", "quick by QMTP")
				if d.qmqp {
					b.qmqp("127.0.0.1", "quick by QMQP")
					b.noQMQP("127.0.0.8")
				}
				stop()

				stop = b.configured(d, d.plain, func() { b.replace(d.smtp, d.option+"-R ", d.option) })
				b.inetdTrial("127.0.0.8", "asking", true, "553 ")
				stop()

				b.command(ownPath, "cat "+home+"/boot/hosts.allow ")
				stop = b.configured(d, d.tcpd, func() {})
				b.inetdTrial("127.0.0.8", "relaying", false, "250 ")
				b.qmtp("127.0.0.8", "relaying by QMTP", true)
				b.pop3("127.0.0.8", "relaying by QMTP")
				if !d.qmqp {
					mail := b.qmqp("127.0.0.8", "by QMQP")
					if want := "Received: from good.host.test (127.0.0.8)\n"; !strings.Contains(mail, want) {
						b.Errorf("the message by QMQP is %q, want %q in it", mail, want)
					}
				}
				// for a client that is not in the shipped file
				b.replace("/etc/hosts.allow", "tcp-env: 127. ", "tcp-env: 127.0.0.8 ")
				b.replace("/etc/hosts.allow", "qmqp: 127.", "qmqp: 127.0.0.8")
				b.inetdTrial("127.0.0.4", "not relaying", false, "553 ")
				b.inetdTrial("127.0.0.8", "still relaying", false, "250 ")
				b.qmtp("127.0.0.4", "not relaying by QMTP", false)
				if !d.qmqp {
					b.noQMQP("127.0.0.4")
				}
				stop()
				b.allUsed("^c(p|at) .*/boot/(" + d.name + "|hosts)")
			})
		})
	}
}
