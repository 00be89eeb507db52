//go:build e2e

package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// command makes a command with the environment of a simple user.
func command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + binPath}
	return cmd
}

// as makes a command run as the user.
func (u *user) as(cmd *exec.Cmd) *exec.Cmd {
	cmd.Dir = u.home
	cmd.Env = append(cmd.Env, "USER="+u.name, "HOME="+u.home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.gid)}}
	return cmd
}

// A user sends by sendmail: his number is in the log and in the Received line,
// and the header is completed.
func TestSendmail(t *testing.T) {
	onBed(t, func(b *bed) {
		ann, joe := b.user("ann"), b.user("joe")
		b.control("defaultdomain", domain+"\n")
		b.start()
		cmd := ann.as(command(home+"/bin/sendmail", "-t"))
		cmd.Stdin = strings.NewReader("To: joe@" + domain + "\nBcc: ann@" + domain + "\nSubject: hello\n\ntext\n")
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("sendmail: %v %s", err, out)
		}
		g, next := b.waitAt(0, fmt.Sprintf(`^info msg (\d+): bytes \d+ from <ann@mx\.e2e\.test> qp \d+ uid %d$`, ann.uid))
		b.wait(next, "^end msg "+g[1]+"$")
		b.match("joe's message", joe.read("Mailbox"), `From ann@mx\.e2e\.test .*\nReturn-Path: <ann@mx\.e2e\.test>\nDelivered-To: joe@e2e\.test\n`+
			fmt.Sprintf(`Received: \(qmail \d+ invoked by uid %d\); .*\n`, ann.uid)+
			`Date: \d+ \w+ \d+ [0-9:]+ -0000\nMessage-ID: <\d{14}\.\d+\.qmail@mx\.e2e\.test>\nFrom: ann@mx\.e2e\.test\n`+
			"To: joe@e2e\\.test\nSubject: hello\n\ntext\n\n")
		if got := ann.read("Mailbox"); !strings.Contains(got, "Delivered-To: ann@e2e.test\n") || strings.Contains(got, "Bcc") {
			t.Errorf("ann's copy = %q", got)
		}
		b.empty()
		b.stop()
	})
}
