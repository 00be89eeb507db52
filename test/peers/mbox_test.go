//go:build e2e

package peers

import (
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
)

// marks are the fields that mail readers add to the messages of an mbox.
var marks = regexp.MustCompile(`(?m)^(Content-Length|Lines|Status|X-Status): .*\n`)

// An mbox that qmail-local has written and mutt or s-nail has read is moved to a
// Maildir: the messages are those that were sent, with the readers' flags.
func TestMboxReaders(t *testing.T) {
	readers := []struct {
		name string
		read func(b *bed)
		want map[string]string // subject: flags; others have those of ""
	}{
		{"nobody", func(*bed) {}, map[string]string{"": "new"}},
		{"mutt", func(b *bed) {
			b.write("/tmp/muttrc", "set folder=/home/ann\nset mbox_type=mbox\nset quit=yes\nset move=no\nset delete=no\nset wait_key=no\nset mark_old\n"+
				`push "T~s\"3 dots\"\n;F<untag-pattern>~A\nT~s\"4 from\"\n;WF;NO<untag-pattern>~A\n<limit>~s\"1 no body\"\n<display-message>q<limit>all\n$q"`+"\n", 0o644)
			b.ann("", "script", "-qec", "mutt -n -F /tmp/muttrc -f Mailbox", "/dev/null")
		}, map[string]string{}},
		{"s-nail", func(b *bed) {
			b.ann("type 2\ntype 3\nflag 4\nanswered 3\nquit\n", "s-nail", "-N", "-:/", "-Squiet", "-Skeep", "-Shold", "-f", "/home/ann/Mailbox")
		}, map[string]string{}},
	}
	for _, r := range readers {
		t.Run(r.name, func(t *testing.T) {
			onBed(t, func(b *bed) {
				b.terminal()
				b.dotQmail("mb", "./Mailbox\n./Maildir/\n")
				b.start()
				want := map[string]string{}
				for i, text := range odd {
					cmd := command(ownPath, "qmail-inject", "-f", "s@far.test", "ann-mb@"+domain)
					cmd.Stdin = strings.NewReader(text)
					if out, err := cmd.CombinedOutput(); err != nil {
						b.Fatalf("qmail-inject: %v %s", err, out)
					}
					b.eventually("a message", func() bool { return len(b.files("/home/ann/Maildir/new")) == i+1 })
				}
				for _, text := range b.inMaildir() {
					want[subject(text)] = text
				}
				b.must(os.RemoveAll("/home/ann/Maildir"))
				b.ann("", home+"/bin/maildirmake", "Maildir")
				r.read(b)
				text, _ := os.ReadFile("/home/ann/Mailbox")
				b.Logf("%.3000s", text)
				b.ann("", home+"/bin/mbox2maildir", "Mailbox", "Maildir")
				var flags []string
				for _, name := range append(b.files("/home/ann/Maildir/new"), b.files("/home/ann/Maildir/cur")...) {
					text, err := os.ReadFile(name)
					b.must(err)
					s := subject(string(text))
					got, was := marks.ReplaceAllString(string(text), ""), marks.ReplaceAllString(want[s], "")
					if got != was {
						t.Errorf("%q: %.500q, want %.500q", s, got, was)
					}
					_, f, ok := strings.Cut(filepath.Base(name), ":2,")
					if !ok {
						f = "new"
					}
					flags = append(flags, s+" "+f)
				}
				sort.Strings(flags)
				t.Log(flags)
			})
		})
	}
}

// subject is the Subject field of a message.
func subject(text string) string {
	_, rest, _ := strings.Cut(text, "\nSubject: ")
	s, _, _ := strings.Cut(rest, "\n")
	return s
}
