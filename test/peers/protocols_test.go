//go:build e2e

package peers

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"goqmail/internal/testkit"
)

// shadow has ann's password, "secret".
const shadow = "root:*:20000::::::\n" +
	"ann:$6$peers$KrBmzvhIULwqEdfeIsp4m8uL6wV13TVt4y6zpvDZa.TUYm1KPEels5fFjf5.KxYPUCAr2BsgkD8iKU6hLf0Xz/:20000::::::\n"

// netstring is LENGTH:BYTES,
func netstring(s string) string { return fmt.Sprintf("%d:%s,", len(s), s) }

// answer reads a netstring.
func (s *session) answer() string {
	s.b.Helper()
	var n int
	_, err := fmt.Fscanf(s.r, "%d:", &n)
	s.b.must(err)
	text := make([]byte, n+1)
	_, err = io.ReadFull(s.r, text)
	s.b.must(err)
	return string(text[:n])
}

// qmtp sends ann a message with a text in it by QMTP and returns it; relays is
// whether the client may send elsewhere.
func (b *bed) qmtp(from, text string, relays bool) string {
	b.Helper()
	s := b.connectTo(from, 209)
	send := func(sender, to, want string) {
		b.Helper()
		_, err := io.WriteString(s.c, netstring("\nSubject: x\n\n"+text+"\n")+netstring(sender)+netstring(netstring(to)))
		b.must(err)
		if got := s.answer(); !strings.HasPrefix(got, want) {
			b.Errorf("QMTP answers %q for %s, want %s", got, to, want)
		}
	}
	send("s@far.test", "ann@"+domain, "K")
	b.runsAs(1, "qmail-qmtpd", home+"/bin/qmail-qmtpd", testkit.UIDDaemon, testkit.GIDNofiles)
	if relays { // the recipient is refused first, a bad sender after it
		send("\x00", "x@far.test", "Dunacceptable sender")
	} else {
		send("\x00", "x@far.test", "Dsorry, that domain isn't in my list")
	}
	b.must(s.c.Close())
	return b.arrived(text)
}

// qmqp sends ann a message with a text in it by QMQP and returns the message.
func (b *bed) qmqp(from, text string) string {
	b.Helper()
	s := b.connectTo(from, 628)
	_, err := io.WriteString(s.c, netstring(netstring("Subject: x\n\n"+text+"\n")+netstring("s@far.test")+netstring("ann@"+domain)))
	b.must(err)
	if got := s.answer(); !strings.HasPrefix(got, "Kok ") {
		b.Errorf("QMQP answers %q", got)
	}
	b.must(s.c.Close())
	return b.arrived(text)
}

// noQMQP expects that QMQP does not serve an address.
func (b *bed) noQMQP(from string) {
	b.Helper()
	s := b.connectTo(from, 628)
	_, _ = io.WriteString(s.c, netstring("x")) // the connection may be closed already
	if n, err := s.r.Read(make([]byte, 100)); n > 0 || err == nil {
		b.Errorf("QMQP answers %s: %d bytes, %v", from, n, err)
	}
	b.must(s.c.Close())
}

// logins is how long to wait before another login.
const logins = 50 * time.Millisecond

// pop3 fetches and deletes the message of ann's with a text in it, after a
// refused login, by POP3.
func (b *bed) pop3(from, text string) {
	b.Helper()
	b.arrived(text)
	s := b.login(from, "wrong", "-ERR authorization failed\r\n")
	s.closed()
	// what came in this second is not listed yet
	b.eventually("POP3 having the message with "+text, func() bool {
		s := b.login(from, "secret", "+OK ")
		b.runsAs(1, "qmail-pop3d", home+"/bin/qmail-pop3d", 6001, 6001)
		found := false
		for n := 1; !found; n++ {
			mail, ok := s.retrieve(n)
			if !ok {
				break
			}
			if strings.Contains(mail, "\r\n"+text+"\r\n") {
				found = true
				s.say(fmt.Sprint("DELE ", n), "+OK ")
			}
		}
		s.say("QUIT", "+OK ")
		s.closed()
		if !found {
			time.Sleep(logins) // between two of them: xinetd takes 50 connections a second
		}
		return found
	})
	names, err := filepath.Glob("/home/ann/Maildir/*/*")
	b.must(err)
	for _, name := range names {
		if mail, err := os.ReadFile(name); err == nil && bytes.Contains(mail, []byte("\n"+text+"\n")) {
			b.Errorf("%s is still there", name)
		}
	}
}

// login says who one is by POP3.
func (b *bed) login(from, password, want string) *session {
	b.Helper()
	s := b.connectTo(from, 110)
	greeting, err := s.r.ReadString('\n')
	b.must(err)
	if !strings.HasPrefix(greeting, "+OK <") || !strings.HasSuffix(greeting, "@"+hostName+">\r\n") {
		b.Errorf("POP3 greets with %q", greeting)
	}
	s.say("USER ann", "+OK ")
	s.say("PASS "+password, want)
	return s
}

// retrieve fetches a message by POP3; false if there is none with this number.
func (s *session) retrieve(n int) (mail string, ok bool) {
	s.b.Helper()
	_, err := fmt.Fprintf(s.c, "RETR %d\r\n", n)
	s.b.must(err)
	line, err := s.r.ReadString('\n')
	s.b.must(err)
	if !strings.HasPrefix(line, "+OK") {
		return "", false
	}
	for {
		line, err := s.r.ReadString('\n')
		s.b.must(err)
		if line == ".\r\n" {
			return mail, true
		}
		mail += line
	}
}

// others sends mail through the servers besides SMTP's and fetches it: QMTP from
// a client that may relay or not, QMQP from one that may send, POP3.
func (b *bed) others(from, text string, relays bool) {
	b.Helper()
	b.qmtp(from, text+" by QMTP", relays)
	b.qmqp(from, text+" by QMQP")
	b.pop3(from, text+" by QMTP")
}
