//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"goqmail/internal/testkit"
)

// A client is an SMTP client.
type client struct {
	b *bed
	c net.Conn
	r *bufio.Reader
}

// dial connects, trying until somebody listens, and reads the greeting.
func (b *bed) dial(from, to string) *client {
	b.Helper()
	var c net.Conn
	b.eventually("a server on "+to, func() bool {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		var err error
		c, err = d.Dial("tcp4", to)
		return err == nil
	})
	b.must(c.SetDeadline(time.Now().Add(patience)))
	k := &client{b, c, bufio.NewReader(c)}
	k.reply("greeting", "220 ")
	return k
}

// say sends a line and expects a reply that begins as given.
func (k *client) say(line, want string) string {
	k.b.Helper()
	_, err := k.c.Write([]byte(line + "\r\n"))
	k.b.must(err)
	return k.reply(line, want)
}

// reply reads a reply, of which it returns the last line.
func (k *client) reply(to, want string) string {
	k.b.Helper()
	for {
		line, err := k.r.ReadString('\n')
		if err != nil {
			k.b.Fatalf("reply to %q: %v", to, err)
		}
		if len(line) > 3 && line[3] == '-' {
			continue
		}
		if !strings.HasPrefix(line, want) {
			k.b.Errorf("reply to %q = %q, want %q", to, line, want)
		}
		return strings.TrimSuffix(line, "\r\n")
	}
}

// smtpd starts tcpserver with qmail-smtpd on 127.0.0.1 port 25 as qmaild, with
// rules that let 127.0.0.5 relay and refuse 127.0.0.6.
func (b *bed) smtpd() {
	b.Helper()
	rules := home + "/control/tcp.smtp.cdb"
	make := command(home+"/bin/tcprules", rules, rules+".tmp")
	make.Stdin = strings.NewReader("127.0.0.5:allow,RELAYCLIENT=\"\"\n127.0.0.6:deny\n:allow\n")
	if out, err := make.CombinedOutput(); err != nil {
		b.Fatalf("tcprules: %v %s", err, out)
	}
	b.must(os.Chmod(rules, 0o644))
	cmd := command(home+"/bin/tcpserver", "-HRlmx.e2e.test", "-x", rules, "-u", fmt.Sprint(testkit.UIDDaemon), "-g", fmt.Sprint(testkit.GIDNofiles),
		"127.0.0.1", "25", home+"/bin/qmail-smtpd")
	b.must(cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill() // the world ends anyway
		_ = cmd.Wait()
	})
}

// Mail comes in by SMTP: to a user here, for another host only from a client
// that may relay.
func TestSMTP(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		b.control("smtproutes", ":127.0.0.2\n")
		host := smtpHost(b, "127.0.0.2")
		b.smtpd()
		b.start()

		k := b.dial("127.0.0.4", "127.0.0.1:25")
		k.say("EHLO there.test", "250 ")
		k.say("MAIL FROM:<s@far.test>", "250 ")
		k.say("RCPT TO:<x@far.test>", "553 ")
		k.say("RCPT TO:<ann@"+domain+">", "250 ")
		k.say("DATA", "354 ")
		reply := k.say("Subject: x\r\n\r\n..dot\r\nbody\r\n.", "250 ok ")
		k.say("QUIT", "221 ")
		qp := reply[strings.LastIndexByte(reply, ' ')+1:]
		g, next := b.waitAt(0, fmt.Sprintf(`^info msg (\d+): bytes \d+ from <s@far\.test> qp %s uid %d$`, qp, testkit.UIDDaemon))
		b.wait(next, "^end msg "+g[1]+"$")
		b.match("ann's mailbox", ann.read("Mailbox"), `From s@far\.test .*\nReturn-Path: <s@far\.test>\nDelivered-To: ann@e2e\.test\n`+
			`Received: \(qmail `+qp+` invoked from network\); .*\n`+
			`Received: from unknown \(HELO there\.test\) \(127\.0\.0\.4\)\n  by mx\.e2e\.test with SMTP; \d+ \w+ \d+ [0-9:]+ -0000\n`+
			"Subject: x\n\n\\.dot\nbody\n\n")

		k = b.dial("127.0.0.5", "127.0.0.1:25")
		k.say("HELO inside.test", "250 ")
		k.say("MAIL FROM:<ann@"+domain+">", "250 ")
		k.say("RCPT TO:<x@far.test>", "250 ")
		k.say("DATA", "354 ")
		k.say("y\r\n.", "250 ok ")
		k.say("QUIT", "221 ")
		if got, want := host.session(b).commands, "HELO mx.e2e.test|MAIL FROM:<ann@e2e.test>|RCPT TO:<x@far.test>|DATA|QUIT"; got != want {
			t.Errorf("relayed by %s, want %s", got, want)
		}
		b.empty()

		c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.0.6")}}).Dial("tcp4", "127.0.0.1:25")
		b.must(err)
		b.must(c.SetDeadline(time.Now().Add(patience)))
		if n, err := c.Read(make([]byte, 100)); n > 0 || err == nil {
			t.Errorf("a refused client read %d bytes, %v; want the connection closed", n, err)
		}
		b.must(c.Close())
		b.stop()
	})
}

// A stop of qmail-send does not stop the acceptance of mail.
func TestSMTPWhileStopped(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		b.smtpd()
		k := b.dial("127.0.0.4", "127.0.0.1:25")
		k.say("HELO there.test", "250 ")
		k.say("MAIL FROM:<>", "250 ")
		k.say("RCPT TO:<ann@"+domain+">", "250 ")
		k.say("DATA", "354 ")
		k.say("kept\r\n.", "250 ok ")
		k.say("QUIT", "221 ")
		if got := strings.Join(b.queueFiles(), " "); !strings.Contains(got, "todo/") {
			t.Errorf("queue has %q, want a file in todo/", got)
		}
		b.start()
		b.empty()
		b.stop()
		if got := ann.read("Mailbox"); !strings.HasSuffix(got, "\nkept\n\n") {
			t.Errorf("ann's mailbox = %q", got)
		}
	})
}
