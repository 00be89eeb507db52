//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/utmp"
)

// program is one of the suite's programs as the user runs it, at home.
func (u *user) program(name string, args ...string) *exec.Cmd {
	return u.as(command(home+"/bin/"+name, args...))
}

// A message is shown at the terminal of its recipient, and of nobody else, who
// may have stopped it.
func TestQbiff(t *testing.T) {
	onBed(t, func(b *bed) {
		ann, joe := b.user("ann"), b.user("joe")
		ann.dotQmail("", "|qbiff\n./Mailbox\n")
		b.must(os.MkdirAll("/dev/pts", 0o755))
		b.must(unix.Mount("devpts", "/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666"))
		b.must(os.MkdirAll("/var/run", 0o755))
		var users []byte
		terminal := func(owner *user) (master int, line string) {
			b.Helper()
			master, err := unix.Open("/dev/pts/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			b.must(err)
			n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
			b.must(err)
			b.must(unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0))
			line = "pts/" + strconv.Itoa(n)
			b.must(os.Chown("/dev/"+line, owner.uid, 0))
			b.must(os.Chmod("/dev/"+line, 0o720))
			users = utmp.Record{Type: utmp.UserProcess, Line: line, User: "ann"}.Append(users)
			return master, line
		}
		stopped, line := terminal(ann)
		fd, err := unix.Open("/dev/"+line, unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		for err == nil {
			_, err = unix.Write(fd, bytes.Repeat([]byte("x"), 1000))
		}
		joes, _ := terminal(joe) // utmp is wrong: it says ann
		hers, _ := terminal(ann)
		b.must(os.WriteFile("/var/run/utmp", users, 0o644))

		b.start()
		m := b.send("s\x1b[2J@far.test", "Subject: dinner\x1b]0;owned\a\n\nat eight\n", "ann@"+domain)
		b.expectReport(m, "ann@"+domain, "success", "did_1+0+1/")
		b.stop()
		buf := make([]byte, 4096)
		n, err := unix.Read(hers, buf)
		b.must(err)
		want := "\r\n\a*** TO <ann> FROM <s_[2J@far.test>\r\n    dinner/]0;owned///at eight/\r\n"
		if got := strings.ReplaceAll(string(buf[:n]), "\r\r\n", "\r\n"); got != want {
			t.Errorf("ann's terminal shows %q, want %q", got, want)
		}
		if n, err := unix.Read(joes, buf); n > 0 || err != unix.EAGAIN {
			t.Errorf("joe's terminal shows %q, %v", buf[:max(n, 0)], err)
		}
		_, _ = unix.Close(stopped), unix.Close(fd)
	})
}

// mbox2maildir empties an mbox again and again while qmail delivers into it:
// every message is there once, whole, with its time.
func TestMboxWhileMailFlows(t *testing.T) {
	const messages = 120
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		ann.maildir("Maildir")
		b.control("concurrencylocal", "20\n")
		b.start()
		done := make(chan error)
		stop := make(chan bool)
		go func() {
			for {
				select {
				case <-stop:
					close(done)
					return
				default:
				}
				out, err := ann.program("mbox2maildir", "Mailbox", "Maildir").CombinedOutput()
				if err != nil && !strings.HasSuffix(string(out), "Mailbox: file does not exist\n") {
					done <- fmt.Errorf("mbox2maildir: %w: %s", err, out)
					return
				}
			}
		}()
		last := b.journal.mark()
		for i := range messages {
			b.inject("s@far.test", fmt.Sprintf("Subject: %d\n\nFrom %d\n%s", i, i, strings.Repeat("x\n", i*100)), "ann@"+domain)
		}
		for range messages {
			_, last = b.waitAt(last, `^end msg `)
		}
		close(stop)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		b.stop()
		if out, err := ann.program("mbox2maildir", "Mailbox", "Maildir").CombinedOutput(); err != nil {
			t.Fatalf("mbox2maildir: %v: %s", err, out)
		}
		seen := map[string]int{}
		for _, mail := range ann.mails("Maildir") {
			g := b.match("a message", mail, `Return-Path: <s@far\.test>\nDelivered-To: ann@e2e\.test\n`+receivedBy+`Subject: (\d+)\n\nFrom (\d+)\n((?:x\n)*)`)
			n, _ := strconv.Atoi(g[1]) // the pattern says digits
			if g[1] != g[2] || len(g[3]) != n*200 {
				t.Errorf("message %s, From %s has %d bytes more", g[1], g[2], len(g[3]))
			}
			seen[g[1]]++
		}
		if len(seen) != messages || len(ann.mails("Maildir")) != messages {
			t.Errorf("%d messages arrived, %d different ones, want %d", len(ann.mails("Maildir")), len(seen), messages)
		}
		for _, pattern := range []string{"Mailbox.*", "Maildir/mbox2maildir*", "Maildir/tmp/*", "Maildir/cur/*"} {
			if names, _ := filepath.Glob(filepath.Join(ann.home, pattern)); len(names) > 0 {
				t.Errorf("left behind: %q", names)
			}
		}
		if got := ann.read("Mailbox"); got != "" {
			t.Errorf("%d bytes are left in the mbox", len(got))
		}
	})
}

// maildirwatch, and qail with a mail reader, as they are installed.
func TestMaildirReaders(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		ann.maildir("Maildir")
		ann.write("Maildir/new/1", "Return-Path: <s@x>\nSubject: hi\a\n\nthere\n", 0o600)
		b.must(os.Chtimes(ann.home+"/Maildir/new/1", time.Unix(1000000000, 0), time.Unix(1000000000, 0)))

		watch := ann.program("maildirwatch", "Maildir")
		out, err := watch.StdoutPipe()
		b.must(err)
		b.must(watch.Start())
		buf := make([]byte, 4096)
		n, err := out.Read(buf)
		b.must(err)
		b.must(watch.Process.Kill())
		_ = watch.Wait() // it was killed
		if got, want := string(buf[:n]), "\x1b[;H\x1b[;JFROM <s@x> TO <?>\nhi///there/\n\n"; got != want {
			t.Errorf("maildirwatch shows %q, want %q", got, want)
		}

		ann.write("Mail", "#!/bin/sh\necho \"$# $1\"\ncat \"$MAIL\"\n", 0o755)
		qail := ann.program("qail", "a b")
		qail.Env = []string{"PATH=" + ann.home + ":/usr/bin:/bin", "MAIL=" + ann.home + "/mbox", "MAILTMP=" + ann.home + "/tmp", "MAILDIR=Maildir"}
		shown, err := qail.CombinedOutput()
		const want = "1 a b\nFrom s@x Sun Sep 09 01:46:40 2001\nReturn-Path: <s@x>\nSubject: hi\a\n\nthere\n\n"
		if err != nil || string(shown) != want {
			t.Errorf("qail: %v, %q, want %q", err, shown, want)
		}
	})
}
