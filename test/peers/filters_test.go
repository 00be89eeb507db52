//go:build e2e

package peers

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/testkit"
)

// procmailrc makes procmail deliver to the Maildir, and what has a mark to
// another.
const procmailrc = `MAILDIR=$HOME
DEFAULT=$HOME/Maildir/

:0
* ^Subject:.*apart
Apart/

:0
* ^Subject:.*bounce
{
	EXITCODE=77
	:0
	/dev/null
}
`

// mailfilter is the same for maildrop.
const mailfilter = `DEFAULT="$HOME/Maildir"

if (/^Subject:.*apart/)
	to "$HOME/Apart"
if (/^Subject:.*bounce/)
{
	EXITCODE=77
	exit
}
`

// subjects are the Subject fields of the files of a directory.
func (b *bed) subjects(dir string) (list []string) {
	b.Helper()
	for _, name := range b.files(dir) {
		text, err := os.ReadFile(name)
		b.must(err)
		_, rest, _ := strings.Cut(string(text), "\nSubject: ")
		subject, _, _ := strings.Cut(rest, "\n")
		list = append(list, subject)
	}
	return list
}

// filtered sends three messages to an address of ann's and checks where the
// filter puts them. The third one must bounce to the sender, ann-back.
func (b *bed) filtered(to string) {
	b.Helper()
	b.dotQmail("back", "./Back/\n")
	for _, d := range []string{"Apart", "Back"} {
		b.must(os.RemoveAll("/home/ann/" + d))
		b.ann("", home+"/bin/maildirmake", "/home/ann/"+d)
	}
	for _, subject := range []string{"plain", "apart", "bounce"} {
		cmd := command(ownPath, "qmail-inject", "-f", "ann-back@"+domain, to)
		cmd.Stdin = strings.NewReader("Subject: " + subject + "\n\nFrom here\n\xff.\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("qmail-inject: %v %s", err, out)
		}
	}
	b.quiet()
	for dir, want := range map[string]string{"Maildir": "plain", "Apart": "apart", "Back": "failure notice"} {
		if got := b.subjects("/home/ann/" + dir + "/new"); len(got) != 1 || got[0] != want {
			b.Errorf("subjects in %s for %s: %q, want %q", dir, to, got, want)
		}
	}
	mail := b.mails(1)[0]
	if _, body, _ := strings.Cut(mail, "\n\n"); strings.TrimRight(body, "\n") != "From here\n\xff." && strings.TrimRight(body, "\n") != ">From here\n\xff." {
		b.Errorf("the filter made %q of the body", body)
	}
}

// TestProcmail delivers by procmail from a .qmail file, and to everybody by the
// shipped boot/proc, without one.
func TestProcmail(t *testing.T) {
	onBed(t, func(b *bed) {
		b.write("/home/ann/.procmailrc", procmailrc, 0o644)
		b.own("/home/ann/.procmailrc")
		script, err := os.ReadFile(home + "/boot/proc")
		b.must(err)
		b.write(home+"/rc", string(script), 0o755)
		b.background("/tmp/rc.log", peerPath, home+"/rc")
		b.runsAs(1, "qmail-send", home+"/bin/qmail-send", testkit.UIDSend, testkit.GIDQmail)
		b.filtered("ann@" + domain)
		b.dotQmail("proc", "|preline procmail\n")
		b.filtered("ann-proc@" + domain)
	})
}

// TestMaildrop delivers by maildrop from .qmail files, with preline and without.
// A filter that nobody may read yet keeps the message in the queue.
func TestMaildrop(t *testing.T) {
	onBed(t, func(b *bed) {
		b.write("/home/ann/.mailfilter", mailfilter, 0o600)
		b.own("/home/ann/.mailfilter")
		b.start()
		b.dotQmail("drop", "| preline maildrop\n")
		b.filtered("ann-drop@" + domain)
		b.dotQmail("plain", "| maildrop\n")
		b.filtered("ann-plain@" + domain)

		b.must(os.Chmod("/home/ann/.mailfilter", 0o666)) // maildrop refuses it
		b.inject("kept", "ann-drop@"+domain)
		b.wait(sendLog, 0, `^delivery \d+: deferral: `)
		b.must(os.Chmod("/home/ann/.mailfilter", 0o600))
		for _, pid := range pids("qmail-send") {
			b.must(syscall.Kill(pid, syscall.SIGALRM)) // try it now
		}
		b.arrived("kept")
	})
}
