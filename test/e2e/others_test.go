//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/testkit"
)

// background starts a program of the machine that runs until the test ends.
func (b *bed) background(cmd *exec.Cmd) {
	b.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	b.must(cmd.Start())
	b.Cleanup(func() {
		_ = cmd.Process.Kill() // the world ends anyway
		_ = cmd.Wait()
		if b.Failed() {
			b.Logf("%s said:\n%s", cmd.Path, out.String())
		}
	})
}

// smtpTrial sends a message to ann through whatever serves 127.0.0.1:25, and
// checks that the client's address got into the Received line.
func (b *bed) smtpTrial(ann *user) {
	b.Helper()
	k := b.dial("127.0.0.4", "127.0.0.1:25")
	k.say("HELO there.test", "250 ")
	k.say("MAIL FROM:<s@far.test>", "250 ")
	k.say("RCPT TO:<x@far.test>", "553 ")
	k.say("RCPT TO:<ann@"+domain+">", "250 ")
	k.say("DATA", "354 ")
	reply := k.say("x\r\n.", "250 ok ")
	k.say("QUIT", "221 ")
	qp := reply[strings.LastIndexByte(reply, ' ')+1:]
	g, next := b.waitAt(0, fmt.Sprintf(`^info msg (\d+): bytes \d+ from <s@far\.test> qp %s uid %d$`, qp, testkit.UIDDaemon))
	b.wait(next, "^end msg "+g[1]+"$")
	if got := ann.read("Mailbox"); !strings.Contains(got, "(HELO there.test) (127.0.0.4)\n") {
		b.Errorf("ann's mailbox = %q, want the client's address in it", got)
	}
}

// The server programs of others run qmail-smtpd as well as ours does.
func TestOthersServeSMTP(t *testing.T) {
	tests := []struct {
		tool string
		args []string
		conf string // /etc/conf
	}{
		{"tcpserver", []string{"-HRlmx.e2e.test", "-u", fmt.Sprint(testkit.UIDDaemon), "-g", fmt.Sprint(testkit.GIDNofiles),
			"127.0.0.1", "25", home + "/bin/qmail-smtpd"}, ""},
		{"inetd", []string{"-i", "/etc/conf"},
			"127.0.0.1:smtp stream tcp nowait qmaild " + home + "/bin/tcp-env tcp-env -R " + home + "/bin/qmail-smtpd\n"},
		{"xinetd", []string{"-dontfork", "-f", "/etc/conf"},
			"service smtp\n{\n\tsocket_type = stream\n\tprotocol = tcp\n\twait = no\n\tuser = qmaild\n\tbind = 127.0.0.1\n\tserver = " +
				home + "/bin/tcp-env\n\tserver_args = -R " + home + "/bin/qmail-smtpd\n}\n"},
	}
	for _, tt := range tests {
		t.Run(tt.tool, func(t *testing.T) {
			onBed(t, func(b *bed) {
				ann := b.user("ann")
				b.start()
				b.must(os.WriteFile("/etc/conf", []byte(tt.conf), 0o644))
				b.background(command(testkit.LookTool(t, tt.tool), tt.args...))
				b.smtpTrial(ann)
				b.stop()
			})
		})
	}
}

// qmail-start under a supervisor: the process it watches is qmail-send, so that
// its TERM is a clean stop, and it is started again.
func TestSupervisors(t *testing.T) {
	tests := []struct {
		tool string // runs a service directory
		term []string
		down []string
	}{
		{"supervise", []string{"svc", "-t", "/run/qmail"}, []string{"svc", "-d", "/run/qmail"}},
		{"runsv", []string{"sv", "term", "/run/qmail"}, []string{"sv", "down", "/run/qmail"}},
	}
	for _, tt := range tests {
		t.Run(tt.tool, func(t *testing.T) {
			onBed(t, func(b *bed) {
				ann := b.user("ann")
				b.must(os.Mkdir("/run/qmail", 0o755))
				testkit.Script(t, "/run/qmail/run", "PATH="+binPath+"\nexport PATH\nexec qmail-start ./Mailbox sh -c 'exec cat >>/run/qmail.log'\n")
				b.must(os.WriteFile("/run/qmail.log", nil, 0o666))
				b.must(os.Chmod("/run/qmail.log", 0o666))
				b.background(command(testkit.LookTool(t, tt.tool), "/run/qmail"))
				m := b.inject("", "one\n", "ann@"+domain)
				b.eventually("the first message", func() bool { return strings.Contains(ann.read("Mailbox"), "one\n") })
				first := b.pid("qmail-send")
				b.tool(tt.term...)
				b.eventually("another qmail-send", func() bool {
					p := pids("qmail-send")
					return len(p) == 1 && p[0] != first
				})
				b.inject("", "two\n", "ann@"+domain)
				b.eventually("the second message", func() bool { return strings.Contains(ann.read("Mailbox"), "two\n") })
				b.eventually("an empty queue", func() bool { return len(b.queueFiles()) == 0 })
				b.tool(tt.down...)
				for _, name := range daemonNames {
					b.eventually("the end of "+name, func() bool { return len(pids(name)) == 0 })
				}
				log, err := os.ReadFile("/run/qmail.log")
				b.must(err)
				if n := strings.Count(string(log), "status: exiting\n"); n != 2 {
					t.Errorf("log has %d clean ends, want 2 (first message's qp %d):\n%s", n, m.qp, log)
				}
			})
		})
	}
}

// tool runs a program of the machine.
func (b *bed) tool(words ...string) {
	b.Helper()
	if out, err := command(testkit.LookTool(b.T, words[0]), words[1:]...).CombinedOutput(); err != nil {
		b.Fatalf("%s: %v %s", strings.Join(words, " "), err, out)
	}
}

// A lock that the start script holds on a descriptor above 6 stays held as long as
// qmail-send runs, but no longer: no child keeps it. Data is limited, as start
// scripts do with softlimit.
func TestLockAndSoftlimit(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		ann.dotQmail("", "|sleep 1000 & ls -l /proc/$$/fd | grep -c qmail.lock; exit 0\n")
		flock, lock := testkit.LookTool(t, "flock"), "/run/qmail.lock"
		free := func() bool { return command(flock, "-n", lock, "true").Run() == nil }
		b.startCommand(command("/bin/sh", "-c", "exec 9>>"+lock+"; "+flock+" -n 9; exec "+
			testkit.LookTool(t, "softlimit")+" -d 64000000 "+home+"/bin/qmail-start ./Mailbox"))
		b.wait(0, `^status: local 0/10 remote 0/20$`)
		if free() {
			t.Error("the lock is free while qmail-send runs")
		}
		for _, name := range daemonNames[1:] {
			if fds := b.descriptors(b.pid(name)); strings.Contains(fds, "qmail.lock") {
				t.Errorf("%s holds the lock: %s", name, fds)
			}
		}
		m := b.send("", "x\n", "ann@"+domain)
		// the background process keeps the delivery open, as in C
		ann.b.eventually("the program", func() bool { return len(pids("sleep")) == 1 })
		for _, p := range pids("sleep") {
			b.must(syscall.Kill(p, syscall.SIGKILL))
		}
		b.expectReport(m, "ann@"+domain, "success", "0/did_0+0+1/")
		b.stop()
		if !free() {
			t.Error("the lock is held after qmail-send's end")
		}
	})
}
