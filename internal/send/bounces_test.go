package send

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"goqmail/internal/queue"
	"goqmail/internal/testkit"
)

func TestParagraph(t *testing.T) {
	tests := []struct{ rcpt, text, want string }{
		{"a@b", "Sorry.\n", "<a@b>:\nSorry.\n\n"},
		{"a@b", "Sorry.", "<a@b>:\nSorry.\n\n"},
		{"a@b", "", "<a@b>:\n\n"},
		{"a@b", "line1\n\n\nline2", "<a@b>:\nline1\n//line2\n\n"}, // observed
		{"a@b", "x\n\n", "<a@b>:\nx\n\n\n"},                       // the last byte is left alone
		{"a@b", "\nx\n", "<a@b>:\n/x\n\n"},
		{"a@b", "\n", "<a@b>:\n\n\n"},
		{"no\nbody@b", "x\n", "<no_body@b>:\nx\n\n"},
		{"a@b", "\xff%\t\n", "<a@b>:\n\xff%\t\n\n"},
	}
	for _, tt := range tests {
		if got := string(paragraph(tt.rcpt, tt.text)); got != tt.want {
			t.Errorf("paragraph(%q, %q) = %q, want %q", tt.rcpt, tt.text, got, tt.want)
		}
	}
}

// FuzzParagraph: a reader that cuts the bounce at empty lines finds one
// paragraph for each recipient, unless the report ends in an empty line.
func FuzzParagraph(f *testing.F) {
	f.Add("a@b", "line1\n\n\nline2")
	f.Add("a\n\nb", "\n\n")
	f.Fuzz(func(t *testing.T, rcpt, text string) {
		p := paragraph(rcpt, text)
		if !bytes.HasSuffix(p, []byte("\n\n")) || !bytes.HasPrefix(p, []byte("<")) {
			t.Errorf("paragraph(%q, %q) = %q", rcpt, text, p)
		}
		if i := bytes.Index(p, []byte("\n\n")); i < len(p)-3 {
			t.Errorf("paragraph(%q, %q) = %q has an empty line at %d", rcpt, text, p, i)
		}
	})
}

func TestBounceFor(t *testing.T) {
	set := &settings{doublebounce: "postmaster@mx"}
	single := func(s string) bounce { return bounce{recipient: s, about: s} }
	double := bounce{isDouble: true, sender: "#@[]", recipient: "postmaster@mx"}
	tests := []struct {
		sender string
		want   bounce
		ok     bool
	}{
		{"s@a", single("s@a"), true},
		{"noat", single("noat"), true},
		{"o-@h-@[]", single("o-@h"), true},
		{"", double, true},
		{"-@[]", double, true}, // observed
		{"#@[]", bounce{}, false},
		{"#@[]-@[]", bounce{}, false},
	}
	for _, tt := range tests {
		if got, ok := set.bounceFor(tt.sender); got != tt.want || ok != tt.ok {
			t.Errorf("bounceFor(%q) = %+v %v, want %+v %v", tt.sender, got, ok, tt.want, tt.ok)
		}
	}
}

// recorder makes bin/qmail-queue a program that keeps what it gets.
func (b *bed) recorder(status string) string {
	b.t.Helper()
	dir := b.t.TempDir()
	testkit.Recorder(b.t, b.Path("bin/qmail-queue"), dir, status)
	return dir
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestBounceMessage compares whole bounces, byte for byte.
func TestBounceMessage(t *testing.T) {
	const hi = "Subject: failure notice\n\nHi. This is the qmail-send program at mx.example.test.\n"
	const single = "I'm afraid I wasn't able to deliver your message to the following addresses.\n" +
		"This is a permanent error; I've given up. Sorry it didn't work out.\n\n"
	const double = "I tried to deliver a bounce message to this address, but the bounce bounced!\n\n"
	const date = "Date: 20 Nov 2026 19:04:35 -0000\n"
	tests := []struct {
		name, sender, from, envelope, want string
	}{
		{"single", "s@a.test", "", "F\x00Ts@a.test\x00\x00",
			date + "From: MAILER-DAEMON@mx.example.test\nTo: s@a.test\n" + hi + single +
				"<x@y>:\nno\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <s@a.test>\nReceived: (qmail)\n\nhello\n"},
		{"quoted", `a b"c@mx.example.test`, "Mail Robot", `F` + "\x00" + `Ta b"c@mx.example.test` + "\x00\x00",
			date + "From: \"Mail Robot\"@mx.example.test\nTo: \"a b\\\"c\"@mx.example.test\n" + hi + single +
				"<x@y>:\nno\n\n--- Below this line is a copy of the message.\n\n" +
				"Return-Path: <\"a b\\\"c\"@mx.example.test>\nReceived: (qmail)\n\nhello\n"},
		{"verp", "o-@h.test-@[]", "", "F\x00To-@h.test\x00\x00",
			date + "From: MAILER-DAEMON@mx.example.test\nTo: o-@h.test\n" + hi + single +
				"<x@y>:\nno\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <o-@h.test>\nReceived: (qmail)\n\nhello\n"},
		{"newline", "a\nBcc: all@b", "", "F\x00Ta\nBcc: all@b\x00\x00",
			date + "From: MAILER-DAEMON@mx.example.test\nTo: \"a\\_Bcc: all\"@b\n" + hi + single +
				"<x@y>:\nno\n\n--- Below this line is a copy of the message.\n\nReturn-Path: <\"a\\_Bcc: all\"@b>\nReceived: (qmail)\n\nhello\n"},
		{"double", "", "", "F#@[]\x00Tpostmaster@mx.example.test\x00\x00",
			date + "From: MAILER-DAEMON@mx.example.test\nTo: postmaster@mx.example.test\n" + hi + double +
				"<x@y>:\nno\n\n--- Below this line is the original bounce.\n\nReturn-Path: <>\nReceived: (qmail)\n\nhello\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			b.now.Store(1795201475)
			if tt.from != "" {
				b.Control("bouncefrom", tt.from+"\n")
			}
			got := b.recorder("0")
			id := b.queued("F"+tt.sender+"\x00", "", "", "<x@y>:\nno\n\n")
			b.start(1, 1)
			b.gone(id)
			if text := read(t, got+"/0"); text != tt.want {
				t.Errorf("message:\n%q, want\n%q", text, tt.want)
			}
			if text := read(t, got+"/1"); text != tt.envelope {
				t.Errorf("envelope %q, want %q", text, tt.envelope)
			}
			b.logged(fmt.Sprintf("end msg %d", id), 1)
			log := b.log.all()
			if !strings.Contains(log, fmt.Sprintf("bounce msg %d qp ", id)) || !strings.HasSuffix(log, fmt.Sprintf("end msg %d", id)) {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

// TestBounceTrouble makes the bounce fail at each step: nothing is removed, it
// is tried again after 123 seconds, and then succeeds.
func TestBounceTrouble(t *testing.T) {
	tests := []struct {
		name, warning string
		fail          func(b *bed, id queue.ID) (repair func())
	}{
		{"queue program fails", "warning: trouble injecting bounce message, will try later", func(b *bed, id queue.ID) func() {
			b.recorder("53")
			return func() { b.recorder("0") }
		}},
		{"queue program missing", "warning: trouble injecting bounce message, will try later", func(b *bed, id queue.ID) func() {
			return func() { b.recorder("0") }
		}},
		{"message unreadable", "warning: trouble injecting bounce message, will try later", func(b *bed, id queue.ID) func() {
			b.recorder("0")
			mess := b.path(queue.Mess, id)
			check(b.t, os.Rename(mess, mess+".x"))
			testkit.Looping(b.t, mess)
			return func() { check(b.t, os.Rename(mess+".x", mess)) }
		}},
		{"bounce cannot be found", "warning: unable to stat bounce/%d", func(b *bed, id queue.ID) func() {
			b.recorder("0")
			path := b.path(queue.Bounce, id)
			check(b.t, os.Rename(path, path+".x"))
			testkit.Looping(b.t, path)
			return func() { check(b.t, os.Rename(path+".x", path)) }
		}},
		{"info without sender", "warning: trouble reading info/%s; will try again later", func(b *bed, id queue.ID) func() {
			b.recorder("0")
			b.Write("queue/"+queue.Info.Path(id), "Fs@a")
			return func() { b.Write("queue/"+queue.Info.Path(id), "Fs@a\x00") }
		}},
		{"info not readable", "warning: unable to stat info/%s; will try again later", func(b *bed, id queue.ID) func() {
			b.recorder("0")
			path := b.path(queue.Info, id)
			check(b.t, os.Rename(path, path+".x"))
			testkit.Looping(b.t, path)
			return func() { check(b.t, os.Rename(path+".x", path)) }
		}},
		{"todo unknown", "warning: unable to stat todo/%d; will try again later", func(b *bed, id queue.ID) func() {
			b.recorder("0")
			path := b.path(queue.Todo, id)
			testkit.Looping(b.t, path)
			return func() { check(b.t, os.Remove(path)) }
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			id := b.queued("Fs@a\x00", "", "", "<x@y>:\nno\n\n")
			repair := tt.fail(b, id)
			b.start(1, 1, func(s *server) {
				// not by way of the start, which would look at the files itself
				s.done.push(entry{0, id})
			})
			warning := tt.warning
			if strings.Contains(warning, "%d") {
				warning = fmt.Sprintf(warning, id)
			} else if strings.Contains(warning, "%s") {
				warning = fmt.Sprintf(warning, id.Split())
			}
			b.until(warning, func() bool { return b.log.count(warning) > 0 })
			b.settle()
			if !b.has(queue.Mess, id) && !strings.HasPrefix(tt.name, "message") {
				t.Fatal("the message is gone")
			}
			repair()
			b.advance(sleepSysfail)
			b.gone(id)
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTripleBounce(t *testing.T) {
	b := newBed(t)
	got := b.recorder("0")
	id := b.queued("F#@[]\x00", "", "", "<x@y>:\nno\n\n")
	b.start(1, 1)
	b.gone(id)
	b.logged(fmt.Sprintf("triple bounce: discarding bounce/%d", id), 1)
	b.logged(fmt.Sprintf("end msg %d", id), 1)
	if _, err := os.Stat(got + "/0"); err == nil {
		t.Error("a triple bounce was queued")
	}
}
