//go:build e2e

package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// passwords are ann's password for mail, and one of a mailbox of hers that is
// no account of the system.
const passwords = "# for the test\n" +
	"box@" + domain + ":{PLAIN}correct horse:ann:::/home/ann/box:\n" +
	"hashed:$y$j9T$AAt9R641xPvCI9nXw1HHW/$cuQRBMN3N/f8IcmVN.4YrZ1bHMOiLOoz9/XQMKV/v0A:6001:6001::/home/ann/box:\n"

// mailboxes starts the server, and delivers three messages to ann and three to her
// other mailbox, which are old enough to be listed when it returns.
func (b *bed) mailboxes() {
	b.Helper()
	b.write(home+"/users/passwords", passwords, 0o600)
	b.start()
	b.dotQmail("box", "./box/Maildir/\n")
	for _, d := range []string{"", "/Maildir", "/Maildir/tmp", "/Maildir/new", "/Maildir/cur"} {
		b.must(os.Mkdir("/home/ann/box"+d, 0o700))
		b.must(os.Chown("/home/ann/box"+d, 6001, 6001))
	}
	for _, text := range texts {
		b.inject(text, "ann@"+domain)
		b.inject(text, "ann-box@"+domain)
	}
	for _, dir := range []string{"/home/ann/Maildir/new", "/home/ann/box/Maildir/new"} {
		b.eventually("three messages in "+dir, func() bool { return len(b.files(dir)) == 3 })
		// A message of the current second is left for the next reader.
		for _, name := range b.files(dir) {
			b.run(ownPath, "touch", "-d", "1 minute ago", name)
		}
	}
	b.background("/tmp/pop3.log", ownPath, "tcpserver", "-v", "-R", "-H", "-l", hostName, "127.0.0.1", "110",
		"qmail-popup", hostName, "checkpassword", "qmail-pop3d", "Maildir")
	b.wait("/tmp/pop3.log", 0, `^tcpserver: status: 0/40$`)
}

// files are the paths of what is in a directory, sorted.
func (b *bed) files(dir string) []string {
	b.Helper()
	list, err := filepath.Glob(dir + "/*")
	b.must(err)
	return list
}

// fetchmail runs it once; the messages are added to /tmp/got. It returns the exit
// status: 0 when there was mail, 1 when there was none, 3 when the login failed.
func (b *bed) fetchmail(protocol, user, password, options string) string {
	b.Helper()
	b.write("/root/.fetchmailrc", fmt.Sprintf("set softbounce\npoll 127.0.0.1 protocol %s uidl\n"+
		"user \"%s\" password \"%s\" sslproto \"\" mda \"cat >>/tmp/got; echo END >>/tmp/got\" %s\n", protocol, user, password, options), 0o600)
	out := b.run(peerPath, "sh", "-c", "HOME=/root LC_ALL=C fetchmail --nosyslog -vv >/tmp/fetchmail.log 2>&1; echo $?")
	b.Cleanup(func() {
		if text, _ := os.ReadFile("/tmp/fetchmail.log"); b.Failed() {
			b.Logf("fetchmail:\n%s", text)
		}
	})
	return strings.TrimSpace(out)
}

// got checks how many messages a client has put where, by what their texts are,
// and removes the file.
func (b *bed) got(file string, want ...string) {
	b.Helper()
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		b.Fatal(err)
	}
	for _, w := range want {
		if n := strings.Count(string(text), "\n\n"+w+"\n"); n != 1 {
			b.Errorf("%s has %.20q %d times, want once", file, w, n)
		}
	}
	if n := strings.Count(string(text), "\nSubject: x\n"); n != len(want) {
		b.Errorf("%s has %d messages, want %d", file, n, len(want))
	}
	b.must(os.RemoveAll(file))
}

// holds checks what is in a Maildir: each message in its place, with its flags.
func (b *bed) holds(maildir, sub, suffix string, n int) {
	b.Helper()
	found := b.files(maildir + "/" + sub)
	for _, f := range found {
		if !strings.HasSuffix(f, suffix) {
			b.Errorf("%s, want %q at its end", f, suffix)
		}
	}
	if len(found) != n {
		b.Errorf("%d messages in %s/%s, want %d: %q", len(found), maildir, sub, n, found)
	}
}

// texts are those of the three messages: with lines that begin with a dot, and
// longer than any buffer.
var texts = []string{"one", ".two\n..\n.", "three" + strings.Repeat("\nline", 20_000)}

// Fetchmail reads what qmail-local has delivered, by USER and PASS with the
// password of /etc/shadow: leaves it, finds nothing new, then takes it.
func TestFetchmail(t *testing.T) {
	onBed(t, func(b *bed) {
		b.mailboxes()
		const maildir = "/home/ann/Maildir"
		b.holds(maildir, "new", "."+hostName, 3)
		if code := b.fetchmail("pop3", "ann", "wrong", "keep"); code != "3" {
			b.Errorf("with a wrong password: exit %s, want 3", code)
		}
		b.holds(maildir, "new", "."+hostName, 3)
		if code := b.fetchmail("pop3", "ann", "secret", "keep"); code != "0" {
			b.Errorf("the first time: exit %s, want 0", code)
		}
		b.got("/tmp/got", texts...)
		b.holds(maildir, "new", "", 0)
		b.holds(maildir, "cur", "."+hostName+":2,", 3)
		if code := b.fetchmail("pop3", "ann", "secret", "keep"); code != "1" {
			b.Errorf("the second time: exit %s, want 1", code)
		}
		b.got("/tmp/got")
		if code := b.fetchmail("pop3", "ann", "secret", "no keep fetchall"); code != "0" {
			b.Errorf("the third time: exit %s, want 0", code)
		}
		b.got("/tmp/got", texts...)
		b.holds(maildir, "cur", "", 0)
		for _, l := range lines("/tmp/pop3.log") {
			if !strings.HasPrefix(l, "tcpserver: ") {
				b.Errorf("log of the server: %s", l)
			}
		}
	})
}

// APOP works for an account whose secret is stored in plain, and only there.
func TestFetchmailAPOP(t *testing.T) {
	onBed(t, func(b *bed) {
		b.mailboxes()
		for user, password := range map[string]string{"ann": "secret", "hashed": "openwall", "box@" + domain: "wrong", "nobody": "x"} {
			if code := b.fetchmail("apop", user, password, "keep"); code != "3" {
				b.Errorf("%s, %s: exit %s, want 3", user, password, code)
			}
		}
		if code := b.fetchmail("apop", "box@"+domain, "correct horse", "no keep"); code != "0" {
			b.Errorf("exit %s, want 0", code)
		}
		b.got("/tmp/got", texts...)
		b.holds("/home/ann/box/Maildir", "new", "", 0)
		b.holds("/home/ann/box/Maildir", "cur", "", 0)
		b.holds("/home/ann/Maildir", "new", "", 3)
	})
}

// Mpop keeps a list of what it has read. Accounts without a line in /etc/passwd,
// with a hash and by APOP.
func TestMpop(t *testing.T) {
	onBed(t, func(b *bed) {
		b.mailboxes()
		mpop := func(account, want string) {
			b.Helper()
			out := b.run(peerPath, "sh", "-c", `HOME=/root LC_ALL=C mpop -d `+account+` 2>&1; echo "exit $?"`)
			if !strings.HasSuffix(out, "exit "+want+"\n") {
				b.Errorf("account %s: want exit %s\n%s", account, want, out)
			}
		}
		b.write("/root/.mpoprc", `defaults
host 127.0.0.1
port 110
tls off
uidls_file /tmp/uidls
delivery mda "cat >>/tmp/got"
received_header off
keep on
account hashed
user hashed
auth user
password openwall
account apop
user box@`+domain+`
auth apop
password "correct horse"
keep off
account ann
auth user
user ann
password secret
`, 0o600)
		const maildir = "/home/ann/box/Maildir"
		mpop("hashed", "0")
		b.got("/tmp/got", texts...)
		b.holds(maildir, "cur", "."+hostName+":2,", 3)
		mpop("hashed", "0")
		b.got("/tmp/got")
		b.must(os.Remove("/tmp/uidls"))
		mpop("apop", "0")
		b.got("/tmp/got", texts...)
		b.holds(maildir, "cur", "", 0)
		mpop("ann", "0")
		b.got("/tmp/got", texts...)
		b.holds("/home/ann/Maildir", "cur", "."+hostName+":2,", 3)
	})
}
