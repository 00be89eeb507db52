//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// bounceHead is the beginning of a bounce from the first line of its header on;
// the arguments are recipient and the text of the first paragraph.
const bounceHead = `Date: \d+ \w+ \d+ [0-9:]+ -0000
From: MAILER-DAEMON@mx\.e2e\.test
To: %s
Subject: failure notice

Hi\. This is the qmail-send program at mx\.e2e\.test\.
%s

`

const (
	singleText = `I'm afraid I wasn't able to deliver your message to the following addresses\.
This is a permanent error; I've given up\. Sorry it didn't work out\.`
	doubleText = `I tried to deliver a bounce message to this address, but the bounce bounced!`
)

// forBounce is the Received line of a bounce.
const forBounce = `Received: \(qmail \d+ invoked for bounce\); \d+ \w+ \d+ [0-9:]+ -0000` + "\n"

// noBox is what qmail-local says of a mailbox that is not there.
const noBox = "Sorry, no mailbox here by that name. (#5.1.1)\n"

// A single bounce: one paragraph for each recipient that failed, a copy of the
// message, the log lines, and the recipient that got the message.
func TestBounceSingle(t *testing.T) {
	onBed(t, func(b *bed) {
		ann, sue := b.user("ann"), b.user("sue")
		ann.dotQmail("-no", "|printf 'one\\n\\n\\ntwo\\n'; exit 100\n")
		b.start()
		m := b.send("sue@"+domain, "Subject: s\n\nbody", "ann-no@"+domain, "nobody@"+domain, "ann@"+domain)
		bounce := b.bounce(m.from, m.n)
		m.end()
		bounce.end()
		b.empty()
		b.never(0, `^triple`)
		if got := ann.read("Mailbox"); !strings.Contains(got, "\nbody\n\n") {
			t.Errorf("ann's mailbox = %q, want the message", got)
		}
		paragraphs := []string{`<ann-no@e2e\.test>:` + "\none\n//two\n\n", `<nobody@e2e\.test>:` + "\n" + quoteText(noBox) + "\n"}
		// qmail-local runs for all at once, so either may fail first
		tail := "--- Below this line is a copy of the message\\.\n\nReturn-Path: <sue@e2e\\.test>\n" + receivedBy + "Subject: s\n\nbody\n\n"
		head := `From MAILER-DAEMON .*\nReturn-Path: <>\nDelivered-To: sue@e2e\.test\n` + forBounce + fmt.Sprintf(bounceHead, `sue@e2e\.test`, singleText)
		b.match("bounce", sue.read("Mailbox"), head+"(?:"+paragraphs[0]+paragraphs[1]+"|"+paragraphs[1]+paragraphs[0]+")"+tail)
		b.wait(m.from, fmt.Sprintf(`^info msg %d: bytes \d+ from <> qp %d uid 7796$`, bounce.n, bounce.qp))
		b.stop()
	})
}

// quoteText makes a pattern of a text.
func quoteText(s string) string {
	return strings.NewReplacer(".", `\.`, "(", `\(`, ")", `\)`).Replace(s)
}

// A bounce that bounces goes to postmaster with sender #@[]; one from there is
// thrown away.
func TestBounceDoubleAndTriple(t *testing.T) {
	onBed(t, func(b *bed) {
		post := b.user("post")
		b.control("doublebounceto", "post\n")
		b.start()
		m := b.send("nosuch@"+domain, "Subject: s\n\nbody\n", "nobody@"+domain)
		single := b.bounce(m.from, m.n)
		double := b.bounce(single.from, single.n)
		double.end()
		single.end()
		m.end()
		b.match("double bounce", post.read("Mailbox"), `From #@\[\] .*\nReturn-Path: <#@\[\]>\nDelivered-To: post@mx\.e2e\.test\n`+forBounce+
			fmt.Sprintf(bounceHead, `post@mx\.e2e\.test`, doubleText)+
			`<nosuch@e2e\.test>:`+"\n"+quoteText(noBox)+"\n--- Below this line is the original bounce\\.\n\nReturn-Path: <>\n"+forBounce+
			fmt.Sprintf(bounceHead, `nosuch@e2e\.test`, singleText)+`(?s:.*)`+"Subject: s\n\nbody\n\n")

		// the sender of the double bounce, whose recipient now fails too
		m = b.send("#@[]", "x\n", "nobody@"+domain)
		m.delivery("local", "nobody@"+domain)
		b.wait(m.from, fmt.Sprintf(`^triple bounce: discarding bounce/%d$`, m.n))
		m.end()
		b.empty()
		b.never(m.from, `^bounce msg`)
		b.stop()
	})
}

// A message that is too old gets one more attempt, after which a deferral is a
// failure.
func TestQueueLifetime(t *testing.T) {
	onBed(t, func(b *bed) {
		ann, sue := b.user("ann"), b.user("sue")
		ann.dotQmail("", "|echo later; exit 111\n")
		b.control("queuelifetime", "1000\n")
		n := b.put(queued{text: oldReceived + "x\n", info: "Fsue@" + domain + "\x00", local: "Tann@" + domain + "\x00", age: 1001e9})
		young := b.put(queued{text: oldReceived + "y\n", info: "Fsue@" + domain + "\x00", local: "Tann@" + domain + "\x00", age: 900e9})
		b.start()
		result, text, next := b.report(0, n, "local", "ann@"+domain)
		b.expect("delivery of an old message", result, text, "failure",
			"later/I'm_not_going_to_try_again;_this_message_has_been_in_the_queue_too_long./")
		b.bounce(next, n).end()
		result, text, _ = b.report(0, young, "local", "ann@"+domain)
		b.expect("delivery of a younger one", result, text, "deferral", "later/")
		b.stop()
		if got := sue.read("Mailbox"); !strings.Contains(got, "<ann@e2e.test>:\nlater\nI'm not going to try again; this message has been in the queue too long.\n\n") {
			t.Errorf("bounce = %q", got)
		}
		if got := b.parts(young); got != "mess info local" {
			t.Errorf("files of the younger message in %q, want mess info local", got)
		}
	})
}
