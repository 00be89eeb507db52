//go:build e2e

package e2e

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// aliases installs a table in /etc/aliases, with the line in ~alias that uses
// it, and compiles :include: lists.
func (b *bed) aliases(table string, lists map[string]string) {
	b.Helper()
	b.must(os.WriteFile("/etc/aliases", []byte(table), 0o644))
	b.compile("newaliases")
	for name, text := range lists {
		b.must(os.WriteFile(name, []byte(text), 0o644))
		b.compile("newinclude", name)
	}
	b.alias().dotQmail("-default", "| fastforward -d /etc/aliases.cdb\n")
}

// compile runs a program of the suite as root.
func (b *bed) compile(name string, args ...string) {
	b.Helper()
	if out, err := command(home+"/bin/"+name, args...).CombinedOutput(); err != nil || len(out) > 0 {
		b.Fatalf("%s %q: %v, %s", name, args, err, out)
	}
}

// forwarded waits until the delivery of a message to a recipient has queued it
// again, and returns what was queued.
func (m *message) forwarded(recipient string) *message {
	m.b.Helper()
	result, text := m.delivery("local", recipient)
	qp, ok := strings.CutPrefix(text, "fastforward:_qp_")
	qp, _, _ = strings.Cut(qp, "/")
	n, err := strconv.Atoi(qp)
	if result != "success" || !ok || err != nil || !strings.HasSuffix(text, "/did_0+0+1/") {
		m.b.Fatalf("delivery to %s = %s %q, want it forwarded", recipient, result, text)
	}
	m.end()
	next := &message{b: m.b, qp: n}
	return next.taken()
}

// An alias of an alias, as everybody has it for postmaster; upper case; one for
// a host; and a name that nobody has.
func TestAliases(t *testing.T) {
	onBed(t, func(b *bed) {
		ann, sue := b.user("ann"), b.user("sue")
		b.aliases("postmaster: root\nroot: ann (Ann, the boss)\nInfo@"+domain+": sue, \"Sue\" <SUE@"+domain+">, sue\n", nil)
		b.start()
		m := b.send("x@far.test", "Subject: p\n\n", "postmaster@"+domain)
		m = m.forwarded("postmaster@" + domain).forwarded("root@" + hostName)
		m.end()
		b.match("ann's mail", ann.read("Mailbox"), `From x@far\.test .*\nReturn-Path: <x@far\.test>\nDelivered-To: ann@mx\.e2e\.test\n`+
			`Received: .*\nDelivered-To: root@mx\.e2e\.test\nReceived: .*\nDelivered-To: postmaster@e2e\.test\nReceived: .*\nSubject: p\n\n\n`)

		m = b.send("x@far.test", "Subject: i\n\n", "INFO@"+domain)
		m = m.forwarded("INFO@" + domain)
		m.end()
		if got := strings.Count(sue.read("Mailbox"), "Subject: i\n"); got != 2 { // sue and SUE are two addresses
			t.Errorf("sue got the message %d times, want 2", got)
		}
		m = b.send("x@far.test", "Subject: n\n\n", "info@"+hostName, "nobody@"+domain)
		for _, rcpt := range []string{"info@" + hostName, "nobody@" + domain} {
			_, text, _ := b.report(m.from, m.n, "local", rcpt)
			if text != "Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/" {
				t.Errorf("%s: %s", rcpt, text)
			}
		}
		b.stop()
	})
}

// An :include: list with an owner, who gets the bounces; a list within it; a new
// version that the next message sees; and one that is gone, which defers.
func TestAliasList(t *testing.T) {
	onBed(t, func(b *bed) {
		ann, sue := b.user("ann"), b.user("sue")
		b.aliases("club: :include:/etc/club\nowner-club: ann\n",
			map[string]string{"/etc/club": "# the club\nsue, gone\n:include:/etc/board.bin\n", "/etc/board": "sue\nhead@far.test\n"})
		b.start()
		m := b.send("x@far.test", "Subject: c\n\n", "club@"+domain)
		list := m.forwarded("club@" + domain)
		b.wait(list.from, `^starting delivery \d+: msg \d+ to remote head@far\.test$`)
		failure, text, _ := b.report(list.from, list.n, "local", "gone@"+hostName)
		b.expect("delivery to gone", failure, text, "failure", "Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/")
		b.eventually("mail for sue", func() bool { return sue.read("Mailbox") != "" })
		b.match("sue's mail", sue.read("Mailbox"), `From owner-club@mx\.e2e\.test .*\nReturn-Path: <owner-club@mx\.e2e\.test>\n(?s:.*)`)
		b.stop()

		// The remote recipient cannot be had here, so the message stays; one
		// without it bounces at once.
		b.must(os.WriteFile("/etc/board", []byte("sue\n"), 0o644))
		b.start()
		b.compile("newinclude", "/etc/board")
		m = b.send("x@far.test", "Subject: d\n\n", "club@"+domain)
		list = m.forwarded("club@" + domain)
		bounce := b.bounce(list.from, list.n)
		bounce.forwarded("owner-club@" + hostName).end()
		b.match("ann's mail", ann.read("Mailbox"), `From MAILER-DAEMON .*\nReturn-Path: <>\nDelivered-To: ann@mx\.e2e\.test\n(?s:.*)\nTo: owner-club@mx\.e2e\.test\n(?s:.*)<gone@mx\.e2e\.test>:\n(?s:.*)`)
		if got := strings.Count(sue.read("Mailbox"), "Subject: "); got != 2 {
			t.Errorf("sue got %d messages, want 2", got)
		}

		b.must(os.Remove("/etc/board.bin"))
		m = b.send("x@far.test", "Subject: e\n\n", "club@"+domain)
		result, text := m.delivery("local", "club@"+domain)
		b.expect("delivery to a list that is gone", result, text, "deferral", "fastforward:_fatal:_unable_to_read_/etc/board.bin:_file_does_not_exist/")
		b.stop()
	})
}

// A program, with the three lines in front, as the user alias; one that fails
// for good; and a loop, which ends as a bounce.
func TestAliasProgramAndLoop(t *testing.T) {
	onBed(t, func(b *bed) {
		sue := b.user("sue")
		b.aliases("archive: \"|cat >archive; id -un >who\"\nbad: \"|echo no; exit 100\", sue\nloop: loop2\nloop2: loop\nself: self@"+domain+"\nself@"+domain+": self@"+domain+"\n", nil)
		b.start()
		m := b.send("sue@"+domain, "Subject: a\n\nbody\n", "archive@"+domain)
		b.expectReport(m, "archive@"+domain, "success", "did_0+0+1/")
		m.end()
		b.match("archive", b.alias().read("archive"), `From sue@e2e\.test .*\nReturn-Path: <sue@e2e\.test>\nDelivered-To: archive@e2e\.test\n`+receivedBy+`Subject: a\n\nbody\n`)
		if got := b.alias().read("who"); got != "alias\n" {
			t.Errorf("the program ran as %q", got)
		}

		m = b.send("sue@"+domain, "Subject: b\n\n", "bad@"+domain)
		result, text := m.delivery("local", "bad@"+domain)
		b.expect("a program that refuses", result, text, "failure", "no/")
		b.bounce(m.from, m.n).end()

		m = b.send("sue@"+domain, "Subject: l\n\n", "loop@"+domain)
		m = m.forwarded("loop@" + domain).forwarded("loop2@" + hostName).forwarded("loop@" + hostName)
		result, text = m.delivery("local", "loop2@"+hostName)
		b.expect("a loop", result, text, "failure", "This_message_is_looping:_it_already_has_my_Delivered-To_line._(#5.4.6)/")
		b.bounce(m.from, m.n).end()

		m = b.send("sue@"+domain, "Subject: s\n\n", "self@"+domain)
		b.expectReport(m, "self@"+domain, "success", "did_0+0+1/") // nobody is left
		m.end()
		b.empty()
		if got := strings.Count(sue.read("Mailbox"), "\nSubject: failure notice\n"); got != 2 {
			t.Errorf("sue got %d bounces, want 2", got)
		}
		b.stop()
	})
}
