//go:build e2e

package peers

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An mbox that qmail-local has written and s-nail has read is moved to a Maildir:
// the messages are those that were sent, with the reader's flags.
func TestMboxReader(t *testing.T) {
	onBed(t, func(b *bed) {
		b.dotQmail("mb", "./Mailbox\n./Maildir/\n")
		b.start()
		for i, text := range odd {
			cmd := command(ownPath, "qmail-inject", "-f", "s@far.test", "ann-mb@"+domain)
			cmd.Stdin = strings.NewReader(text)
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("qmail-inject: %v %s", err, out)
			}
			b.eventually("a message", func() bool { return len(b.files("/home/ann/Maildir/new")) == i+1 })
		}
		want := map[string]string{}
		for _, text := range b.inMaildir() {
			want[subject(text)] = text
		}
		mbox, err := os.ReadFile("/home/ann/Mailbox")
		b.must(err)
		for _, r := range []struct {
			reads string            // commands for s-nail
			flags map[string]string // subject: flags; "" stands for the others
		}{
			{"", map[string]string{"": "new"}},
			{"type 2\ntype 3\nflag 4\nanswered 3\nquit\n", map[string]string{"1 no body": "S", "2 no empty line": "RS", "3 dots": "F", "": ""}},
		} {
			b.must(os.RemoveAll("/home/ann/Maildir"))
			b.ann("", home+"/bin/maildirmake", "Maildir")
			b.write("/home/ann/Mailbox", string(mbox), 0o600)
			b.own("/home/ann/Mailbox")
			if r.reads != "" {
				b.ann(r.reads, "s-nail", "-N", "-:/", "-Squiet", "-Skeep", "-Shold", "-f", "/home/ann/Mailbox")
			}
			b.ann("", home+"/bin/mbox2maildir", "Mailbox", "Maildir")
			names := append(b.files("/home/ann/Maildir/new"), b.files("/home/ann/Maildir/cur")...)
			if len(names) != len(odd) {
				t.Errorf("%d messages, want %d", len(names), len(odd))
			}
			for _, name := range names {
				text, err := os.ReadFile(name)
				b.must(err)
				s := subject(string(text))
				if string(text) != want[s] {
					t.Errorf("%q: %.500q, want %.500q", s, text, want[s])
				}
				_, flags, ok := strings.Cut(filepath.Base(name), ":2,")
				if !ok {
					flags = "new"
				}
				wanted, ok := r.flags[s]
				if !ok {
					wanted = r.flags[""]
				}
				if flags != wanted {
					t.Errorf("%q: flags %q, want %q", s, flags, wanted)
				}
			}
		}
	})
}

// subject is the Subject field of a message.
func subject(text string) string {
	_, rest, _ := strings.Cut(text, "\nSubject: ")
	s, _, _ := strings.Cut(rest, "\n")
	return s
}
