//go:build e2e

package peers

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"

	"goqmail/internal/testkit"
)

// lists are the DNS lists of the tests; hostile is a text that would end lines.
var lists = testkit.DNSZone{
	"2.0.0.127.block.example.org TXT": "127.0.0.2 is blocked",
	"5.0.0.127.block.example.org TXT": "blocked but allowed", "5.0.0.127.allow.example.org A": "127.0.0.2",
	"7.0.0.127.block.example.org TXT":                         hostile,
	"8.0.0.127.codes.example.org A":                           "127.0.0.3",
	"9.0.0.127.block.example.org TXT":                         "!2",
	"9.0.0.127.codes.example.org A":                           "127.0.0.3",
	"11.0.0.127.allow.example.org A":                          "!DROP",
	"12.0.0.127.block.example.org TXT":                        strings.Repeat("long ", 50),
	"1." + strings.Repeat("0.", 31) + "block.example.org TXT": "six",
}

const hostile = "x\r\n250 ok\x00\xff\t" // and a CR LF

// bare speaks SMTP without CRs and returns what the server said, up to the end
// of the connection.
func (b *bed) bare(from, script string) string {
	b.Helper()
	s := b.connect(from)
	_, err := s.c.Write([]byte(script))
	b.must(err)
	var said bytes.Buffer
	_, err = said.ReadFrom(s.r)
	b.must(err)
	b.must(s.c.Close())
	return said.String()
}

// The run script of the page: clients on lists are refused, a client without
// CRs gets its mail through, and the log has all of it, with the process number
// of tcpserver's lines. The same with the programs of Debian.
func TestFilters(t *testing.T) {
	onBed(t, func(b *bed) {
		b.firstStart()
		testkit.StartDNS(t, "127.0.0.1", 53, lists)
		b.start()
		b.install("/var/qmail/supervise/qmail-smtpd/run")
		script := b.page.files["/var/qmail/supervise/qmail-smtpd/run"]
		for _, tt := range []struct{ name, path string }{{"own", ownPath}, {"debian", peerPath}} {
			run, log := "/tmp/run."+tt.name, "/tmp/smtpd."+tt.name
			b.write(run, regexp.MustCompile("(?m)^PATH=.*").ReplaceAllString(script, "PATH="+tt.path), 0o755)
			stop := b.background(log, tt.path, run)
			b.wait(log, 0, `^tcpserver: status: 0/100$`)
			b.refused(log, "127.0.0.2", "451 127.0.0.2 is blocked")
			b.refused(log, "127.0.0.7", "451 x??250 ok???")
			if tt.name == "own" { // Debian's knows neither
				b.refused(log, "127.0.0.8", "451 127.0.0.8 is on codes.example.org")
				b.refused(log, "127.0.0.9", "451 127.0.0.9 is on codes.example.org")
				b.refused(log, "127.0.0.12", "451 "+strings.Repeat("long ", 40))
				if hasIPv6() {
					b.refused(log, "::1", "451 six")
				}
				s := b.connect("127.0.0.11") // a list is silent: let through after a while
				s.say("", "220 "+hostName)
				s.say("QUIT", "221 ")
				s.closed()
			}
			for _, from := range []string{"127.0.0.5", "127.0.0.6"} {
				text := "bare LFs by " + tt.name + " from " + from
				said := b.bare(from, "HELO old.test\nMAIL FROM:<s@far.test>\nRCPT TO:<ann@"+domain+">\nDATA\nSubject: x\n\n"+text+"\n..\n.\nQUIT\n")
				if !strings.Contains(said, "\r\n250 ok ") || !strings.HasSuffix(said, "\r\n221 "+hostName+"\r\n") {
					t.Errorf("%s: a client without CRs was told %q", tt.name, said)
				}
				mail := b.arrived(text)
				if !strings.HasSuffix(mail, "\n"+text+"\n.\n") {
					t.Errorf("%s: the message is %q", tt.name, mail)
				}
				b.recorded(log, from, text)
			}
			stop()
		}
	})
}

// refused has a session with rblsmtpd, which logs the refusal.
func (b *bed) refused(log, from, want string) {
	b.Helper()
	s := b.connect(from)
	s.say("", "220 rblsmtpd.local")
	s.say("EHLO there.test", "250 rblsmtpd.local")
	s.say("MAIL FROM:<s@far.test>", "250 rblsmtpd.local")
	s.say("RCPT TO:<ann@"+domain+">", want+"\r\n")
	s.say("QUIT", "221 rblsmtpd.local")
	s.closed()
	m, _ := b.wait(log, 0, `^rblsmtpd: `+regexp.QuoteMeta(from)+` pid (\d+): `+regexp.QuoteMeta(want)+`$`)
	b.wait(log, 0, `^tcpserver: end `+m[1]+` status 0$`)
}

// recorded checks the record of a session from an address in the log.
func (b *bed) recorded(log, from, text string) {
	b.Helper()
	m, start := b.wait(log, 0, `^tcpserver: pid (\d+) from `+regexp.QuoteMeta(from)+`$`)
	for _, side := range [][]string{
		{"< HELO old.test ", "< DATA ", "< " + text + " ", "< .. ", "< . ", "< QUIT "},
		{"> 220 " + hostName + " ESMTP\r ", "> 354 go ahead\r ", "> 221 " + hostName + "\r ", "> [EOF]"},
	} {
		next := start
		for _, line := range side {
			_, next = b.wait(log, next, `^`+m[1]+` `+regexp.QuoteMeta(line)+`$`)
		}
	}
	b.wait(log, start, `^tcpserver: end `+m[1]+` status 0$`)
}

// Each tcpclient with each tcpserver: the connection works in both directions,
// and the program learns the same of it.
func TestTcpclient(t *testing.T) {
	onBed(t, func(b *bed) {
		testkit.StartDNS(t, "127.0.0.1", 53, zone)
		const talk = `echo hello >&7; head -n 1 <&6; env | grep -E '^(PROTO|TCP(LOCAL|REMOTE)(IP|HOST|INFO)|TCPREMOTEPORT)' | sort`
		var seen []string
		for i, server := range []string{"/usr/bin/tcpserver", home + "/bin/tcpserver"} {
			port := fmt.Sprint(7001 + i)
			log := "/tmp/server." + port
			stop := b.background(log, ownPath, server, "-v", "-RHl0", "0", port, "cat")
			b.wait(log, 0, `^tcpserver: status: 0/40$`)
			for _, client := range []string{"/usr/bin/tcpclient", home + "/bin/tcpclient"} {
				for _, host := range []string{"127.0.0.1", "good.host.test", "0"} {
					out := b.run(ownPath, client, "-T5", "-R", "-l", "here", host, port, "sh", "-c", talk)
					out = strings.ReplaceAll(out, "TCPREMOTEHOST=\n", "") // Debian's, for an address without a name
					seen = append(seen, strings.ReplaceAll(out, port, "PORT"))
				}
			}
			stop()
		}
		for i := range 3 {
			for k := i; k < len(seen); k += 3 {
				if seen[k] != seen[i] || !strings.HasPrefix(seen[k], "hello\nPROTO=TCP") {
					t.Errorf("connection %d: %s\nconnection %d: %s", i, seen[i], k, seen[k])
				}
			}
		}
		if !strings.Contains(seen[1], "TCPREMOTEHOST=good.host.test\nTCPREMOTEIP=127.0.0.8\n") {
			t.Errorf("by name: %s", seen[1])
		}
	})
}

// A message of a megabyte goes through recordio and fixcrio of either side
// unchanged, the record beside it whole.
func TestFilterLarge(t *testing.T) {
	onBed(t, func(b *bed) {
		input := bytes.Repeat([]byte("0123456789abcdef\r\n\x00\xff\rno end\r\r\n"), 30000)
		for _, dir := range []string{"/usr/bin/", home + "/bin/"} {
			cmd := command(ownPath, dir+"recordio", dir+"fixcrio", "cat")
			cmd.Stdin = bytes.NewReader(input)
			var out, record bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &record
			b.must(cmd.Run())
			if !bytes.Equal(out.Bytes(), input) {
				t.Errorf("%s: %d bytes came out of %d", dir, out.Len(), len(input))
			}
			var in []byte
			for line := range bytes.Lines(record.Bytes()) {
				_, text, _ := bytes.Cut(line, []byte(" < "))
				switch {
				case bytes.HasSuffix(text, []byte(" \n")):
					in = append(append(in, text[:len(text)-2]...), '\n')
				case bytes.HasSuffix(text, []byte("+\n")):
					in = append(in, text[:len(text)-2]...)
				}
			}
			if !bytes.Equal(in, input) {
				t.Errorf("%s: the record has %d bytes of input, want %d", dir, len(in), len(input))
			}
		}
	})
}

// Who breaks the connection off ends the program behind the filters, and nothing
// stays behind.
func TestFilterBroken(t *testing.T) {
	onBed(t, func(b *bed) {
		for _, dir := range []string{"/usr/bin/", home + "/bin/"} {
			log := "/tmp/broken" + strings.ReplaceAll(dir, "/", ".")
			stop := b.background(log, ownPath, "tcpserver", "-vRHl0", "127.0.0.1", "smtp", dir+"recordio", dir+"fixcrio", "sh", "-c", "cat; yes")
			s := b.connect("127.0.0.4")
			s.say("250 hello", "250 hello")
			b.must(s.c.(*net.TCPConn).SetLinger(0)) // a reset
			b.must(s.c.Close())
			m, _ := b.wait(log, 0, `^tcpserver: end (\d+) status `)
			b.eventually("the end of the copying", func() bool {
				return len(pids("recordio-copier"))+len(pids("fixcrio-copier"))+len(pids("recordio"))+len(pids("fixcrio")) == 0
			})
			if _, err := os.Stat("/proc/" + m[1]); err == nil {
				t.Errorf("process %s is still there", m[1])
			}
			stop()
		}
	})
}
