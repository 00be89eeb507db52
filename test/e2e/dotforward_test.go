//go:build e2e

package e2e

import (
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/testkit"
)

// startBoot runs one of the shipped start scripts, whose logger is splogger, and
// follows the log through /dev/log.
func (b *bed) startBoot(script string) {
	b.Helper()
	syslog, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "/dev/log", Net: "unixgram"})
	b.must(err)
	b.must(os.Chmod("/dev/log", 0o666))
	b.Cleanup(func() { _ = syslog.Close() })
	re := regexp.MustCompile(` qmail: \d+\.\d{6} ([^\n]*)`)
	go func() {
		buf := make([]byte, 8192)
		for {
			n, err := syslog.Read(buf)
			if err != nil {
				return
			}
			if m := re.FindSubmatch(buf[:n]); m != nil {
				b.journal.add(string(m[1]))
			}
		}
	}()
	cmd := command(home + "/boot/" + script)
	cmd.Env = []string{"PATH=/mnt/bin:/usr/bin:/bin"} // the script adds the suite's own
	b.startCommand(cmd)
	b.wait(0, `^status: local 0/\d+ remote 0/\d+$`)
}

// What became of a delivery under a start script with dot-forward.
const (
	dfKept     = "did_1+0+1/"                             // in the mailbox
	dfForward  = `dot-forward:_info:_qp_\d+/did_0\+0\+1/` // sent on
	dfFailed   = "dot-forward:_fatal:_"
	dfReceived = `Received: \(qmail \d+ invoked by uid 0\); [^\n]*\n`
)

// boot/home+df as it is shipped: users without .forward, and users whose
// .forward sends their mail to another user, to a program, to both and the
// mailbox, to a file, in a circle, or says nothing.
func TestHomeDotForward(t *testing.T) {
	onBed(t, func(b *bed) {
		ann, joe, eve := b.user("ann"), b.user("joe"), b.user("eve")
		b.startBoot("home+df")
		send := func(body string) (result, text string, m *message) {
			b.Helper()
			m = b.send("eve@"+domain, "Subject: x\n\n"+body+"\n", "ann@"+domain)
			result, text = m.delivery("local", "ann@"+domain)
			return result, text, m
		}
		says := func(file string) { b.Helper(); ann.write(".forward", file, 0o644) }
		const kept = `From eve@e2e\.test [^\n]*\nReturn-Path: <eve@e2e\.test>\nDelivered-To: ann@e2e\.test\n` + dfReceived + "Subject: x\n\n"

		result, text, m := send("no file")
		b.expect("no .forward", result, text, "success", dfKept)
		m.end()
		b.match("ann's mailbox", ann.read("Mailbox"), kept+"no file\n\n")
		b.must(os.Remove(ann.home + "/Mailbox"))

		says("# nothing but this\n")
		result, text, _ = send("empty")
		b.expect("empty .forward", result, text, "success", dfKept)
		b.must(os.Remove(ann.home + "/Mailbox"))

		says("joe, joe (again) @ " + domain + "\n") // twice the same
		result, text, m = send("to joe")
		b.match("to joe", result+" "+text, "success "+dfForward)
		m.end()
		b.eventually("two copies", func() bool { return strings.Count(joe.read("Mailbox"), "\nto joe\n") == 2 })
		if got := joe.read("Mailbox"); strings.Count(got, "Delivered-To: joe@") != 2 || strings.Count(got, "Delivered-To: ann@e2e.test\n") != 2 ||
			strings.Count(got, "Return-Path: <eve@e2e.test>\n") != 2 {
			t.Errorf("joe has %q", got)
		}
		b.must(os.Remove(joe.home + "/Mailbox"))

		says("\\ANN, joe\n\"|cat >out; echo $SENDER\"\n")
		result, text, m = send("three ways")
		b.match("three ways", result+" "+text, `success eve@e2e\.test/dot-forward:_info:_qp_\d+/did_1\+0\+1/`)
		m.end()
		b.match("ann's mailbox", ann.read("Mailbox"), kept+"three ways\n\n")
		b.match("the program's input", ann.read("out"), kept+"three ways\n")
		b.eventually("joe's copy", func() bool { return strings.Contains(joe.read("Mailbox"), "\nthree ways\n") })
		b.must(os.Remove(ann.home + "/Mailbox"))

		says(`"|echo no such user; exit 67", "|exit 77"` + "\n")
		result, text, _ = send("refused")
		b.expect("a program that refuses", result, text, "failure", "")
		b.eventually("the bounce", func() bool { return strings.Contains(eve.read("Mailbox"), "\nrefused\n") })
		if got := ann.read("Mailbox"); got != "" {
			t.Errorf("refused, but in ann's mailbox: %q", got)
		}

		says("joe@" + domain + ", /home/ann/file\n")
		result, text, m = send("file")
		b.expect("file delivery", result, text, "deferral", dfFailed+"file_delivery_/home/ann/file_not_supported/")
		says("joe@" + domain + "\n")
		b.signal(syscall.SIGALRM) // try it now
		m.end()
		b.eventually("what had waited", func() bool { return strings.Contains(joe.read("Mailbox"), "\nfile\n") })

		ann.write(".forward", "joe\n", 0o666)
		result, text, m = send("everybody's")
		b.expect("a file that everybody may write", result, text, "deferral", dfFailed+".forward_is_writable/")
		b.must(os.Remove(ann.home + "/.forward"))
		b.signal(syscall.SIGALRM)
		m.end()
		b.match("ann's mailbox", ann.read("Mailbox"), kept+"everybody's\n\n")

		says("joe\n")
		joe.write(".forward", "ann@"+hostName+"\n", 0o644)
		_, _, m = send("circle")
		m.end()
		b.eventually("the bounce", func() bool {
			got := eve.read("Mailbox")
			return strings.Contains(got, "\ncircle\n") && strings.Contains(got, "This message is looping")
		})
		b.empty()
		b.stop()
	})
}

// boot/proc+df as it is shipped: what .forward does not take goes to procmail,
// with the lines that preline adds.
func TestProcDotForward(t *testing.T) {
	onBed(t, func(b *bed) {
		ann, joe := b.user("ann"), b.user("joe")
		b.must(os.MkdirAll("/mnt/bin", 0o755))
		testkit.Script(b, "/mnt/bin/procmail", `cat >>procmail.in`)
		ann.write(".forward", "joe\n", 0o644)
		b.startBoot("proc+df")
		m := b.send("s@far.test", "Subject: x\n\nbody\n", "ann@"+domain)
		result, text := m.delivery("local", "ann@"+domain)
		b.match("ann's", result+" "+text, "success "+dfForward)
		b.eventually("joe's procmail", func() bool { return strings.Contains(joe.read("procmail.in"), "\nbody\n") })
		b.match("procmail's input", joe.read("procmail.in"), `From s@far\.test [^\n]*\nReturn-Path: <s@far\.test>\nDelivered-To: joe@mx\.e2e\.test\n`+
			`Received: [^\n]*\nDelivered-To: ann@e2e\.test\n`+dfReceived+"Subject: x\n\nbody\n")
		b.eventually("an empty queue", func() bool { return strings.Contains(strings.Join(b.journal.all(), "\n"), "\nend msg ") })
		if got := ann.read("procmail.in"); got != "" {
			t.Errorf("ann's procmail got %q", got)
		}
		b.stop()
	})
}
