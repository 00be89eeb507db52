//go:build e2e

package peers

import (
	"regexp"
	"strings"
	"testing"
)

// sent are mail programs that hand their mail to sendmail: the command, its
// input, and what must be in the message that arrives, or not.
var sent = []struct {
	name  string
	words []string
	input string
	want  []string // patterns
	never string
	count int // copies in ann's Maildir
}{
	{
		"mutt", []string{"mutt", "-n", "-F", "/tmp/muttrc", "-s", "by mutt", "-b", "ann-hidden@" + domain, "-a", "/tmp/attachment", "--", "ann@" + domain},
		"hello\n.\nFrom here\n\xc3\xbcber\n",
		[]string{`(?m)^Subject: by mutt$`, `(?m)^From: ann@peers\.test`, `(?m)^Return-Path: <ann@peers\.test>$`, `(?m)^To: ann@peers\.test$`,
			`(?m)^hello\n\.\nFrom here$`, "(?m)^\xc3\xbcber$|=C3=BCber", `name="?attachment`, `AAECA/8=|=00`},
		`hidden`, 2,
	},
	{
		"mutt without envelope", []string{"mutt", "-n", "-F", "/dev/null", "-s", "as it comes", "ann@" + domain}, "hello\n",
		[]string{`(?m)^Subject: as it comes$`, `(?m)^Return-Path: <ann@mx\.peers\.test>$`}, "", 1,
	},
	{
		"s-nail", []string{"s-nail", "-:/", "-s", "by s-nail", "-b", "ann-hidden@" + domain, "-a", "/tmp/attachment", "-c", "ann-copy@" + domain, "ann@" + domain},
		"hello\n.\nFrom here\n\xc3\xbcber\n",
		[]string{`(?m)^Subject: by s-nail$`, `(?m)^Return-Path: <ann@mx\.peers\.test>$`, `(?m)^To: ann@peers\.test$`, `(?m)^Cc: ann-copy@peers\.test$`,
			`(?m)^hello$`, "(?m)^\xc3\xbcber$|=C3=BCber", `filename="?attachment`},
		`hidden`, 3,
	},
	{
		"s-nail with sender", []string{"s-nail", "-:/", "-r", "other@far.test", "-s", "as another", "ann@" + domain}, "hello\n",
		[]string{`(?m)^From: other@far\.test$`, `(?m)^Return-Path: <other@far\.test>$`}, "", 1,
	},
	{
		"s-nail -t", []string{"s-nail", "-:/", "-t"}, "To: ann@" + domain + "\nBcc: ann-hidden@" + domain + "\nSubject: by header\n\nhello\n",
		[]string{`(?m)^Subject: by header$`}, `hidden`, 2,
	},
	{
		"sendmail as cron calls it", []string{"/usr/sbin/sendmail", "-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "ann@" + domain},
		"From: ann (Cron Daemon)\nTo: ann@" + domain + "\nSubject: Cron <ann@mx> true\n\nhello\n.\nmore\n",
		[]string{`(?m)^Subject: Cron <ann@mx> true$`, `(?m)^hello\n\.\nmore$`, `(?m)^Return-Path: <ann@peers\.test>$`}, "", 1,
	},
}

// TestSenders sends by mail programs whose users know nothing of qmail: they call
// /usr/sbin/sendmail.
func TestSenders(t *testing.T) {
	onBed(t, func(b *bed) {
		b.write("/tmp/attachment", "\x00\x01\x02\x03\xff", 0o644)
		b.write("/tmp/muttrc", "set from=ann@"+domain+"\nset use_envelope_from\nset envelope_from_address=ann@"+domain+
			"\nset sendmail=\"/usr/sbin/sendmail -oem -oi\"\nset record=\"\"\nset folder=/home/ann\nset send_charset=utf-8\n", 0o644)
		b.dotQmail("hidden", "./Maildir/\n")
		b.dotQmail("copy", "./Maildir/\n")
		b.start()
		for _, s := range sent {
			b.ann(s.input, s.words...)
			b.eventually(s.name, func() bool { return len(b.files("/home/ann/Maildir/new")) >= s.count })
			b.quiet()
			for _, name := range b.files("/home/ann/Maildir/new") {
				text := b.run(ownPath, "cat", name)
				for _, pattern := range s.want {
					if !regexp.MustCompile(pattern).MatchString(text) {
						t.Errorf("%s: no %q in\n%s", s.name, pattern, text)
					}
				}
				// Delivered-To is on the copy of the hidden recipient itself
				_, rest, _ := strings.Cut(text, "\nReceived: ")
				if s.never != "" && strings.Contains(rest, s.never) {
					t.Errorf("%s: %q in\n%s", s.name, s.never, text)
				}
			}
			if got := b.mails(s.count); len(got) != s.count {
				t.Errorf("%s: %d copies, want %d", s.name, len(got), s.count)
			}
		}
	})
}
