//go:build e2e

package install_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/testkit"
)

// leaf is the root directory of the null client, which has nothing but that: its
// programs need no library, no account and no shell.
const leaf = "/mnt/leaf"

// secondServer is the second server's address; the first has 127.0.0.1.
const secondServer = "127.0.0.3"

// TestNullClient: a null client and two servers. Mail goes to the first, to the
// second when the first is down, and is refused when both are.
func TestNullClient(t *testing.T) {
	freshWith(t, nil, func(t *testing.T) {
		must(t, src, "make", "quickstart")
		must(t, src, "make", "setup-nullclient", "DESTDIR="+leaf, "ME=leaf.quick.test", "SITE=mail.quick.test", "SERVERS=127.0.0.1 "+secondServer)
		must(t, "/", "ip", "address", "add", secondServer, "dev", "lo")
		if out := must(t, src, "make", "-s", "--no-print-directory", "check", "DESTDIR="+leaf); out != "building into build/\n" {
			t.Errorf("check: %s", out)
		}
		if names, err := filepath.Glob(leaf + home + "/*"); err != nil || strings.Join(names, " ") != leaf+home+"/bin "+leaf+home+"/control "+leaf+home+"/doc "+leaf+home+"/man" {
			t.Errorf("a null client has %v, %v", names, err)
		}
		testkit.Script(t, "/tmp/rules", "{ echo 127.:allow; echo :deny; } | "+home+"/bin/tcprules /tmp/qmqp.cdb /tmp/qmqp.tmp; chmod 644 /tmp/qmqp.cdb")
		must(t, "/", "/tmp/rules")
		first, second := qmqpServer(t, "first", "127.0.0.1"), qmqpServer(t, "second", secondServer)

		submit(t, "sendmail", 0, "both up")
		by(t, "both up", "first")
		first()
		submit(t, "qmail-inject", 0, "first down")
		by(t, "first down", "second")
		second()
		submit(t, "qmail-inject", 111, "both down")
		submit(t, "sendmail", 111, "both down too")
		second = qmqpServer(t, "second", secondServer)
		submit(t, "forward", 0, "second is back")
		by(t, "second is back", "second")

		// By SMTP too.
		cmd := inLeaf("sendmail", "-bs")
		cmd.Env = []string{"RELAYCLIENT="}
		cmd.Stdin = strings.NewReader("HELO leaf\r\nMAIL FROM:<ann@mail.quick.test>\r\nRCPT TO:<postmaster@mail.quick.test>\r\nDATA\r\nSubject: x\r\n\r\nby SMTP\r\n.\r\nQUIT\r\n")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "250 ok ") {
			t.Errorf("sendmail -bs: %v %s", err, out)
		}
		by(t, "by SMTP", "second")
		second()
		if out, _ := run(t, "/", "grep", "-rl", "both down", home+"/alias/Maildir", home+"/queue/mess"); out != "" {
			t.Errorf("what was refused is in %s", out)
		}

		// It stays a null client, and a full installation stays one.
		for target, dest := range map[string]string{"setup": leaf, "instpackage": leaf, "setup-nullclient": ""} {
			if out, code := run(t, src, "make", target, "DESTDIR="+dest); code == 0 || !strings.Contains(out, "fatal: "+dest+home) {
				t.Errorf("make %s: exit %d, %s", target, code, out)
			}
		}
		must(t, src, "make", "uninstall", "DESTDIR="+leaf)
		if names, err := filepath.Glob(leaf + home + "/*"); err != nil || len(names) != 1 || names[0] != leaf+home+"/control" {
			t.Errorf("uninstall left %v, %v", names, err)
		}
		must(t, src, "make", "stop")
	})
}

// qmqpServer serves QMQP at an address until stop is called.
func qmqpServer(t *testing.T, name, address string) (stop func()) {
	t.Helper()
	cmd := exec.Command(home+"/bin/tcpserver", "-R", "-H", "-l", name, "-1", "-x", "/tmp/qmqp.cdb", "-u", id(t, "-u"), "-g", id(t, "-g"), address, "628", home+"/bin/qmail-qmqpd")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		_, err = out.Read(make([]byte, 10)) // the port: it listens
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("tcpserver: %v", err)
		}
	}
}

// id is a number of qmaild's.
func id(t *testing.T, option string) string {
	t.Helper()
	return strings.TrimSpace(must(t, "/", "id", option, "qmaild"))
}

// inLeaf is a command of the null client's, run as an ordinary user.
func inLeaf(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(home+"/bin/"+program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: leaf, Credential: &syscall.Credential{Uid: 1001, Gid: 1001}}
	cmd.Dir = "/"
	return cmd
}

// submit sends a message from the null client as an ordinary user.
func submit(t *testing.T, program string, want int, text string) {
	t.Helper()
	to := "postmaster"
	if program == "forward" {
		to += "@mail.quick.test"
	}
	cmd := inLeaf(program, to)
	cmd.Env = []string{"USER=ann", "SENDER=ann@mail.quick.test", "DTLINE=Delivered-To: x@y\n", "NEWSENDER=ann@mail.quick.test"}
	cmd.Stdin = strings.NewReader("Subject: x\n\n" + text + "\n")
	out, _ := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != want || want != 0 && string(out) != "qmail-inject: fatal: connection to mail server rejected (#4.4.1)\n" {
		t.Errorf("%s: exit %d, %q, want %d", program, code, out, want)
	}
}

// by waits for a message and looks which server took it.
func by(t *testing.T, text, server string) {
	t.Helper()
	var name string
	eventually(t, text, func() bool {
		name, _ = run(t, "/", "grep", "-rlx", text, home+"/alias/Maildir/new")
		return name != ""
	})
	b, err := os.ReadFile(strings.TrimSpace(name))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "\n  by "+server+" with QMQP") {
		t.Errorf("%s came otherwise: %s", text, b)
	}
}
