//go:build e2e

package peers

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"

	"goqmail/internal/testkit"
)

// rules are for the clients of the scenario below: lookups by address, prefix,
// name and ident answer.
const rules = `# who may do what
127.0.0.5:allow,RELAYCLIENT=""
127.0.0.6:deny
joe@127.0.0.7:deny,WHY="joe"
=good.host.test:allow,RELAYCLIENT="",DATABYTES="100"
=.dial.test:deny
127.0.0.20-22:deny
127.0.0.4:allow
127.0.0.10-25:allow
::1:allow,RELAYCLIENT="@gate.test"
:deny
`

// zone has the names of the clients.
var zone = testkit.DNSZone{
	"8.0.0.127.in-addr.arpa PTR": "good.host.test", "good.host.test A": "127.0.0.8",
	"9.0.0.127.in-addr.arpa PTR": "p9.dial.test", "p9.dial.test A": "127.0.0.9",
	// a name that is not this address's
	"10.0.0.127.in-addr.arpa PTR": "good.host.test",
}

// identServer answers every question at an address with a user.
func (b *bed) identServer(ip, user string) {
	b.Helper()
	l, err := net.Listen("tcp4", ip+":113")
	b.must(err)
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			line, _ := bufio.NewReader(c).ReadString('\n')
			fmt.Fprintf(c, "%s : USERID : UNIX : %s\r\n", strings.TrimSpace(line), user)
			_ = c.Close() // all is written
		}
	}()
}

// makeRules makes a cdb from rules by tcprules of a path.
func (b *bed) makeRules(cdb, path string) {
	b.Helper()
	cmd := command(path, "tcprules", cdb, cdb+".tmp")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("tcprules: %v %s", err, out)
	}
	b.must(os.Chmod(cdb, 0o644))
}

// scenario has one connection after the other with the server that writes to
// log, each up to the server's line about its end. It returns the Received line
// of the message of the first one.
func (b *bed) scenario(log, text string) (received string) {
	b.Helper()
	ends := 0
	ended := func() {
		b.Helper()
		for from, n := 0, 0; n <= ends; n++ {
			_, from = b.wait(log, from, `^tcpserver: end \d+ status \d+$`)
			if n == ends {
				b.wait(log, from, `^tcpserver: status: 0/7$`)
			}
		}
		ends++
	}
	mail := b.mail("127.0.0.4", text, "553 ")
	ended()
	received = regexp.MustCompile(`Received: from .*\n`).FindString(mail)
	for _, denied := range []string{"127.0.0.6", "127.0.0.7", "127.0.0.9", "127.0.0.21"} {
		b.connect(denied).closed()
		ended()
	}
	for _, allowed := range []struct{ from, relay string }{
		{"127.0.0.5", "250 "}, {"127.0.0.8", "250 "}, {"127.0.0.10", "553 "}, {"127.0.0.23", "553 "}, {"::1", "250 "},
	} {
		if allowed.from == "::1" && !hasIPv6() {
			b.Log("the kernel has no IPv6: left out")
			continue
		}
		s := b.connect(allowed.from)
		s.say("", "220 ")
		s.say("HELO there.test", "250 ")
		s.say("MAIL FROM:<s@far.test>", "250 ")
		s.say("RCPT TO:<x@far.test>", allowed.relay)
		if allowed.from == "127.0.0.5" {
			b.must(s.c.Close()) // no QUIT: qmail-smtpd exits 1
		} else {
			s.say("QUIT", "221 ")
			s.closed()
		}
		ended()
	}
	return received
}

// hasIPv6 reports whether the kernel has IPv6.
func hasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err == nil {
		_ = l.Close() // nobody connected
	}
	return err == nil
}

// renumber replaces what differs between two runs of tcpserver: each process
// that serves a connection gets the connection's number, the client's port a
// word.
func renumber(list []string) []string {
	from := regexp.MustCompile(`^tcpserver: pid (\d+) from `)
	about := regexp.MustCompile(`^(tcpserver: (?:pid|ok|deny|end)) (\d+)\b`)
	port := regexp.MustCompile(`^(tcpserver: (?:ok|deny) .*:)\d+$`)
	numbers, n := map[string]string{}, 0
	var out []string
	for _, line := range list {
		if m := from.FindStringSubmatch(line); m != nil {
			n++
			numbers[m[1]] = fmt.Sprint("PID", n)
		}
		if m := about.FindStringSubmatch(line); m != nil {
			line = m[1] + " " + numbers[m[2]] + line[len(m[0]):]
		}
		out = append(out, port.ReplaceAllString(line, "${1}PORT"))
	}
	return out
}

// Debian's tcpserver with rules by our tcprules, and ours with rules by
// Debian's, serve the same clients in the same way and log the same lines.
func TestTcpserver(t *testing.T) {
	onBed(t, func(b *bed) {
		testkit.StartDNS(t, "127.0.0.1", 53, zone)
		b.identServer("127.0.0.7", "joe")
		b.identServer("127.0.0.4", "sam")
		b.start()
		var logs, received []string
		for _, tt := range []struct{ name, server, rulesPath string }{
			{"debian", "/usr/bin/tcpserver", ownPath},
			{"own", home + "/bin/tcpserver", peerPath},
		} {
			cdb, log := "/tmp/"+tt.name+".cdb", "/tmp/"+tt.name+".log"
			b.makeRules(cdb, tt.rulesPath)
			stop := b.background(log, ownPath, tt.server, "-v", "-h", "-p", "-r", "-t", "5", "-l", hostName, "-c", "7", "-x", cdb,
				"-u", fmt.Sprint(testkit.UIDDaemon), "-g", fmt.Sprint(testkit.GIDNofiles), "0", "smtp", home+"/bin/qmail-smtpd")
			b.wait(log, 0, `^tcpserver: status: 0/7$`) // it has become qmaild
			b.runsAs(1, "tcpserver", tt.server, testkit.UIDDaemon, testkit.GIDNofiles)
			received = append(received, b.scenario(log, "by "+tt.name))
			stop()
			logs = append(logs, strings.Join(renumber(lines(log)), "\n"))
		}
		if logs[0] != logs[1] {
			t.Errorf("log of Debian's tcpserver:\n%s\nof ours:\n%s", logs[0], logs[1])
		}
		if want := "Received: from unknown (HELO there.test) (sam@127.0.0.4)\n"; received[0] != want || received[1] != want {
			t.Errorf("Received lines %q, want two of %q", received, want)
		}
		if n := strings.Count(logs[0], "tcpserver: deny "); n != 4 {
			t.Errorf("%d connections refused, want 4:\n%s", n, logs[0])
		}
	})
}

// The shipped rules, made and read by the programs of either side: the cdb is
// the same, byte for byte, and so is what tcprulescheck says, whoever made it.
// The page's command makes the same one.
func TestTcprules(t *testing.T) {
	onBed(t, func(b *bed) {
		b.command(ownPath, "test -f /var/qmail/control/tcp.smtp ")
		makers := []string{"tcprules tcp.smtp.cdb tcp.smtp.tmp <tcp.smtp", b.shown("/var/qmail/boot/service cdb")}
		var cdbs []string
		for i, maker := range []string{ownPath, peerPath, ownPath} {
			b.run(maker, "sh", "-c", "cd /var/qmail/control && "+makers[i/2])
			text, err := os.ReadFile(home + "/control/tcp.smtp.cdb")
			b.must(err)
			cdbs = append(cdbs, string(text))
			for _, reader := range []string{ownPath, peerPath} {
				out := b.command(reader, "TCPREMOTEIP=192.0.2.1 tcprulescheck ")
				if want := "rule :\nallow connection\n"; out != want {
					t.Errorf("tcprulescheck on the page = %q, want %q", out, want)
				}
			}
		}
		if cdbs[0] != cdbs[1] || cdbs[0] != cdbs[2] {
			t.Errorf("the shipped rules as cdb: ours %q, Debian's %q, the service script's %q", cdbs[0], cdbs[1], cdbs[2])
		}
		b.makeRules("/tmp/own.cdb", ownPath)
		b.makeRules("/tmp/peer.cdb", peerPath)
		own, err := os.ReadFile("/tmp/own.cdb")
		b.must(err)
		peer, err := os.ReadFile("/tmp/peer.cdb")
		b.must(err)
		if string(own) != string(peer) {
			t.Errorf("cdb of\n%sours %q, Debian's %q", rules, own, peer)
		}
		for _, client := range [][]string{
			{"TCPREMOTEIP=127.0.0.5"}, {"TCPREMOTEIP=127.0.0.6"}, {"TCPREMOTEIP=127.0.0.7", "TCPREMOTEINFO=joe"},
			{"TCPREMOTEIP=127.0.0.7", "TCPREMOTEINFO=ann"}, {"TCPREMOTEIP=127.0.0.8", "TCPREMOTEHOST=good.host.test"},
			{"TCPREMOTEIP=127.0.0.9", "TCPREMOTEHOST=p9.dial.test"}, {"TCPREMOTEIP=127.0.0.21"}, {"TCPREMOTEIP=::1"}, {"TCPREMOTEIP=192.0.2.1"},
		} {
			words := append(client[:len(client):len(client)], "tcprulescheck", "/tmp/own.cdb")
			if own, peer := b.run(ownPath, words...), b.run(peerPath, words...); own != peer || own == "" {
				t.Errorf("tcprulescheck for %v: ours %q, Debian's %q", client, own, peer)
			}
		}
	})
}
