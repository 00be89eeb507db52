//go:build e2e

package peers

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A manager is systemd itself, as first process of a PID namespace in the world,
// with a control group of its own and no units but the suite's and those they
// need.
type manager struct {
	*bed
	pid int
}

// bareUnits are there so that the suite's units find what every unit needs.
var bareUnits = []string{
	"sysinit.target", "basic.target", "sockets.target", "multi-user.target", "shutdown.target", "network.target",
	"nss-lookup.target", "local-fs.target",
}

// journal are the units of the journal, from systemd's package.
var journal = []string{"systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket"}

// controlGroup makes a control group (version 2) below that of this process; an
// error means that the kernel or its surroundings do not allow it here.
func (b *bed) controlGroup() (dir string, err error) {
	b.Helper()
	const mount = "/mnt/cgroup"
	b.must(os.MkdirAll(mount, 0o755))
	if err := unix.Mount("cgroup2", mount, "cgroup2", 0, ""); err != nil {
		return "", err
	}
	own := ""
	for _, l := range lines("/proc/self/cgroup") {
		if path, ok := strings.CutPrefix(l, "0::"); ok {
			own = path
		}
	}
	top := filepath.Join(mount, own)
	// what a test that was killed has left
	old, _ := filepath.Glob(top + "/goqmail-test-*") // the pattern is right
	for _, d := range old {
		if st, err := os.Stat(d); err == nil && time.Since(st.ModTime()) > time.Hour {
			_ = removeGroups(d) // it may be in use
		}
	}
	if dir, err = os.MkdirTemp(top, "goqmail-test-"); err != nil {
		return "", err
	}
	b.Cleanup(func() {
		b.eventually("the control groups being empty", func() bool { return removeGroups(dir) == nil })
	})
	return dir, nil
}

// removeGroups removes a control group and those in it; it fails while there is a
// process in one.
func removeGroups(top string) error {
	var dirs []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	slices.Reverse(dirs) // children first
	for _, d := range dirs {
		err = errors.Join(err, os.Remove(d))
	}
	return err
}

// manager starts systemd; nil if it cannot have a control group here.
func (b *bed) manager() *manager {
	b.Helper()
	group, err := b.controlGroup()
	if err != nil {
		b.Logf("left out: systemd itself needs a control group that can be written to: %v", err)
		return nil
	}
	for _, name := range bareUnits {
		b.write(unitDir+name, "[Unit]\nDescription=for a test\nDefaultDependencies=no\n", 0o644)
	}
	b.write(unitDir+"test.target", "[Unit]\nDefaultDependencies=no\nWants="+strings.Join(journal, " ")+"\n", 0o644)
	for _, name := range journal {
		text, err := os.ReadFile("/lib/systemd/system/" + name)
		b.must(err)
		b.write(unitDir+name, string(text), 0o644)
	}
	b.background("/tmp/systemd.log", ownPath, "sh", "-c", "echo $$ >"+group+`/cgroup.procs
exec unshare --pid --fork --kill-child --mount --propagation private --cgroup sh -c '
mount -t proc proc /proc && mount -t cgroup2 cgroup2 /sys/fs/cgroup || exit 1
exec env container=other SYSTEMD_UNIT_PATH=`+unitDir+` \
	/lib/systemd/systemd --system --unit=test.target --log-target=console --show-status=no'`)
	m := &manager{bed: b}
	for limit := time.Now().Add(patience); !m.answers(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			b.Logf("left out: systemd itself does not start here: %q", lines("/tmp/systemd.log"))
			return nil
		}
	}
	b.Cleanup(func() {
		if b.Failed() {
			b.Logf("the journal:\n%s", m.say("journalctl --no-hostname"))
		}
		b.must(unix.Kill(m.pid, unix.SIGKILL))
		b.eventually("the end of systemd", func() bool {
			_, _ = unix.Wait4(-1, nil, unix.WNOHANG, nil) // a command of a failed test may have left its child to us
			return len(pids("systemd")) == 0
		})
	})
	return m
}

// answers finds systemd's pid and reports whether systemctl can reach it.
func (m *manager) answers() bool {
	for _, pid := range pids("systemd") {
		m.pid = pid
	}
	_, err := os.Stat("/run/systemd/private")
	return m.pid != 0 && err == nil
}

// command runs the page's command in systemd's namespaces.
func (m *manager) command(prefix string) string {
	m.Helper()
	return m.say(m.shown(prefix))
}

// say runs a command in systemd's namespaces.
func (m *manager) say(command string) string {
	m.Helper()
	return m.run(ownPath, "nsenter", "-t", strconv.Itoa(m.pid), "-p", "-m", "-C",
		"env", "SYSTEMD_UNIT_PATH="+unitDir, "SYSTEMD_PAGER=", "sh", "-c", command)
}

// The page's commands with systemd itself: units enabled and started, mail
// through all servers, signals, a stop while a delivery runs, the servers with a
// process for each connection.
func TestSystemd(t *testing.T) {
	onBed(t, func(b *bed) {
		b.firstStart()
		b.must(os.MkdirAll(unitDir, 0o755))
		m := b.manager()
		if m == nil {
			return
		}
		b.dotQmail("later", "|test -e /tmp/open || exit 111\n./Maildir/\n")
		b.dotQmail("slow", "|touch /tmp/slow; while test -e /tmp/slow; do sleep 0.02; done\n./Maildir/\n")
		m.command("cp " + home + "/boot/systemd/")
		m.command("systemctl daemon-reload")
		m.command("systemctl enable --now qmail-send.service ")
		m.say("systemctl enable --now qmail-qmtpd.service qmail-qmqpd.service qmail-pop3d.service")
		b.tcpservers(home + "/bin/tcpserver")
		b.mail("127.0.0.4", "by systemd", "250 ")
		b.others("127.0.0.4", "by systemd", true)
		said := m.command("systemctl status ")
		if n := strings.Count(said, "Active: active (running)"); n != 2 {
			t.Errorf("systemctl status says\n%s", said)
		}
		m.journal(`tcpserver: ok \d+ `)
		m.journal(`status: local 0/10 remote 0/20\n`)
		m.signals()
		m.stopInDelivery()
		m.connections()
		b.allUsed("^(systemctl|journalctl) ")
	})
}

// journal waits for a line in the journal.
func (m *manager) journal(pattern string) {
	m.Helper()
	re := regexp.MustCompile(pattern)
	m.eventually("the journal having "+pattern, func() bool { return re.MatchString(m.command("journalctl ")) })
}

// signals: ALRM, HUP, and a restart.
func (m *manager) signals() {
	m.Helper()
	m.inject("later", "ann-later@"+domain)
	m.journal(`delivery \d+: deferral:`) // the journal has no blanks at the end
	m.write("/tmp/open", "", 0o644)
	m.command("systemctl kill ")
	m.arrived("later")
	m.write(home+"/control/locals", domain+"\nnew.test\n", 0o644)
	m.command("systemctl reload ")
	m.eventually("a local delivery for a new domain", func() bool {
		m.inject("new", "ann@new.test") // the first may come before HUP
		return strings.Contains(m.command("journalctl "), " to local ann@new.test\n")
	})
	old := pids("qmail-send")
	m.command("systemctl restart ")
	m.eventually("a new qmail-send", func() bool { return len(pids("qmail-send")) == 1 })
	if slices.Equal(old, pids("qmail-send")) {
		m.Errorf("qmail-send still has the pid %v", old)
	}
}

// stopInDelivery: systemctl waits for the delivery; a connection outlives its
// server, and a client waits at the socket.
func (m *manager) stopInDelivery() {
	m.Helper()
	m.inject("slow", "ann-slow@"+domain)
	m.eventually("the slow delivery", func() bool { _, err := os.Stat("/tmp/slow"); return err == nil })
	open := m.connect("127.0.0.4")
	open.say("", "220 ")
	m.say("systemctl stop qmail-smtpd.service")
	open.say("HELO there.test", "250 ")
	waiting := m.connect("127.0.0.4") // starts it again
	waiting.say("", "220 ")
	waiting.say("QUIT", "221 ")
	ended := make(chan string)
	go func() { ended <- m.command("systemctl stop qmail-send.service") }()
	m.eventually("systemd stopping qmail-send", func() bool {
		return m.say("systemctl show -p ActiveState --value qmail-send.service") == "deactivating\n"
	})
	if list := pids("qmail-send"); len(list) != 1 {
		m.Errorf("qmail-send has the pids %v while a delivery runs", list)
	}
	m.must(os.Remove("/tmp/slow"))
	<-ended
	m.arrived("slow")
	for _, name := range []string{"qmail-send", "qmail-lspawn", "qmail-rspawn", "qmail-clean"} {
		m.eventually("the end of "+name, func() bool { return len(pids(name)) == 0 })
	}
	m.command("systemctl stop qmail-smtpd.service")
	open.say("QUIT", "221 ")
	m.say("systemctl start qmail-send.service")
}

// connections: the servers with a process for each connection take the place of
// the others.
func (m *manager) connections() {
	m.Helper()
	m.command("systemctl disable --now ")
	m.command("systemctl enable --now smtpd.socket")
	m.say("systemctl start qmtpd.socket qmqpd.socket pop3d.socket") // Conflicts stops the others
	m.eventually("the end of tcpserver", func() bool { return len(pids("tcpserver")) == 0 })
	m.mail("127.0.0.4", "one process", "553 ")
	m.others("127.0.0.4", "one process", false)
	if out := m.say("systemctl list-units --failed --no-legend"); out != "" {
		m.Errorf("failed units: %s", out)
	}
	m.install(tcpdDropIn)
	m.run(ownPath, "sh", "-c", m.shown("cat "+home+"/boot/hosts.allow "))
	m.command("systemctl daemon-reload")
	m.mail("127.0.0.4", "by tcpd", "250 ")
	m.install(multilogDropIn)
	m.command("systemctl daemon-reload")
	m.command("systemctl restart ")
	m.wait(sendCurrent, 0, stamped+`status: local 0/10 remote 0/20$`)
}
