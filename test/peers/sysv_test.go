//go:build e2e

package peers

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"goqmail/internal/testkit"
)

const initScript = "/etc/init.d/qmail"

// A sysv is a machine with the SysV script in /etc/init.d.
type sysv struct{ *bed }

// try runs the script with one word, under dash, and returns what it printed and
// its exit code. Settings are put into its environment.
func (v sysv) try(word string, settings ...string) (string, int) {
	v.Helper()
	cmd := exec.Command("dash", initScript, word)
	cmd.Env, cmd.Dir = append(settings, "PATH=/usr/bin:/bin"), "/"
	out, err := cmd.CombinedOutput()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		v.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// want is try with what must come of it; the text is a pattern.
func (v sysv) want(word, text string, code int) {
	v.Helper()
	out, got := v.try(word)
	if got != code || !regexp.MustCompile(`^`+text+`$`).MatchString(out) {
		v.Errorf("qmail %s: exit %d, %q, want exit %d, %q", word, got, out, code, text)
	}
}

// does runs the page's command with the word, which must succeed.
func (v sysv) does(word string) string {
	v.Helper()
	return v.command("/usr/bin:/bin", initScript+" "+word)
}

const down = "send: down\nsmtpd: down\nqmtpd: down\nqmqpd: down\npop3d: down\n"

// up is what status says; a pid is that of qmail-send, if there is one.
const up = `send: runs, pid (\d+)\nsmtpd: runs, pid \d+, port 25\nqmtpd: runs, pid \d+, port 209\n` +
	`qmqpd: runs, pid \d+, port 628\npop3d: runs, pid \d+, port 110\n`

// sendPid is the pid of qmail-send, of which there must be one, known to the
// script.
func (v sysv) sendPid() int {
	v.Helper()
	m := regexp.MustCompile(`^` + up + `$`).FindStringSubmatch(v.does("stat"))
	list := pids("qmail-send")
	if m == nil || len(list) != 1 || m[1] != strconv.Itoa(list[0]) {
		v.Fatalf("qmail-send has the pids %v, stat says %q", list, m)
	}
	return list[0]
}

// onSysV installs the script by the page's commands, with the settings that the
// page shows.
func onSysV(t *testing.T, f func(v sysv)) {
	onBed(t, func(b *bed) {
		v := sysv{b}
		b.firstStart()
		b.must(os.MkdirAll("/etc/init.d", 0o755))
		b.must(os.MkdirAll("/etc/default", 0o755))
		b.command(ownPath, "test -f "+home+"/rc ")
		b.command(ownPath, "cp "+home+"/boot/qmail.init ")
		b.replace(home+"/rc", "splogger qmail", "multilog t /var/log/qmail/send")
		b.must(os.Chmod(home+"/rc", 0o755))
		b.install("/etc/default/qmail")
		f(v)
	})
}

// Every word of the SysV script that the page has, with mail through all servers.
func TestSysV(t *testing.T) {
	onSysV(t, func(v sysv) {
		v.dotQmail("later", "|test -e /tmp/open || exit 111\n./Maildir/\n")
		v.dotQmail("slow", "|touch /tmp/slow; while test -e /tmp/slow; do sleep 0.02; done\n./Maildir/\n")
		v.want("status", down, 3)
		v.want("stop", "", 0)
		v.want("reload", "service: qmail does not run\n", 7)
		v.want("doqueue", "service: qmail does not run\n", 7)
		v.want("nonsense", "service: usage: .*\n", 2)
		v.want("try-restart", "", 0)

		v.does("start")
		first := v.sendPid()
		v.want("start", "qmail runs already\nSMTP runs already\nQMTP runs already\nQMQP runs already\nPOP3 runs already\n", 0)
		if pid := v.sendPid(); pid != first {
			t.Errorf("the second start started qmail-send again: %d, then %d", first, pid)
		}
		v.tcpservers(home + "/bin/tcpserver")
		v.runsAs(len(services), "multilog", home+"/bin/multilog", testkit.UIDLog, testkit.GIDNofiles)
		v.mail("127.0.0.4", "by SMTP", "250 ")
		v.others("127.0.0.4", "by others", true)
		for _, name := range services[1:] {
			v.wait("/var/log/qmail/"+name+"/current", 0, stamped+`tcpserver: end \d+ status \d+$`)
		}

		v.alarmAndReload()
		v.pauses()

		v.does("restart")
		second := v.sendPid()
		if second == first {
			t.Errorf("qmail-send still has the pid %d after restart", second)
		}
		v.want("force-reload", "", 0)
		v.want("try-restart", "", 0)
		v.stopInDelivery()
		v.allUsed("^" + initScript + " ")
	})
}

// alarmAndReload: ALRM, with the table of hosts that timed out emptied; the queue
// shown; HUP; the rules made again.
func (v sysv) alarmAndReload() {
	v.Helper()
	v.inject("later", "ann-later@"+domain)
	_, from := v.wait(sendCurrent, 0, stamped+`delivery \d+: deferral: `)
	if out := v.does("queue"); !strings.HasPrefix(out, "messages in queue: 1\n") || !strings.Contains(out, "local\tann-later@"+domain+"\n") {
		v.Errorf("queue prints %q", out)
	}
	v.write("/tmp/open", "", 0o644)
	tcpto := home + "/queue/lock/tcpto"
	v.must(os.WriteFile(tcpto, []byte(strings.Repeat("\x01", 1024)), 0o644))
	v.does("alarm")
	v.arrived("later")
	if text, err := os.ReadFile(tcpto); err != nil || strings.Trim(string(text), "\x00") != "" {
		v.Errorf("tcpto is not empty after alarm: %q, %v", text, err)
	}
	for _, word := range []string{"doqueue", "flush", "alrm", "hup"} {
		v.want(word, "", 0)
	}
	v.becomesLocal(sendCurrent, stamped, from, func() { v.does("reload") })
	v.replace(home+"/control/tcp.smtp", "127.:allow,RELAYCLIENT=\"\"", "127.:allow")
	v.does("cdb")
	v.mail("127.0.0.4", "no relay", "553 ")
}

// pauses: while qmail pauses nothing is delivered, and clients wait.
func (v sysv) pauses() {
	v.Helper()
	v.does("pause")
	v.eventually("the pause", func() bool { // a process stops a moment after it is told to
		out, _ := v.try("status")
		return strings.Count(out, ", paused\n") == len(services)
	})
	v.inject("in the pause", "ann@"+domain)
	c := v.connect("127.0.0.4")
	v.does("cont")
	v.arrived("in the pause")
	c.say("", "220 ")
	c.say("QUIT", "221 ")
	v.sendPid()
	v.does("pause")
	v.want("restart", "", 0) // of what is paused
	v.sendPid()
}

// stopInDelivery: a running delivery ends before stop does; another stop does no
// harm.
func (v sysv) stopInDelivery() {
	v.Helper()
	v.inject("slow", "ann-slow@"+domain)
	v.eventually("the slow delivery", func() bool { _, err := os.Stat("/tmp/slow"); return err == nil })
	ended := make(chan string)
	go func() { ended <- v.does("stop") }()
	v.eventually("TERM's arrival", func() bool { return len(pids("tcpserver")) == 0 })
	if list := pids("qmail-send"); len(list) != 1 {
		v.Errorf("qmail-send has the pids %v while a delivery runs", list)
	}
	v.must(os.Remove("/tmp/slow"))
	<-ended
	v.arrived("slow")
	for _, name := range []string{"qmail-send", "qmail-lspawn", "qmail-rspawn", "qmail-clean", "tcpserver", "multilog"} {
		v.eventually("the end of "+name, func() bool { return len(pids(name)) == 0 })
	}
	v.want("stop", "", 0)
	v.want("status", down, 3)
}

// What is left of a crash or taken by others: pid files of processes that have
// gone, or whose number another process has; starts at the same time; ports in
// use; things missing.
func TestSysVTrouble(t *testing.T) {
	onSysV(t, func(v sysv) {
		bystander := exec.Command("sleep", "1000")
		v.must(bystander.Start())
		defer func() { _ = bystander.Wait() }() // it is killed at the end
		v.must(os.MkdirAll("/run/qmail", 0o755))
		for name, pid := range map[string]int{"send": bystander.Process.Pid, "smtpd": 1<<22 + 1, "pop3d": bystander.Process.Pid} {
			v.write("/run/qmail/"+name+".pid", fmt.Sprintln(pid, 12345), 0o644)
		}
		v.write("/run/qmail/qmtpd.pid", "", 0o644)
		v.write("/run/qmail/qmqpd.pid", "x y\n", 0o644)
		v.want("status", down, 1)
		v.want("stop", "", 0)
		v.want("status", down, 3)
		v.write("/run/qmail/send.pid", fmt.Sprintln(bystander.Process.Pid, 12345), 0o644)
		v.want("reload", "service: qmail does not run\n", 7)

		var both sync.WaitGroup
		for range 3 {
			both.Go(func() { v.want("start", "(.* runs already\n)*", 0) })
		}
		both.Wait()
		pid := v.sendPid()
		v.tcpservers(home + "/bin/tcpserver")

		// qmail-send is killed: start brings it back, the servers stay
		v.run(ownPath, "kill", "-KILL", strconv.Itoa(pid))
		v.eventually("the end of qmail-send", func() bool { return len(pids("qmail-send")) == 0 })
		v.want("status", strings.Replace(up, `send: runs, pid (\d+)`, "send: down", 1), 1)
		v.want("start", "SMTP runs already\nQMTP runs already\nQMQP runs already\nPOP3 runs already\n", 0)
		v.sendPid()
		v.mail("127.0.0.4", "after a crash", "250 ")

		// servers that the settings no longer name are stopped, and not restarted
		v.write("/etc/default/qmail", "SERVICES=smtpd LISTEN=127.0.0.1 PORT=2500\n", 0o644)
		v.want("restart", "", 0)
		v.want("status", `send: runs, pid \d+\nsmtpd: runs, pid \d+, port 2500\n`, 0)
		v.connectTo("127.0.0.4", 2500).say("", "220 ")

		v.write("/etc/default/qmail", "SERVICES='smtpd x'\n", 0o644)
		v.want("restart", `service: \$SERVICES has x, which is none of smtpd qmtpd qmqpd pop3d\n`, 1)
		v.connectTo("127.0.0.4", 2500).say("", "220 ") // nothing was stopped
		for file, text := range map[string]string{
			home + "/control/rcpthosts":    "service: /var/qmail/control/rcpthosts is missing: SMTP would take mail for every host in the world\n",
			home + "/control/tcp.smtp.cdb": "service: /var/qmail/control/tcp.smtp.cdb is missing; make it with tcprules\n",
			home + "/control/tcp.qmqp.cdb": "service: /var/qmail/control/tcp.qmqp.cdb is missing; make it with tcprules\n",
			home + "/rc":                   "service: /var/qmail/rc is missing; .*\n",
		} {
			v.install("/etc/default/qmail")
			v.must(os.Rename(file, file+".away"))
			v.want("start", text, 1)
			v.must(os.Rename(file+".away", file))
		}
		v.want("stop", "", 0)
		for _, name := range []string{"qmail-send", "tcpserver"} {
			if list := pids(name); len(list) != 0 {
				t.Errorf("%s still has the pids %v", name, list)
			}
		}
		if list := pids("sleep"); len(list) != 1 {
			t.Errorf("the process that is none of qmail's was ended: %v", list)
		}
		v.must(bystander.Process.Kill())
	})
}
