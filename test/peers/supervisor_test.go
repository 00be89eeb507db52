//go:build e2e

package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/testkit"
)

// A supervisor is daemontools or runit. Its commands are the page's.
type supervisor struct {
	name string
	scan []string       // what starts everything in /etc/service
	up   *regexp.Regexp // what status says of a service that is up, with its pid and its age
	down *regexp.Regexp // and of one that is down and shall be

	stopping string // what it says of one that has got TERM

	tools string // a pattern for commands of the page
	// how they begin
	status, alarm, hup, restart, stop, start, rotate string
}

var daemontools = supervisor{
	name:     "daemontools",
	tools:    "^(svc|svstat) ",
	scan:     []string{"svscan", "/etc/service"},
	up:       regexp.MustCompile(`^/etc/service/qmail-send: up \(pid (\d+)\) (\d+) seconds\n`),
	down:     regexp.MustCompile(`^/etc/service/qmail-send: down \d+ seconds, normally up\n`),
	stopping: ", want down\n",
	status:   "svstat ", alarm: "svc -a /etc/service/qmail-send ", hup: "svc -h ", restart: "svc -t ",
	stop: "svc -d ", start: "svc -u ", rotate: "svc -a /etc/service/qmail-send/log",
}

var runit = supervisor{
	name:     "runit",
	tools:    "^sv ",
	scan:     []string{"runsvdir", "/etc/service"},
	up:       regexp.MustCompile(`^run: qmail-send: \(pid (\d+)\) (\d+)s; run: log: `),
	down:     regexp.MustCompile(`^down: qmail-send: \d+s, normally up; run: log: `),
	stopping: "got TERM",
	status:   "sv status ", alarm: "sv alarm qmail-send ", hup: "sv hup ", restart: "sv -w 600 restart ",
	stop: "sv -w 600 stop ", start: "sv start ", rotate: "sv alarm qmail-send/log",
}

const (
	sendCurrent  = "/var/log/qmail/send/current"
	smtpdCurrent = "/var/log/qmail/smtpd/current"
)

// A run is qmail and SMTP under a supervisor.
type run struct {
	*bed
	s          supervisor
	path       string // for the supervisor and the page's commands
	send, smtp int    // the numbers of the first lines in current
}

// sv runs the page's command that begins as given.
func (r *run) sv(prefix string) string {
	r.Helper()
	return r.command(r.path, prefix)
}

// pid returns the pid of qmail-send, and checks that the supervisor knows it.
func (r *run) pid() int {
	r.Helper()
	var said string
	var m []string
	r.eventually("qmail-send being up", func() bool {
		said = r.sv(r.s.status)
		m = r.s.up.FindStringSubmatch(said)
		return m != nil && len(pids("qmail-send")) == 1
	})
	if list := pids("qmail-send"); m[1] != fmt.Sprint(list[0]) {
		r.Fatalf("%s says %q, but qmail-send is process %d", r.s.status, said, list[0])
	}
	n, _ := strconv.Atoi(m[1]) // the pattern says digits
	return n
}

// gone waits until no process of qmail is left.
func (r *run) gone() {
	r.Helper()
	for _, name := range []string{"qmail-send", "qmail-lspawn", "qmail-rspawn", "qmail-clean"} {
		r.eventually("the end of "+name, func() bool { return len(pids(name)) == 0 })
	}
}

// stamped is a line of current.
const stamped = `^@[0-9a-f]{24} `

// log waits for a line of qmail-send's log in current.
func (r *run) log(from int, pattern string) (next int) {
	r.Helper()
	_, next = r.wait(sendCurrent, from, stamped+pattern+"$")
	return next
}

// services are the names of what runs, the queue first.
var services = []string{"send", "smtpd", "qmtpd", "qmqpd", "pop3d"}

// begin copies the shipped directories, puts a directory first in the PATH of
// their scripts, does what the page says for the first start and for the
// supervisor, and starts the latter.
func (b *bed) begin(s supervisor, first string) *run {
	b.Helper()
	r := &run{bed: b, s: s, path: ownPath}
	b.firstStart()
	r.sv("mkdir -p " + home + "/supervise")
	r.sv("cp -R " + home + "/boot/supervise/")
	scripts, err := filepath.Glob(home + "/supervise/*/run")
	b.must(err)
	logs, err := filepath.Glob(home + "/supervise/*/log/run")
	b.must(err)
	if len(scripts) != len(services) || len(logs) != len(services) {
		b.Fatalf("boot/supervise has %v and %v, want %d of each", scripts, logs, len(services))
	}
	for _, script := range append(scripts, logs...) {
		text, err := os.ReadFile(script)
		b.must(err)
		own := "\nPATH=" + home + "/bin:"
		if !strings.Contains(string(text), own) && script != home+"/supervise/qmail-send/run" {
			b.Fatalf("no %q in %s", own, script)
		}
		if first != "" {
			b.write(script, strings.Replace(string(text), own, "\nPATH="+first+":"+own[len("\nPATH="):], 1), 0o755)
		}
	}
	if _, err := os.Stat("/etc/service"); err != nil {
		b.must(os.Mkdir("/etc/service", 0o755))
		r.sv("ln -s ")
	}
	r.send, r.smtp = len(lines(sendCurrent)), len(lines(smtpdCurrent))
	b.background("/tmp/"+s.name+".log", r.path, s.scan...)
	r.log(r.send, "status: local 0/10 remote 0/20")
	return r
}

// tcpservers checks the processes of tcpserver: POP3's is root, the others have
// become qmaild.
func (b *bed) tcpservers(program string) {
	b.Helper()
	var owners map[uint32][]int
	b.eventually("four tcpservers, one of them root", func() bool {
		owners = map[uint32][]int{}
		for _, pid := range pids("tcpserver") {
			command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			if st, err := os.Stat(fmt.Sprintf("/proc/%d/task", pid)); err == nil && len(command) > 0 { // else it is just beginning
				uid := st.Sys().(*syscall.Stat_t).Uid
				owners[uid] = append(owners[uid], pid)
			}
		}
		return len(owners[0]) == 1 && len(owners[testkit.UIDDaemon]) == len(services)-2
	})
	root := owners[0][0]
	b.process(root, "tcpserver", program, 0, 0)
	for _, pid := range owners[testkit.UIDDaemon] {
		b.process(pid, "tcpserver", program, testkit.UIDDaemon, testkit.GIDNofiles)
	}
	if command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", root)); err != nil || !strings.HasSuffix(string(command), home+"/boot/pop3\x00") {
		b.Errorf("the tcpserver that is root is %q, %v", command, err)
	}
}

// end stops everything, as an administrator who stops the supervisor.
func (r *run) end() {
	r.Helper()
	if r.s.name == runit.name {
		r.must(killAll("runsvdir", "HUP")) // it stops what it started
	} else {
		r.must(killAll("svscan", "TERM"))
		for _, name := range services {
			r.run(r.path, "svc", "-dx", "/etc/service/qmail-"+name)
			r.run(r.path, "svc", "-x", "/etc/service/qmail-"+name+"/log")
		}
	}
	r.gone()
	for _, name := range []string{"supervise", "runsv", "multilog", "tcpserver"} {
		r.eventually("the end of "+name, func() bool { return len(pids(name)) == 0 })
	}
}

// killAll sends a signal to the processes with a name.
func killAll(name, signal string) error {
	for _, pid := range pids(name) {
		if err := command(ownPath, "kill", "-"+signal, strconv.Itoa(pid)).Run(); err != nil {
			return err
		}
	}
	return nil
}

// mailAndRetry is the first part: messages by SMTP from a client that may relay,
// by the other servers, and one that is deferred until ALRM comes.
func (r *run) mailAndRetry(text string) {
	r.Helper()
	r.mail("127.0.0.4", text+" by SMTP", "250 ")
	from := r.log(r.send, "end msg .*")
	r.wait(smtpdCurrent, r.smtp, stamped+`tcpserver: end \d+ status 0$`)

	r.qmtp("127.0.0.4", text+" by QMTP", true)
	from = r.log(from, "end msg .*")
	r.qmqp("127.0.0.4", text+" by QMQP")
	from = r.log(from, "end msg .*")
	r.pop3("127.0.0.4", text+" by QMTP")
	for _, name := range services[2:] {
		r.wait("/var/log/qmail/"+name+"/current", 0, stamped+`tcpserver: end \d+ status \d+$`)
	}

	r.inject(text+" later", "ann-later@"+domain)
	from = r.log(from, `delivery \d+: deferral: .*`)
	from = r.log(from, "status: local 0/10 remote 0/20")
	r.write("/tmp/open", "", 0o644)
	r.sv(r.s.alarm)
	r.log(from, "end msg .*")
	r.arrived(text + " later")
	r.must(os.Remove("/tmp/open"))
}

// restartIdle is the second part: TERM, and qmail-send is back with another pid.
func (r *run) restartIdle() {
	r.Helper()
	old, from := r.pid(), len(lines(sendCurrent))
	r.sv(r.s.restart)
	from = r.log(from, "status: exiting")
	r.log(from, "status: local 0/10 remote 0/20")
	if pid := r.pid(); pid == old {
		r.Errorf("qmail-send still has the pid %d", pid)
	}
	r.runsAs(1, "qmail-send", home+"/bin/qmail-send", testkit.UIDSend, testkit.GIDQmail)
}

// stopInDelivery is the third part: qmail-send is stopped while a delivery runs.
// It goes when that has ended. Then it is started again.
func (r *run) stopInDelivery(text string) {
	r.Helper()
	old, from := r.pid(), len(lines(sendCurrent))
	r.inject(text+" slow", "ann-slow@"+domain)
	r.eventually("the slow delivery", func() bool {
		_, err := os.Stat("/tmp/slow")
		return err == nil
	})
	stop, ended := command(r.path, "sh", "-c", r.shown(r.s.stop)), make(chan error, 1)
	go func() { ended <- stop.Run() }() // sv waits for the end
	r.eventually("TERM being sent", func() bool { return strings.Contains(r.sv(r.s.status), r.s.stopping) })
	if list := pids("qmail-send"); len(list) != 1 || list[0] != old {
		r.Errorf("qmail-send has the pids %v while it waits for a delivery, want %d", list, old)
	}
	r.must(os.Remove("/tmp/slow"))
	from = r.log(from, "status: exiting")
	r.must(<-ended)
	r.eventually("qmail-send being down", func() bool { return r.s.down.MatchString(r.sv(r.s.status)) })
	r.gone()
	r.arrived(text + " slow")
	r.sv(r.s.start)
	r.log(from, "status: local 0/10 remote 0/20")
	r.pid()
}

// hangUp checks HUP: a domain becomes local.
func (r *run) hangUp() {
	r.Helper()
	// in the first second after a start supervise does nothing it is told
	r.eventually("qmail-send being up for some seconds", func() bool {
		m := r.s.up.FindStringSubmatch(r.sv(r.s.status))
		return m != nil && m[2] > "1" && m[2] <= "99"
	})
	from := r.becomesLocal(sendCurrent, stamped, len(lines(sendCurrent)), func() { r.sv(r.s.hup) })
	r.log(from, "end msg .*")
	r.write(home+"/control/locals", domain+"\n", 0o644)
}

// rotation checks that multilog begins a new file and loses nothing, and that a
// restart of multilog loses nothing either.
func (r *run) rotation(text string) {
	r.Helper()
	before := lines(sendCurrent)
	old, err := filepath.Glob(filepath.Dir(sendCurrent) + "/@*.s")
	r.must(err)
	var names []string
	var again time.Time
	r.eventually("a finished log file", func() bool {
		// Debian's multilog sleeps on when ALRM comes just before it reads
		if now := time.Now(); now.After(again) {
			r.sv(r.s.rotate)
			again = now.Add(time.Second)
		}
		names, err = filepath.Glob(filepath.Dir(sendCurrent) + "/@*.s")
		r.must(err)
		return len(names) == len(old)+1
	})
	got, want := strings.Join(lines(names[len(old)]), "\n"), strings.Join(before, "\n")
	if got != want {
		r.Errorf("the finished file has\n%s\nwant\n%s", got, want)
	}
	r.must(killAll("multilog", "TERM"))
	r.inject(text+" in new file", "ann@"+domain)
	from := r.log(0, "new msg .*")
	r.log(from, "end msg .*")
	r.arrived(text + " in new file")
}

// anonymous takes stamps and numbers out of lines of qmail-send's log.
func anonymous(list []string) string {
	stamp := regexp.MustCompile(stamped)
	number := regexp.MustCompile(`\b(msg|delivery|bytes|qp) \d+`)
	var out []string
	for _, l := range list {
		if stamp.MatchString(l) {
			l = l[26:]
		}
		l = strings.TrimSuffix(l, " exitasap") // TERM may come before or after the line
		out = append(out, number.ReplaceAllString(l, "$1 N"))
	}
	return strings.Join(out, "\n")
}

// supervised does everything under one supervisor, first with all programs
// ours, then with Debian's setuidgid, multilog and tcpserver, which take over
// the log directories. Both must leave the same lines.
func supervised(t *testing.T, s supervisor) {
	onBed(t, func(b *bed) {
		t.Cleanup(func() {
			for _, log := range []string{sendCurrent, smtpdCurrent} {
				if t.Failed() {
					t.Logf("%s:\n%s", log, strings.Join(lines(log), "\n"))
				}
			}
		})
		b.dotQmail("later", "|test -e /tmp/open || exit 111\n./Maildir/\n")
		b.dotQmail("slow", "|touch /tmp/slow; while test -e /tmp/slow; do sleep 0.02; done\n./Maildir/\n")
		b.write(home+"/control/smtproutes", ":127.0.0.1:2\n", 0o644) // where nobody listens
		var sends, smtps [2]string
		for i, side := range []struct{ first, multilog, tcpserver string }{
			{"", home + "/bin/multilog", home + "/bin/tcpserver"},
			{"/usr/bin", "/usr/bin/multilog", "/usr/bin/tcpserver"},
		} {
			r := b.begin(s, side.first)
			b.runsAs(len(services), "multilog", side.multilog, testkit.UIDLog, testkit.GIDNofiles)
			text := fmt.Sprint("round ", i)
			r.mailAndRetry(text)
			b.tcpservers(side.tcpserver)
			r.restartIdle()
			r.stopInDelivery(text)
			sends[i] = anonymous(lines(sendCurrent)[r.send:])
			for _, l := range lines(smtpdCurrent)[r.smtp:] {
				smtps[i] += l[26:] + "\n"
			}
			smtps[i] = strings.Join(renumber(strings.Split(smtps[i], "\n")), "\n")
			r.hangUp()
			r.rotation(text)
			r.end()
		}
		b.allUsed(s.tools)
		if sends[0] != sends[1] {
			t.Errorf("qmail-send's log with our programs:\n%s\nwith Debian's:\n%s", sends[0], sends[1])
		}
		if smtps[0] != smtps[1] {
			t.Errorf("tcpserver's log with our programs:\n%s\nwith Debian's:\n%s", smtps[0], smtps[1])
		}
	})
}

// qmail and SMTP under supervise, one for each directory, by svscan.
func TestDaemontools(t *testing.T) { supervised(t, daemontools) }

// qmail and SMTP under runsv, one for each directory, by runsvdir.
func TestRunit(t *testing.T) { supervised(t, runit) }
