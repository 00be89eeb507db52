//go:build e2e

package install_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/testkit"
	"goqmail/test/installed"
)

func TestMain(m *testing.M) { installed.Main(m) }

const (
	home = "/var/qmail"
	src  = testkit.SourcesDir // the project as the new machine's administrator has it
)

// fresh is a machine without the suite's accounts, with the project's sources,
// Go and its caches.
func fresh(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	freshWith(t, nil, f)
}

// freshWith is fresh with more of the real machine's files.
func freshWith(t *testing.T, more []testkit.Bind, f func(t *testing.T)) {
	t.Helper()
	w := testkit.World{Host: "mail.quick.test", Bare: true, Users: []testkit.User{
		{Name: "ann", UID: 1001, GID: 1001, Home: "/home/ann"},
	}}
	if !testkit.Inside() {
		w.Binds = more
		w.AddSources(t, "../..")
	}
	testkit.InWorld(t, w, func(t *testing.T) {
		testkit.UseSources(t)
		if err := os.MkdirAll("/home/ann", 0o755); err != nil {
			t.Fatal(err)
		}
		f(t)
	})
}

// run runs a command and returns what it printed and its exit code.
func run(t *testing.T, dir, name string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		if _, ok := err.(*exec.ExitError); !ok {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// must runs a command that has to succeed.
func must(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	out, code := run(t, dir, name, args...)
	if code != 0 {
		t.Fatalf("%s %s: exit %d\n%s", name, strings.Join(args, " "), code, out)
	}
	return out
}

// snapshot describes every file below the directories: owner, mode, content.
// What changes by itself (logs, the queue, delivered mail) is left out.
func snapshot(t *testing.T, dirs ...string) map[string]string {
	t.Helper()
	all := map[string]string{}
	skip := regexp.MustCompile(`^/var/qmail/(queue|alias/Maildir|bin|man|doc|boot)/`)
	for _, d := range dirs {
		err := filepath.Walk(d, func(path string, st os.FileInfo, err error) error {
			if err != nil || skip.MatchString(path) {
				return err
			}
			text := st.Mode().String()
			if st.Mode().IsRegular() {
				b, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				text += " " + st.ModTime().String() + " " + string(b)
			}
			all[path] = text
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// differences lists names whose description changed.
func differences(a, b map[string]string) []string {
	var out []string
	for name, text := range a {
		if b[name] != text {
			out = append(out, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			out = append(out, name+" (new)")
		}
	}
	sort.Strings(out)
	return out
}

// delivered counts postmaster's messages.
func delivered(t *testing.T) int {
	t.Helper()
	names, err := filepath.Glob(home + "/alias/Maildir/new/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// eventually waits until f holds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestQuickstart(t *testing.T) {
	fresh(t, func(t *testing.T) {
		out := must(t, src, "make", "quickstart")
		for _, want := range []string{
			"by SMTP on 127.0.0.1 port 25:", "by /var/qmail/bin/sendmail:", "new msg ", "end msg ", "delivery 1: success: did_1+0+0/",
			"tcpserver: ok ", "ann: su ann", "Open to the network", "Start at boot", "make stop",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("quickstart does not show %q", want)
			}
		}
		for _, row := range []string{`qmails +\d+ +qmail-send`, `root +\d+ +qmail-lspawn`, `qmailr +\d+ +qmail-rspawn`, `qmailq +\d+ +qmail-clean`,
			`qmaill +\d+ +multilog t /var/log/qmail/send`, `qmaill +\d+ +multilog t /var/log/qmail/smtpd`, `qmaild +\d+ +tcpserver`} {
			if !regexp.MustCompile(row).MatchString(out) {
				t.Errorf("quickstart does not show %q among what is running:\n%s", row, out)
			}
		}
		if n := delivered(t); n != 2 {
			t.Errorf("%d messages delivered, want 2", n)
		}
		if w := must(t, src, "make", "--no-print-directory", "-s", "check"); strings.Contains(w, "warning") {
			t.Errorf("make check: %s", w)
		}
		before := snapshot(t, home, "/etc")
		if out := must(t, src, "make", "quickstart"); strings.Contains(out, " made\n") {
			t.Errorf("the second run made something:\n%s", out)
		}
		if d := differences(before, snapshot(t, home, "/etc")); len(d) != 0 {
			t.Errorf("the second run changed %v", d)
		}
		if n := delivered(t); n != 4 {
			t.Errorf("%d messages delivered after the second run, want 4", n)
		}
		must(t, src, "make", "restart")
		sendOne(t, "after restart")
		must(t, src, "make", "stop")
		if out, code := run(t, src, home+"/boot/service", "status"); out != "send: down\nsmtpd: down\n" || code != 3 {
			t.Errorf("status after stop: %q, exit %d", out, code)
		}
		eventually(t, "no process of the suite is left", func() bool {
			// Nobody waits for them in this world: what has ended has no command line.
			out, _ := run(t, "/", "sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | grep -aE '[q]mail-send|[q]mail-lspawn|[t]cpserver|[m]ultilog'")
			return out == ""
		})

		// A qmail that boot/service did not start is left alone.
		own := exec.Command(home + "/rc")
		if err := own.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "qmail-send runs", func() bool {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", own.Process.Pid))
			return string(name) == "qmail-send\n"
		})
		out, code := run(t, src, "sh", "scripts/quickstart")
		if want := fmt.Sprintf("quickstart: qmail runs already (pid %d), not started by ", own.Process.Pid); code != 1 || !strings.HasPrefix(out, want) || strings.Count(out, "\n") != 1 {
			t.Errorf("quickstart beside another qmail: exit %d, %q", code, out)
		}
		if out, code := run(t, src, "make", "start"); code == 0 || !strings.HasPrefix(out, "service: qmail did not start") {
			t.Errorf("make start beside another qmail: exit %d, %q", code, out)
		}
		if err := own.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		_ = own.Wait() // its exit code is qmail-send's
	})
}

// TestQuickstartElsewhere changes every conf-* file: another home, split, limit,
// delimiter, pattern, names. All that is built and installed must follow.
func TestQuickstartElsewhere(t *testing.T) {
	fresh(t, func(t *testing.T) {
		const home = "/var/lib/mailsuite"
		for name, text := range map[string]string{
			"conf-qmail": home + "\n", "conf-split": "7\n", "conf-spawn": "30\n", "conf-break": "+\n", "conf-patrn": "022\n",
			"conf-users": "mlalias\nmld\nmll\nroot\nmlp\nmlq\nmlr\nmls\n\nRemarks aren't names.\n", "conf-groups": "mlqueue\nmlnone\n",
		} {
			if err := os.WriteFile(filepath.Join(src, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out := must(t, src, "make", "quickstart")
		for _, row := range []string{`by SMTP on 127.0.0.1 port 25:  ` + home + `/alias/Maildir/new/`, `mls +\d+ +qmail-send`, `mlr +\d+ +qmail-rspawn`,
			`mlq +\d+ +qmail-clean`, `mll +\d+ +multilog t /var/log/qmail/smtpd`, `mld +\d+ +tcpserver`} {
			if !regexp.MustCompile(row).MatchString(out) {
				t.Errorf("quickstart does not show %q:\n%s", row, out)
			}
		}
		if w := must(t, src, "make", "--no-print-directory", "-s", "check"); strings.Contains(w, "warning") {
			t.Errorf("make check: %s", w)
		}
		show := must(t, "/", home+"/bin/qmail-showctl")
		want := "qmail home directory: " + home + ".\nuser-ext delimiter: +.\npaternalism (in decimal): 18.\nsilent concurrency limit: 30.\nsubdirectory split: 7.\n"
		if !strings.HasPrefix(show, want) {
			t.Errorf("qmail-showctl shows %.300q, want %q", show, want)
		}
		if names, err := filepath.Glob(home + "/queue/mess/*"); len(names) != 7 || err != nil {
			t.Errorf("mess is split into %v, %v", names, err)
		}
		if found, _ := run(t, "/", "grep", "-rlI", "/var/qmail", home); found != "" {
			t.Errorf("these name /var/qmail: %s", found)
		}
		if found, _ := run(t, "/", "grep", "-rwE", "qmaild|qmaill|nofiles", home+"/boot"); found != "" {
			t.Errorf("boot has accounts of others: %s", found)
		}
		if names, _ := os.ReadDir("/var/qmail"); len(names) != 0 {
			t.Errorf("/var/qmail was filled: %v", names)
		}
		must(t, src, "make", "restart")
		must(t, src, "make", "stop")
	})
}

// sendOne sends a message by sendmail and waits for it.
func sendOne(t *testing.T, subject string) {
	t.Helper()
	n := delivered(t)
	cmd := exec.Command(home+"/bin/sendmail", "postmaster")
	cmd.Stdin = strings.NewReader("Subject: " + subject + "\n\nx\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sendmail: %v %s", err, out)
	}
	eventually(t, subject, func() bool { return delivered(t) == n+1 })
}

func TestQuickstartPortTaken(t *testing.T) {
	fresh(t, func(t *testing.T) {
		other, err := net.Listen("tcp4", "127.0.0.1:25")
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		out := must(t, src, "make", "quickstart")
		if !strings.Contains(out, "port 25 is taken by another program; SMTP will use 2525") || !strings.Contains(out, "by SMTP on 127.0.0.1 port 2525:") {
			t.Errorf("quickstart with port 25 taken:\n%s", out)
		}
		must(t, src, "make", "stop")
	})
}

func TestQuickstartRefusals(t *testing.T) {
	fresh(t, func(t *testing.T) {
		// refused: one line, exit 1, nothing made.
		refused := func(name, want string, cmd ...string) {
			t.Helper()
			out, code := run(t, src, cmd[0], cmd[1:]...)
			if code != 1 || !regexp.MustCompile(`^`+want+`\n$`).MatchString(out) {
				t.Errorf("%s: exit %d, %q, want exit 1, %q", name, code, out, want)
			}
			if _, err := os.Stat(home); err == nil {
				if names, _ := os.ReadDir(home); len(names) != 0 {
					t.Errorf("%s: %s was filled", name, home)
				}
			}
			if out, _ := run(t, "/", "getent", "passwd", "qmaild"); out != "" {
				t.Errorf("%s: accounts were made", name)
			}
		}
		refused("not root", "quickstart: this needs root", "setpriv", "--reuid=1001", "--clear-groups", "sh", "scripts/quickstart")
		refused("no Go", `goqmail: Go [0-9.]+ or newer is needed, and there is no go command in PATH`, "env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "sh", "scripts/quickstart")
		for _, d := range []string{"/tmp/old", "/tmp/nolink"} {
			if err := os.Mkdir(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		testkit.Script(t, "/tmp/old/go", `echo go1.19.8`)
		refused("old Go", `goqmail: Go [0-9.]+ or newer is needed, and this is go1.19.8`, "env", "PATH=/tmp/old:/usr/sbin:/usr/bin:/sbin:/bin", "sh", "scripts/quickstart")
		testkit.Script(t, "/tmp/nolink/ln", `exit 1`)
		refused("no hard links", `quickstart: the file system of /var/qmail has no hard links; the queue needs them`, "env", "PATH=/tmp/nolink:"+os.Getenv("PATH"), "sh", "scripts/quickstart")
		refused("for packaging", `quickstart: DESTDIR is set, and this is for the machine itself`, "env", "DESTDIR=/tmp/dest", "sh", "scripts/quickstart")
		for _, port := range []string{"25", "2525"} {
			l, err := net.Listen("tcp4", "127.0.0.1:"+port)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
		}
		refused("both ports taken", `quickstart: ports 25 and 2525 are both in use by other programs`, "sh", "scripts/quickstart")
	})
}

// TestSetupWhileMailFlows installs over a running system again and again while
// messages are queued; none may be lost or delivered twice, and old daemons
// must work with new children.
func TestSetupWhileMailFlows(t *testing.T) {
	fresh(t, func(t *testing.T) {
		must(t, src, "make", "quickstart")
		start := delivered(t)
		stop, done := make(chan struct{}), make(chan int)
		go func() {
			n := 0
			for {
				cmd := exec.Command(home+"/bin/sendmail", "postmaster")
				cmd.Stdin = strings.NewReader("Subject: flow\n\nx\n")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("sendmail during setup: %v %s", err, out)
				} else {
					n++
				}
				select {
				case <-stop:
					done <- n
					return
				default:
				}
			}
		}()
		for range 3 {
			if out := must(t, src, "make", "setup", "check"); !strings.Contains(out, `until "make restart"`) {
				t.Errorf("setup over a running system does not suggest a restart:\n%s", out)
			}
		}
		must(t, src, "make", "restart")
		close(stop)
		n := <-done
		eventually(t, "all messages delivered", func() bool { return delivered(t) >= start+n })
		sendOne(t, "the last")
		if got := delivered(t); got != start+n+1 {
			t.Errorf("%d messages delivered, want %d", got-start, n+1)
		}
		must(t, src, "make", "stop")
		kept := snapshot(t, home+"/control", home+"/alias", home+"/users")
		must(t, src, "make", "uninstall")
		for _, gone := range []string{"bin", "boot", "man", "doc"} {
			if _, err := os.Stat(filepath.Join(home, gone)); !os.IsNotExist(err) {
				t.Errorf("%s is still there after uninstall", gone)
			}
		}
		if d := differences(kept, snapshot(t, home+"/control", home+"/alias", home+"/users")); len(d) != 0 {
			t.Errorf("uninstall changed %v", d)
		}
		if _, err := os.Stat(home + "/queue/mess/0"); err != nil {
			t.Errorf("uninstall removed the queue: %v", err)
		}
	})
}
