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

// smtp starts qmail, and SMTP as boot/supervise does, for everybody.
func (b *bed) smtp() {
	b.Helper()
	b.start()
	b.background("/tmp/smtpd.log", ownPath, "tcpserver", "-v", "-R", "-H", "-l", "0", "-u", strconv.Itoa(testkit.UIDDaemon),
		"-g", strconv.Itoa(testkit.GIDNofiles), "127.0.0.1", "25", "qmail-smtpd")
	b.wait("/tmp/smtpd.log", 0, `^tcpserver: status: 0/40$`)
}

// mails are the messages in ann's Maildir, in the order of their Subject fields,
// each from its Subject field on.
func (b *bed) mails(n int) (list []string) {
	b.Helper()
	b.eventually(strconv.Itoa(n)+" messages", func() bool { return len(b.files("/home/ann/Maildir/new")) >= n })
	for _, name := range b.files("/home/ann/Maildir/new") {
		text, err := os.ReadFile(name)
		b.must(err)
		_, rest, ok := strings.Cut(string(text), "\nSubject: ")
		if !ok {
			b.Fatalf("no Subject in %q", text)
		}
		list = append(list, rest)
		b.must(os.Remove(name))
	}
	return list
}

// swaksCases are SMTP sessions by swaks: its words, what it exits with, the last
// reply that it shows, and the messages that arrive.
var swaksCases = []struct {
	name  string
	words []string
	data  string // message; "" for none
	exit  int
	shows string
	count int
}{
	{"plain", []string{"--to", "ann@" + domain}, "Subject: plain\n\nhello\n", 0, "<-  250 ok ", 1},
	{"helo", []string{"--to", "ann@" + domain, "--protocol", "SMTP"}, "Subject: helo\n\nhello\n", 0, "-> HELO ", 1},
	{"pipelining", []string{"--to", "ann@" + domain, "--pipeline"}, "Subject: pipelined\n\nhello\n", 0, "PIPELINING", 1},
	{"dots and blanks", []string{"--to", "ann@" + domain}, "Subject: dots\n\n.\n..\n. \n .\n\n.x\n", 0, "<-  250 ok ", 1},
	{"8bit", []string{"--to", "ann@" + domain}, "Subject: 8bit\n\n\xfcber\x80\xff \xe2\x82\xac\x01\n", 0, "<-  250 ok ", 1},
	{"big", []string{"--to", "ann@" + domain, "--pipeline"}, "Subject: big\n\n" + strings.Repeat(strings.Repeat("x", 997)+"\n", 8000), 0, "<-  250 ok ", 1},
	{"long line", []string{"--to", "ann@" + domain}, "Subject: long\n\n" + strings.Repeat("y", 1<<20) + "\n", 0, "<-  250 ok ", 1},
	{"many recipients", []string{"--pipeline", "--to", strings.TrimSuffix(strings.Repeat("ann@"+domain+",", 300), ",")},
		"Subject: many\n\nhello\n", 0, "<-  250 ok ", 300},
	{"one bad recipient", []string{"--to", "ann@" + domain + ",x@far.test"}, "Subject: half\n\nhello\n", 0, "<** 553 sorry, that domain isn't", 1},
	{"only bad recipients", []string{"--to", "x@far.test,y@far.test"}, "Subject: none\n\nhello\n", 24, "<** 553 sorry, that domain isn't", 0},
	{"bad sender", []string{"--from", "spam@bad.test", "--to", "ann@" + domain}, "Subject: bad\n\nhello\n", 24, "<** 553 sorry, your envelope sender", 0},
	{"too big", []string{"--to", "ann@" + domain}, "Subject: too big\n\n" + strings.Repeat(strings.Repeat("z", 997)+"\n", 12000), 26, "<** 552 sorry, that message size exceeds", 0},
	{"quit after rcpt", []string{"--to", "ann@" + domain, "--quit-after", "RCPT"}, "Subject: quit\n\nhello\n", 0, "<-  221 ", 0},
	{"null sender", []string{"--from", "<>", "--to", "ann@" + domain}, "Subject: null\n\nhello\n", 0, "<-  250 ok ", 1},
}

// TestSwaks sends mail by a client that checks every reply, and finds the same
// bytes in the Maildir.
func TestSwaks(t *testing.T) {
	onBed(t, func(b *bed) {
		b.write(home+"/control/badmailfrom", "spam@bad.test\n", 0o644)
		b.write(home+"/control/databytes", "10000000\n", 0o644)
		b.smtp()
		for _, c := range swaksCases {
			if !strings.Contains(strings.Join(c.words, " "), "--from") {
				c.words = append([]string{"--from", "s@far.test"}, c.words...)
			}
			b.write("/tmp/message", c.data, 0o644)
			words := append([]string{"swaks", "--server", "127.0.0.1", "--suppress-data", "--data", "@/tmp/message"}, c.words...)
			out, err := command(peerPath, words...).CombinedOutput()
			exit := 0
			if err != nil {
				exit = -1
				if e, ok := err.(interface{ ExitCode() int }); ok {
					exit = e.ExitCode()
				}
			}
			if exit != c.exit || !strings.Contains(string(out), c.shows) {
				t.Errorf("%s: exit %d, want %d, and %q in:\n%.2000s", c.name, exit, c.exit, c.shows, out)
				continue
			}
			// swaks adds a newline to what ends in one
			want := strings.TrimPrefix(strings.TrimSuffix(c.data, "\n"), "Subject: ")
			for _, got := range b.mails(c.count) {
				if strings.TrimRight(got, "\n") != want {
					t.Errorf("%s: arrived %.200q (%d bytes), want %.200q (%d)", c.name, got, len(got), want, len(want))
				}
			}
		}
		b.quiet()
		if left, _ := filepath.Glob("/home/ann/Maildir/new/*"); len(left) > 0 {
			t.Errorf("%d messages more than expected", len(left))
		}
	})
}

// quiet waits until the queue is empty.
func (b *bed) quiet() {
	b.Helper()
	b.eventually("an empty queue", func() bool {
		for _, kind := range []string{"intd/*", "todo/*", "mess/*/*"} {
			if list, _ := filepath.Glob(home + "/queue/" + kind); len(list) > 0 {
				return false
			}
		}
		return true
	})
}
