//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// One message to a mailbox of each kind, to a program, and on to another
// address: content, log text, and nothing left behind.
func TestLocalDelivery(t *testing.T) {
	onBed(t, func(b *bed) {
		ann, joe := b.user("ann"), b.user("joe")
		ann.dotQmail("-md", "./Maildir/\n")
		ann.maildir("Maildir")
		ann.dotQmail("-prog", "|cat >out; env | grep ^RECIPIENT= >>out; echo did it; exit 0\n")
		ann.dotQmail("-fwd", "&joe@"+domain+"\n")
		b.start()

		m := b.send("s@far.test", "Subject: x\n\nFrom here\nbody\n", "ann@"+domain)
		b.expectReport(m, "ann@"+domain, "success", "did_1+0+0/")
		m.end()
		b.match("mbox", ann.read("Mailbox"), `From s@far\.test \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\n`+
			`Return-Path: <s@far\.test>\nDelivered-To: ann@e2e\.test\n`+receivedBy+"Subject: x\n\n>From here\nbody\n\n")

		m = b.send("s@far.test", "Subject: y\n\nFrom here\nbody", "ann-md@"+domain)
		b.expectReport(m, "ann-md@"+domain, "success", "did_1+0+0/")
		m.end()
		b.match("Maildir", ann.one("Maildir"), `Return-Path: <s@far\.test>\nDelivered-To: ann-md@e2e\.test\n`+
			receivedBy+"Subject: y\n\nFrom here\nbody")

		m = b.send("", "z\n", "ann-prog@"+domain)
		b.expectReport(m, "ann-prog@"+domain, "success", "did_it/did_0+0+1/")
		m.end()
		b.match("program's input", ann.read("out"), receivedBy+"z\nRECIPIENT=ann-prog@e2e\\.test\n")

		m = b.send("s@far.test", "w\n", "ann-fwd@"+domain)
		result, text := m.delivery("local", "ann-fwd@"+domain)
		if result != "success" || !strings.HasPrefix(text, "did_0+1+0/qp_") {
			t.Errorf("delivery to a forward = %s %q, want success did_0+1+0/qp_...", result, text)
		}
		b.wait(0, `^starting delivery 5: msg \d+ to local joe@e2e\.test$`)
		m.end()
		b.empty()
		if got := joe.read("Mailbox"); !strings.Contains(got, "Delivered-To: joe@e2e.test\nReceived: (qmail ") ||
			!strings.Contains(got, "Delivered-To: ann-fwd@e2e.test\n") || !strings.Contains(got, fmt.Sprintf("invoked by uid %d)", ann.uid)) {
			t.Errorf("forwarded message = %q, want both Delivered-To lines and ann's uid", got)
		}
		b.stop()
	})
}

// expectReport checks the next delivery of m to a local recipient.
func (b *bed) expectReport(m *message, recipient, wantResult, wantText string) {
	b.Helper()
	result, text := m.delivery("local", recipient)
	b.expect("delivery to "+recipient, result, text, wantResult, wantText)
}

// The log of one message, line by line.
func TestLogLines(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		b.start()
		m := b.send("a%b c@far.test", "0123456789\n", "ann@"+domain)
		m.end()
		b.empty()
		size := len(ann.read("Mailbox")) - len("\n") - strings.Index(ann.read("Mailbox"), "Received: ")
		b.stop()
		want := []string{
			"status: local 0/10 remote 0/20",
			fmt.Sprintf("new msg %d", m.n),
			fmt.Sprintf("info msg %d: bytes %d from <a_b_c@far.test> qp %d uid 0", m.n, size, m.qp),
			fmt.Sprintf("starting delivery 1: msg %d to local ann@e2e.test", m.n),
			"status: local 1/10 remote 0/20",
			"delivery 1: success: did_1+0+0/",
			"status: local 0/10 remote 0/20",
			fmt.Sprintf("end msg %d", m.n),
			"status: exiting",
		}
		got := b.journal.all()
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("log:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// What a program's exit status means, and what becomes of its output.
func TestProgramExits(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		tests := []struct{ ext, program, result, text string }{
			{"zero", "echo fine", "success", "fine/did_0+0+1/"},
			{"enough", "exit 99", "success", "did_0+0+1/"},
			{"hard", "echo no such; exit 100", "failure", "no_such/"},
			{"usage", "exit 64", "failure", ""},
			{"soft", `printf 'not \t%%\303\n'; exit 111`, "deferral", "not____/"},
			{"other", "exit 1", "deferral", ""},
			{"killed", "kill -9 $$", "deferral", "Aack,_child_crashed._(#4.3.0)/"},
		}
		b.start()
		for _, tt := range tests {
			ann.dotQmail("-"+tt.ext, "|"+tt.program+"\n")
			m := b.send("", "x\n", "ann-"+tt.ext+"@"+domain)
			b.expectReport(m, "ann-"+tt.ext+"@"+domain, tt.result, tt.text)
		}
		b.stop()
	})
}

// Addresses that no user has go to ~alias, and fail there.
func TestAlias(t *testing.T) {
	onBed(t, func(b *bed) {
		b.alias().dotQmail("-known", "./box\n")
		b.alias().dotQmail("-list-default", "|echo $DEFAULT\n")
		b.start()
		m := b.send("", "x\n", "known@"+domain)
		b.expectReport(m, "known@"+domain, "success", "did_1+0+0/")
		m = b.send("", "x\n", "List-A.b@"+domain)
		b.expectReport(m, "List-A.b@"+domain, "success", "A.b/did_0+0+1/")
		m = b.send("#@[]", "x\n", "unknown@"+domain)
		b.expectReport(m, "unknown@"+domain, "failure", "Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/")
		m.end()
		b.stop()
		if got := b.alias().read("box"); !strings.HasPrefix(got, "From MAILER-DAEMON ") {
			t.Errorf("alias's mbox = %q, want From MAILER-DAEMON first", got)
		}
	})
}

// virtualdomains and users/cdb decide who gets the mail.
func TestVirtualDomainAndUsers(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		ann.dotQmail("-v-default", "|echo $EXT $HOST\n")
		b.control("virtualdomains", "v.test:ann-v\nu@one.test:ann-v-one\n")
		b.start()
		m := b.send("", "x\n", "Box@v.test")
		b.expectReport(m, "ann-v-Box@v.test", "success", "v-Box_v.test/did_0+0+1/")
		m = b.send("", "x\n", "u@one.test")
		b.expectReport(m, "ann-v-one-u@one.test", "success", "v-one-u_one.test/did_0+0+1/")

		b.must(os.WriteFile(home+"/users/assign", []byte(fmt.Sprintf("=boss:ann:%d:%d:%s:-:v-boss:\n.\n", ann.uid, ann.gid, ann.home)), 0o644))
		if out, err := command(home + "/bin/qmail-newu").CombinedOutput(); err != nil {
			t.Fatalf("qmail-newu: %v %s", err, out)
		}
		m = b.send("", "x\n", "boss@"+domain)
		b.expectReport(m, "boss@"+domain, "success", "v-boss_e2e.test/did_0+0+1/")
		b.stop()
	})
}
