//go:build e2e

package peers

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asAnn makes a command ann's, with a terminal type and her home directory.
func asAnn(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = append(cmd.Env, "HOME=/home/ann", "USER=ann", "LOGNAME=ann", "TERM=vt100", "LC_ALL=C.UTF-8", "TZ=UTC0")
	cmd.Dir = "/home/ann"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 6001, Gid: 6001}}
	return cmd
}

// ann runs a command as ann, with the input; it has to succeed.
func (b *bed) ann(input string, words ...string) string {
	b.Helper()
	cmd := asAnn(exec.Command(words[0], words[1:]...))
	cmd.Env = append(cmd.Env, "PATH="+peerPath)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return string(out)
}

// own gives a file to ann.
func (b *bed) own(path string) {
	b.Helper()
	b.must(os.Chown(path, 6001, 6001))
}

// odd are messages as they go to qmail-inject: what readers disagree about, if
// about anything.
var odd = []string{
	"Subject: 0 plain\n\nhello\n",
	"Subject: 1 no body\n\n",
	"Subject: 2 no empty line\n",
	"Subject: 3 dots\n\n.\n..\n.x\n",
	"Subject: 4 from\n\nFrom here to there\n>From quoted\n\nFrom a@b Mon Jan  1 00:00:00 2024\n",
	"Subject: 5 8bit\n\n\xfcber\x80\xff \xe2\x82\xac \x01\x7f\n",
	"Subject: 6 long\n\n" + strings.Repeat("0123456789", 20000) + "\n",
	"Subject: 7 folded\nTo: a@x.test,\n\tb@x.test\nX-Odd:\n continued\n\nbody\n",
	"Subject: 8 empty lines\n\n\n\nx\n\n\n",
	"Subject: 9 blanks\n\n \n\t\nx \n",
	"Subject: 10 mime\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\nnone\n--b\n\none\n--b\nContent-Type: text/plain\n\ntwo\n--b--\n",
}

// deliver has qmail deliver the odd messages to ann, one after the other, and returns the bytes of the files by name.
func (b *bed) deliver() map[string]string {
	b.Helper()
	for i, text := range odd {
		cmd := command(ownPath, "qmail-inject", "-f", "s@far.test", "ann@"+domain)
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("qmail-inject: %v %s", err, out)
		}
		b.eventually("message "+strconv.Itoa(i), func() bool { return len(b.files("/home/ann/Maildir/new")) == i+1 })
	}
	// A message of the current second is left for the next POP3 session.
	for _, name := range b.files("/home/ann/Maildir/new") {
		b.must(os.Chtimes(name, time.Time{}, time.Now().Add(-time.Minute)))
	}
	return b.inMaildir()
}

// inMaildir returns the messages in ann's Maildir, by name without flags.
func (b *bed) inMaildir() map[string]string {
	b.Helper()
	all := map[string]string{}
	for _, dir := range []string{"new", "cur"} {
		for _, name := range b.files("/home/ann/Maildir/" + dir) {
			text, err := os.ReadFile(name)
			b.must(err)
			base, _, _ := strings.Cut(filepath.Base(name), ":")
			all[base] = string(text)
		}
	}
	return all
}

// alike compares messages that a program has read with those in the Maildir. The
// order does not matter.
func (b *bed) alike(program string, got []string, mail map[string]string) {
	b.Helper()
	var want []string
	for _, text := range mail {
		want = append(want, text)
	}
	sort.Strings(want)
	got = append([]string{}, got...)
	sort.Strings(got)
	if len(got) != len(want) {
		b.Errorf("%s sees %d messages, want %d", program, len(got), len(want))
		return
	}
	for i := range want {
		if got[i] != want[i] {
			b.Errorf("%s has\n%.2000q\nwant\n%.2000q", program, got[i], want[i])
		}
	}
}

// dialog talks to a server line by line.
type dialog struct {
	b *bed
	w io.Writer
	r *bufio.Reader
}

// line reads a line without its end.
func (d *dialog) line() string {
	d.b.Helper()
	s, err := d.r.ReadString('\n')
	if err != nil {
		d.b.Fatalf("after %q: %v", s, err)
	}
	return strings.TrimSuffix(s, "\r\n")
}

// pop3 sends a command and returns its reply, which must be +OK.
func (d *dialog) pop3(cmd string) string {
	d.b.Helper()
	fmt.Fprintf(d.w, "%s\r\n", cmd)
	reply := d.line()
	if !strings.HasPrefix(reply, "+OK") {
		d.b.Fatalf("POP3 %s: %s", cmd, reply)
	}
	return reply
}

// lines sends a command and returns the lines up to the dot.
func (d *dialog) lines(cmd string) (list []string) {
	d.b.Helper()
	d.pop3(cmd)
	for {
		line := d.line()
		if line == "." {
			return list
		}
		list = append(list, strings.TrimPrefix(line, "."))
	}
}

// popped is what qmail-pop3d shows of ann's Maildir: the messages, and how many
// different unique names they have.
func (b *bed) popped() (mails []string, names int) {
	b.Helper()
	cmd := asAnn(exec.Command(home+"/bin/qmail-pop3d", "Maildir"))
	in, err := cmd.StdinPipe()
	b.must(err)
	out, err := cmd.StdoutPipe()
	b.must(err)
	b.must(cmd.Start())
	d := &dialog{b, in, bufio.NewReader(out)}
	d.line()
	uids := map[string]bool{}
	for _, l := range d.lines("UIDL") {
		number, uid, _ := strings.Cut(l, " ")
		uids[uid] = true
		list := d.lines("RETR " + number)
		// an empty line follows the message
		if len(list) == 0 || list[len(list)-1] != "" {
			b.Errorf("RETR %s ends in %q, not in an empty line", number, list[len(list)-1])
		}
		mails = append(mails, strings.Join(list[:len(list)-1], "\n")+"\n")
	}
	if stat := d.pop3("STAT"); !strings.HasPrefix(stat, fmt.Sprintf("+OK %d ", len(mails))) {
		b.Errorf("STAT = %q for %d messages", stat, len(mails))
	}
	d.pop3("QUIT")
	b.must(cmd.Wait())
	return mails, len(uids)
}

// dovecot starts Dovecot's IMAP server on 127.0.0.1.
func (b *bed) dovecot() {
	b.Helper()
	b.write("/etc/dovecot/dovecot.conf", `protocols = imap
listen = 127.0.0.1
ssl = no
mail_location = maildir:~/Maildir
log_path = /tmp/dovecot.log
passdb {
  driver = passwd-file
  args = /etc/dovecot/users
}
userdb {
  driver = passwd
}
`, 0o644)
	b.write("/etc/dovecot/users", "ann:{PLAIN}secret\n", 0o644)
	b.background("/tmp/dovecot.out", peerPath, "dovecot", "-F")
}

// An imap is a session with Dovecot.
type imap struct {
	*dialog
	n int
}

var literal = regexp.MustCompile(`\{(\d+)\}$`)

// do sends a command and returns the untagged lines of the answer, which must be
// OK. A literal follows its line, after a newline.
func (s *imap) do(cmd string) (list []string) {
	s.b.Helper()
	s.n++
	tag := fmt.Sprintf("t%d ", s.n)
	fmt.Fprintf(s.w, "%s%s\r\n", tag, cmd)
	for {
		line := s.line()
		if rest, ok := strings.CutPrefix(line, tag); ok {
			if !strings.HasPrefix(rest, "OK") {
				s.b.Fatalf("IMAP %s: %s", cmd, line)
			}
			return list
		}
		if m := literal.FindStringSubmatch(line); m != nil {
			n, err := strconv.Atoi(m[1])
			s.b.must(err)
			text := make([]byte, n)
			_, err = io.ReadFull(s.r, text)
			s.b.must(err)
			line += "\n" + string(text) + s.line()
		}
		list = append(list, line)
	}
}

// imap begins a session as ann with INBOX.
func (b *bed) imap() *imap {
	b.Helper()
	var c net.Conn
	b.eventually("Dovecot", func() bool {
		var err error
		c, err = net.Dial("tcp", "127.0.0.1:143")
		return err == nil
	})
	b.Cleanup(func() { _ = c.Close() })
	b.must(c.SetDeadline(time.Now().Add(patience)))
	s := &imap{dialog: &dialog{b, c, bufio.NewReader(c)}}
	for !strings.Contains(s.line(), "CAPABILITY") { // it may ask for patience first
	}
	s.do("LOGIN ann secret")
	s.do("SELECT INBOX")
	return s
}

// imapped is what Dovecot shows: the messages, and how many different UIDs.
func (b *bed) imapped() (mails []string, names int) {
	b.Helper()
	s := b.imap()
	uids := map[string]bool{}
	for _, l := range s.do("UID FETCH 1:* (BODY.PEEK[])") {
		head, rest, ok := strings.Cut(l, "\n")
		if !ok {
			continue
		}
		m := regexp.MustCompile(`UID (\d+)`).FindStringSubmatch(head)
		if m == nil {
			b.Fatalf("FETCH answered %q", head)
		}
		uids[m[1]] = true
		n, err := strconv.Atoi(literal.FindStringSubmatch(head)[1])
		b.must(err)
		mails = append(mails, strings.ReplaceAll(rest[:n], "\r\n", "\n"))
	}
	s.do("LOGOUT")
	return mails, len(uids)
}

// terminal gives the world pseudo-terminals, which mutt and script want.
func (b *bed) terminal() {
	b.Helper()
	b.must(os.MkdirAll("/dev/pts", 0o755))
	b.must(unix.Mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=0620"))
	b.must(os.Symlink("pts/ptmx", "/dev/ptmx"))
}

// mutted is what mutt shows of ann's Maildir: it pipes each message into a file.
func (b *bed) mutted() (mails []string) {
	b.Helper()
	b.must(os.RemoveAll("/tmp/mutt"))
	b.must(os.Mkdir("/tmp/mutt", 0o755))
	b.own("/tmp/mutt")
	b.write("/tmp/save", "#!/bin/sh\ncat >$(mktemp /tmp/mutt/XXXXXX)\n", 0o755)
	b.write("/tmp/muttrc", `set folder=/home/ann
set mbox_type=Maildir
set pipe_split
set pipe_decode=no
set pipe_sep=""
set wait_key=no
set quit=yes
set move=no
set mark_old=no
set header_cache=""
push "T~A\n;|/tmp/save\nq"
`, 0o644)
	b.ann("", "script", "-qec", "mutt -n -F /tmp/muttrc -f Maildir", "/dev/null")
	for _, name := range b.files("/tmp/mutt") {
		text, err := os.ReadFile(name)
		b.must(err)
		mails = append(mails, string(text))
	}
	return mails
}

// ended is mail as mutt has it: a header has an empty line at its end.
func ended(mail map[string]string) map[string]string {
	all := map[string]string{}
	for name, text := range mail {
		if !strings.Contains(text, "\n\n") {
			text += "\n"
		}
		all[name] = text
	}
	return all
}

// nailed is how many messages s-nail sees in ann's Maildir, and the mbox into
// which it copies them.
func (b *bed) nailed() (count int, mbox string) {
	b.Helper()
	b.must(os.RemoveAll("/tmp/nail"))
	out := b.ann("from *\ncopy * /tmp/nail\nexit\n", "s-nail", "-N", "-R", "-:/", "-Squiet", "-f", "maildir:///home/ann/Maildir")
	text, err := os.ReadFile("/tmp/nail")
	b.must(err)
	return len(regexp.MustCompile(`(?m)^.. *\d+ `).FindAllString(out, -1)), string(text)
}

// A Maildir that qmail-local wrote is read alike by qmail-pop3d, Dovecot and
// mutt, to the byte, also after Dovecot has set flags and removed a message.
func TestReadAlike(t *testing.T) {
	onBed(t, func(b *bed) {
		b.terminal()
		b.start()
		mail := b.deliver()
		if len(mail) != len(odd) {
			t.Fatalf("%d messages delivered, want %d", len(mail), len(odd))
		}
		b.compare("as delivered", mail)
		b.dovecot()
		b.compareIMAP("first", mail)
		b.compare("after Dovecot", mail)

		s := b.imap()
		s.do(`STORE 1 +FLAGS (\Seen)`)
		s.do(`STORE 3 +FLAGS (\Flagged \Answered)`)
		s.do(`STORE 2 +FLAGS (\Deleted)`)
		s.do("EXPUNGE")
		s.do("LOGOUT")
		left := b.inMaildir()
		if len(left) != len(mail)-1 {
			t.Errorf("%d messages after one was removed by IMAP, want %d", len(left), len(mail)-1)
		}
		for name, text := range left {
			if mail[name] != text {
				t.Errorf("%s has changed", name)
			}
		}
		b.compareIMAP("after a removal", left)
		b.compare("after a removal", left)
		b.flags()
	})
}

// compare has qmail-pop3d, mutt and s-nail read the Maildir.
func (b *bed) compare(when string, mail map[string]string) {
	b.Helper()
	got, names := b.popped()
	b.alike("qmail-pop3d, "+when, got, mail)
	if names != len(mail) {
		b.Errorf("qmail-pop3d, %s: %d unique names, want %d", when, names, len(mail))
	}
	b.alike("mutt, "+when, b.mutted(), ended(mail))
	n, mbox := b.nailed()
	if n != len(mail) {
		b.Errorf("s-nail, %s: %d messages, want %d", when, n, len(mail))
	}
	for _, text := range mail {
		_, body, _ := strings.Cut(text, "\n\n")
		// it writes an mbox: lines that begin with From are quoted there
		if !strings.Contains(mbox, body) && !strings.Contains(body, "From ") {
			b.Errorf("s-nail, %s: no %.200q", when, body)
		}
	}
	if now := b.inMaildir(); len(now) != len(mail) {
		b.Errorf("%s, %d messages are left of %d", when, len(now), len(mail))
	}
}

// compareIMAP has Dovecot read the Maildir.
func (b *bed) compareIMAP(when string, mail map[string]string) {
	b.Helper()
	got, names := b.imapped()
	b.alike("Dovecot, "+when, got, mail)
	if names != len(mail) {
		b.Errorf("Dovecot, %s: %d UIDs, want %d", when, names, len(mail))
	}
}

// flags checks that Dovecot's flags are where the Maildir has them, and that
// mutt knows them.
func (b *bed) flags() {
	b.Helper()
	var got []string
	for _, name := range b.files("/home/ann/Maildir/cur") {
		_, flags, _ := strings.Cut(filepath.Base(name), ":2,")
		if flags != "" {
			got = append(got, flags)
		}
	}
	sort.Strings(got)
	if fmt.Sprint(got) != "[FR S]" {
		b.Errorf("flags in names: %v, want [FR S]", got)
	}
	b.write("/tmp/muttrc", "set folder=/home/ann\nset mbox_type=Maildir\nset quit=yes\nset wait_key=no\n"+
		`push "T~F~Q\n;|cat >/tmp/flagged\nq"`+"\n", 0o644)
	b.ann("", "script", "-qec", "mutt -n -R -F /tmp/muttrc -f Maildir", "/dev/null")
	text, err := os.ReadFile("/tmp/flagged")
	b.must(err)
	if n := bytes.Count(text, []byte("\nSubject: ")); n != 1 {
		b.Errorf("mutt finds %d messages that are flagged and answered, want 1", n)
	}
}
