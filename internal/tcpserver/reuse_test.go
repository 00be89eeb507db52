package tcpserver

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/worker"
)

// fakeSMTPD is a qmail-smtpd that says who it is and what its environment has of
// this client, and obeys one line.
func fakeSMTPD() int {
	serve := func(how string, env []string, in, out sys.FD) int {
		secret := "none"
		for _, e := range env {
			if v, ok := strings.CutPrefix(e, "SECRET="); ok {
				secret = v
			}
		}
		_, _ = fmt.Fprintf(out, "%s %d %s\n", how, os.Getpid(), secret)
		line, _ := bufio.NewReader(in).ReadString('\n')
		order, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.Atoi(arg)
		if order == "kill" {
			_ = syscall.Kill(os.Getpid(), syscall.Signal(n))
			select {}
		}
		return n
	}
	o := worker.Offered(os.Args[0], pipe.MarkSMTPD)
	if o == nil {
		return serve("single", os.Environ(), 0, 1)
	}
	_ = o.Serve(1, func(env []string, files []sys.FD) worker.Result {
		return worker.Result{Code: serve("worker", env, files[0], files[0])}
	})
	return 0
}

// smtpd puts this test binary into a directory as qmail-smtpd, and returns the
// directory.
func smtpd(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	testkit.Install(t, filepath.Join(dir, "qmail-smtpd"))
	return dir
}

// A session is a connection to the fake qmail-smtpd.
type session struct {
	net.Conn
	how    string
	pid    int
	secret string
}

func connect(t *testing.T, at, from string) *session {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	c, err := d.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	s := &session{Conn: c}
	line, err := bufio.NewReader(c).ReadString('\n')
	if _, serr := fmt.Sscanf(line, "%s %d %s", &s.how, &s.pid, &s.secret); serr != nil {
		t.Fatalf("%q, %v, %v", line, err, serr)
	}
	return s
}

// finish ends the session with an order, and waits for the log to have said so.
func (s *session) finish(t *testing.T, log *lines, order string) {
	t.Helper()
	before := strings.Count(log.text(), "tcpserver: end ")
	if _, err := io.WriteString(s, order+"\n"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(s)
	until(t, "the end in the log", func() bool { return strings.Count(log.text(), "tcpserver: end ") > before })
}

// once is a whole session with exit code 0.
func once(t *testing.T, at, from string, log *lines) *session {
	t.Helper()
	s := connect(t, at, from)
	s.finish(t, log, "exit 0")
	return s
}

func TestReuse(t *testing.T) {
	dir := smtpd(t)
	_, at, log := startReal(t, nil, "-vHRl0", "-c3", "127.0.0.1", "0", dir+"/qmail-smtpd")
	a := connect(t, at, "127.0.0.1")
	if a.how != "worker" {
		t.Fatalf("%+v", a)
	}
	a.finish(t, log, "exit 0")
	// The log is that of programs of their own, but that the pid comes again.
	b := connect(t, at, "127.0.0.1")
	if b.how != "worker" || b.pid != a.pid {
		t.Errorf("the second connection: %+v, want process %d", b, a.pid)
	}
	b.finish(t, log, "exit 7")
	until(t, "the log", func() bool { return strings.HasSuffix(log.text(), "status: 0/3\n") })
	want := "tcpserver: status: 0/3\n"
	for _, status := range []int{0, 7 << 8} {
		want += fmt.Sprintf("tcpserver: status: 1/3\ntcpserver: pid %[1]d from 127.0.0.1\ntcpserver: ok %[1]d 0:127.0.0.1 :127.0.0.1::P\n"+
			"tcpserver: end %[1]d status %[2]d\ntcpserver: status: 0/3\n", a.pid, status)
	}
	if got := regexp.MustCompile(`(?m)(ok \d+) .*$`).ReplaceAllString(log.text(), "$1"); got != regexp.MustCompile(`(?m)(ok \d+) .*$`).ReplaceAllString(want, "$1") {
		t.Errorf("log:\n%swant:\n%s", got, want)
	}
	// Two at one time are two processes; a crash has its status and is not used again.
	c, d := connect(t, at, "127.0.0.1"), connect(t, at, "127.0.0.1")
	if c.pid != a.pid || d.pid == c.pid || d.how != "worker" {
		t.Errorf("two: %+v, %+v", c, d)
	}
	c.finish(t, log, "kill 9")
	d.finish(t, log, "exit 0")
	if !strings.Contains(log.text(), fmt.Sprintf("end %d status 9\n", c.pid)) {
		t.Errorf("no status 9 in the log:\n%s", log.text())
	}
	if e := once(t, at, "127.0.0.1", log); e.pid != d.pid {
		t.Errorf("after a crash: %+v, want process %d", e, d.pid)
	}
	testkit.Install(t, filepath.Join(dir, "qmail-smtpd"))
	if e := once(t, at, "127.0.0.1", log); e.how != "worker" || e.pid == d.pid {
		t.Errorf("after an upgrade: %+v, was %d", e, d.pid)
	}
	if err := os.Remove(dir + "/qmail-smtpd"); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\necho script $$ none\nread x\n"
	if err := os.WriteFile(dir+"/qmail-smtpd", []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if e := once(t, at, "127.0.0.1", log); e.how != "script" {
		t.Errorf("a program without the mark: %+v", e)
	}
}

// Kept processes do not count against the limit; connections do.
func TestReuseLimit(t *testing.T) {
	dir := smtpd(t)
	_, at, log := startReal(t, nil, "-vHRl0", "-c2", "127.0.0.1", "0", dir+"/qmail-smtpd")
	for range 3 {
		a, b := connect(t, at, "127.0.0.1"), connect(t, at, "127.0.0.1")
		late, err := net.Dial("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		a.finish(t, log, "exit 0")
		_ = late.SetDeadline(time.Now().Add(patience))
		if line, err := bufio.NewReader(late).ReadString('\n'); !strings.HasPrefix(line, "worker "+strconv.Itoa(a.pid)+" ") {
			t.Errorf("the one that waited: %q, %v", line, err)
		}
		_ = late.Close()
		b.finish(t, log, "exit 0")
		until(t, "the end", func() bool { return strings.HasSuffix(log.text(), "status: 0/2\n") })
	}
	if strings.Contains(log.text(), "status: 3/2") {
		t.Errorf("more than the limit:\n%s", log.text())
	}
}

// What rules say of one client is not there for the next, and may switch reuse
// off for some.
func TestReuseRules(t *testing.T) {
	dir := smtpd(t)
	rules := compile(t, "127.0.0.2:allow,SECRET=\"two\"\n127.0.0.3:allow,SMTPDREUSE=\"\",SECRET=\"three\"\n:allow\n")
	_, at, log := startReal(t, []string{"PATH=" + dir + ":/usr/bin:/bin"}, "-vHRl0", "-x", rules, "127.0.0.1", "0", "qmail-smtpd")
	first := once(t, at, "127.0.0.2", log)
	if first.secret != "two" || first.how != "worker" {
		t.Errorf("%+v", first)
	}
	for from, want := range map[string]string{"127.0.0.1": "worker none", "127.0.0.2": "worker two", "127.0.0.3": "single three"} {
		for range 2 {
			s := once(t, at, from, log)
			if s.how+" "+s.secret != want || (s.pid == first.pid) != (s.how == "worker") {
				t.Errorf("from %s: %+v, want %s", from, s, want)
			}
		}
	}
	_, at, log = startReal(t, []string{"SMTPDREUSE="}, "-vHRl0", "127.0.0.1", "0", dir+"/qmail-smtpd")
	if s := once(t, at, "127.0.0.1", log); s.how != "single" {
		t.Errorf("SMTPDREUSE empty: %+v", s)
	}
	// An environment too large for a packet.
	_, at, log = startReal(t, []string{"BIG=" + strings.Repeat("x", pipe.JobMax)}, "-vHRl0", "127.0.0.1", "0", dir+"/qmail-smtpd")
	for range 2 {
		if s := once(t, at, "127.0.0.1", log); s.how != "single" {
			t.Errorf("large environment: %+v", s)
		}
	}
	// Arguments, or another name: not ours to know.
	_, at, log = startReal(t, nil, "-vHRl0", "127.0.0.1", "0", dir+"/qmail-smtpd", "x")
	if s := once(t, at, "127.0.0.1", log); s.how != "single" {
		t.Errorf("with arguments: %+v", s)
	}
}

// After SIGTERM tcpserver ends at once; a session goes on, and its process ends
// with it; one without a session ends too.
func TestReuseTerm(t *testing.T) {
	dir := smtpd(t)
	cmd, at, log := startReal(t, nil, "-vHRl0", "127.0.0.1", "0", dir+"/qmail-smtpd")
	a, b := connect(t, at, "127.0.0.1"), connect(t, at, "127.0.0.1")
	b.finish(t, log, "exit 0")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	gone := func(pid int) func() bool {
		return func() bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return err != nil || strings.Contains(string(stat), ") Z ") // nobody waits for it here
		}
	}
	until(t, "the idle process to end", gone(b.pid))
	if gone(a.pid)() {
		t.Error("the session's process is gone")
	}
	if _, err := io.WriteString(a, "exit 0\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(a); err != nil {
		t.Error(err)
	}
	until(t, "the session's process to end", gone(a.pid))
}
