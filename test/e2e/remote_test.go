//go:build e2e

package e2e

import (
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/testkit"
)

// Remote delivery by MX: what is on the wire, what is in the log, and which
// reports end in success, deferral and bounce.
func TestRemoteDelivery(t *testing.T) {
	onBed(t, func(b *bed) {
		sue := b.user("sue")
		testkit.StartDNS(t, "127.0.0.1", 53, testkit.DNSZone{
			"far.test MX":    "10 mx1.far.test, 20 mx2.far.test",
			"mx1.far.test A": "127.0.0.9", // nobody there: the next one is tried
			"mx2.far.test A": "127.0.0.2",
		})
		host := smtpHost(b, "127.0.0.2")
		host.rcpt = func(addr string) string {
			switch addr {
			case "gone@far.test":
				return "550 no such user"
			case "later@far.test":
				return "450 not now"
			}
			return "250 ok"
		}
		b.start()

		m := b.send("sue@"+domain, "Subject: x\n\n.dot\nbody\n", "joe@far.test")
		result, text := m.delivery("remote", "joe@far.test")
		b.expect("remote delivery", result, text, "success", "127.0.0.2_accepted_message./Remote_host_said:_250_queued/")
		m.end()
		s := host.session(b)
		if got, want := s.commands, "HELO mx.e2e.test|MAIL FROM:<sue@e2e.test>|RCPT TO:<joe@far.test>|DATA|QUIT"; got != want {
			t.Errorf("SMTP commands = %s, want %s", got, want)
		}
		b.match("message on the wire", strings.ReplaceAll(s.data, "\r\n", "<CRLF>\n"),
			strings.ReplaceAll(receivedBy, `\n`, `<CRLF>\n`)+"Subject: x<CRLF>\n<CRLF>\n\\.\\.dot<CRLF>\nbody<CRLF>\n\\.<CRLF>\n")

		m = b.send("sue@"+domain, "y\n", "later@far.test")
		result, text = m.delivery("remote", "later@far.test")
		b.expect("remote delivery", result, text, "deferral", "127.0.0.2_does_not_like_recipient./Remote_host_said:_450_not_now/Giving_up_on_127.0.0.2./")
		if got := b.parts(m.n); got != "mess info remote" {
			t.Errorf("deferred message has files in %q, want mess info remote", got)
		}

		m = b.send("sue@"+domain, "z\n", "gone@far.test")
		result, text = m.delivery("remote", "gone@far.test")
		b.expect("remote delivery", result, text, "failure", "127.0.0.2_does_not_like_recipient./Remote_host_said:_550_no_such_user/Giving_up_on_127.0.0.2./")
		bounce := b.bounce(m.from, m.n)
		bounce.end()
		m.end()
		if got := sue.read("Mailbox"); !strings.Contains(got, "<gone@far.test>:\n127.0.0.2 does not like recipient.\nRemote host said: 550 no such user\nGiving up on 127.0.0.2.\n\n") {
			t.Errorf("bounce = %q, want the remote host's words in it", got)
		}

		m = b.send("sue@"+domain, "z\n", "joe@nowhere.test")
		result, text = m.delivery("remote", "joe@nowhere.test")
		b.expect("remote delivery", result, text, "failure", "Sorry,_I_couldn't_find_any_host_named_nowhere.test._(#5.1.2)/")
		b.bounce(m.from, m.n).end()
		m.end()
		b.stop()
	})
}

// smtproutes and a port; several recipients of one message are several
// connections, with VERP senders.
func TestRemoteRouteAndVERP(t *testing.T) {
	onBed(t, func(b *bed) {
		b.control("smtproutes", ":[127.0.0.3]:2525\n")
		host := smtpHostAt(b, "127.0.0.3", 2525)
		b.start()
		m := b.send("list-@"+domain+"-@[]", "x\n", "a@one.test", "b@two.test")
		m.delivery("remote", "a@one.test")
		m.end()
		got := map[string]bool{}
		for range 2 {
			got[host.session(b).commands] = true
		}
		for _, want := range []string{
			"HELO mx.e2e.test|MAIL FROM:<list-a=one.test@e2e.test>|RCPT TO:<a@one.test>|DATA|QUIT",
			"HELO mx.e2e.test|MAIL FROM:<list-b=two.test@e2e.test>|RCPT TO:<b@two.test>|DATA|QUIT",
		} {
			if !got[want] {
				t.Errorf("SMTP sessions %v, want %s", got, want)
			}
		}
		b.empty()
		b.stop()
	})
}

// Nobody resolves: mail waits. So it does when the answer is a server's failure.
func TestNoResolver(t *testing.T) {
	onBed(t, func(b *bed) {
		b.start()
		m := b.send("", "x\n", "joe@far.test")
		result, text := m.delivery("remote", "joe@far.test")
		if result != "deferral" || !strings.Contains(text, "(#4.") {
			t.Errorf("delivery without a resolver = %s %q, want a deferral", result, text)
		}
		testkit.StartDNS(t, "127.0.0.1", 53, testkit.DNSZone{"far.test MX": "!2", "far.test A": "!2"})
		from := b.journal.mark()
		b.signal(syscall.SIGALRM)
		result, text, _ = b.report(from, m.n, "remote", "joe@far.test")
		if result != "deferral" || !strings.Contains(text, "(#4.") {
			t.Errorf("delivery with SERVFAIL = %s %q, want a deferral", result, text)
		}
		if got := b.parts(m.n); got != "mess info remote" {
			t.Errorf("message has %q, want mess info remote", got)
		}
		b.stop()
	})
}
