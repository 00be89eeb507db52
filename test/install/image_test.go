//go:build e2e

package install_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/testkit"
)

// A container runs an image in a PID namespace of its own.
type container struct {
	*testing.T
	cmd *exec.Cmd
	dir string

	lock sync.Mutex
	text bytes.Buffer
}

// Write collects the log.
func (c *container) Write(p []byte) (int, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.text.Write(p)
}

// log is the container's output so far.
func (c *container) log() string {
	c.lock.Lock()
	defer c.lock.Unlock()
	return c.text.String()
}

// start runs the image as an engine does: first process, /proc, /dev, nothing in
// the environment but what the image and the caller say.
func (im *image) start(t *testing.T, env []string, args ...string) *container {
	t.Helper()
	c := &container{T: t, dir: im.dir}
	if args == nil {
		args = im.args
	}
	script := `mkdir -p "$0/proc" "$0/dev" && mount -t proc proc "$0/proc" && { mountpoint -q "$0/dev" || mount --rbind /dev "$0/dev"; } && exec chroot "$0" "$@"`
	c.cmd = exec.Command("unshare", append(append([]string{"-m", "-p", "-f", "--kill-child", "sh", "-c", script, im.dir}, im.entrypoint...), args...)...)
	c.cmd.Env = append(append([]string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, im.env...), env...)
	for _, e := range im.env {
		if strings.HasPrefix(e, "PATH=") { // of the script, too
			c.cmd.Env = append(c.cmd.Env, e+":/usr/sbin:/usr/bin:/sbin:/bin")
		}
	}
	c.cmd.Stdout, c.cmd.Stderr = c, c
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // it has usually ended
		if t.Failed() {
			t.Logf("log of the container:\n%s", c.log())
		}
	})
	return c
}

// wait waits for a line that matches in the log, and returns its groups.
func (c *container) wait(pattern string) []string {
	c.Helper()
	var m []string
	eventually(c.T, "a line "+pattern, func() bool {
		m = regexp.MustCompile(`(?m)` + pattern).FindStringSubmatch(c.log())
		return m != nil
	})
	return m
}

// first is the container's process 1, as this namespace sees it.
func (c *container) first() int {
	c.Helper()
	var pid int
	eventually(c.T, "process 1", func() bool {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", c.cmd.Process.Pid, c.cmd.Process.Pid))
		if err != nil {
			c.Fatal(err)
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil
	})
	return pid
}

// kill signals process 1.
func (c *container) kill(s syscall.Signal) {
	c.Helper()
	if err := syscall.Kill(c.first(), s); err != nil {
		c.Fatal(err)
	}
}

// ends waits for the end and returns exit code and time.
func (c *container) ends() (code int, took time.Duration) {
	c.Helper()
	begin := time.Now()
	limit := time.AfterFunc(40*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer limit.Stop()
	_ = c.cmd.Wait() // the code is looked at
	return c.cmd.ProcessState.ExitCode(), time.Since(begin)
}

// inside lists the container's processes as "PID NAME UID STATE", numbers as
// they are inside.
func (c *container) inside() map[string][]string {
	c.Helper()
	out := map[string][]string{}
	ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", c.first()))
	if err != nil {
		c.Fatal(err)
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		c.Fatal(err)
	}
	for _, d := range dirs {
		if to, err := os.Readlink(d + "/ns/pid"); err != nil || to != ns {
			continue
		}
		b, err := os.ReadFile(d + "/status")
		if err != nil {
			continue
		}
		field := func(name string) string {
			m := regexp.MustCompile(`(?m)^` + name + `:\t(.*)$`).FindSubmatch(b)
			if m == nil {
				return ""
			}
			f := strings.Fields(string(m[1]))
			if name == "NSpid" {
				return f[len(f)-1]
			}
			return f[0]
		}
		out[field("Name")] = []string{field("NSpid"), field("Uid"), field("State"), filepath.Base(d)}
	}
	return out
}

// smtp says lines to port 25 and expects the beginnings of replies.
func (c *container) smtp(lines ...string) net.Conn {
	c.Helper()
	conn, err := net.Dial("tcp", "127.0.0.1:25")
	if err != nil {
		c.Fatal(err)
	}
	r := bufio.NewReader(conn)
	for i := 0; i < len(lines); i += 2 {
		if lines[i] != "" {
			if _, err := conn.Write([]byte(lines[i] + "\r\n")); err != nil {
				c.Fatal(err)
			}
		}
		reply, err := r.ReadString('\n')
		if err != nil || !strings.HasPrefix(reply, lines[i+1]) {
			c.Fatalf("reply to %q: %q, %v, want %q", lines[i], reply, err, lines[i+1])
		}
	}
	return conn
}

// mail sends a message by SMTP.
func (c *container) mail(to, text string) {
	c.Helper()
	conn := c.smtp("", "220 mx.box.test", "HELO x", "250", "MAIL FROM:<s@far.test>", "250", "RCPT TO:<"+to+">", "250",
		"DATA", "354", "Subject: x\r\n\r\n"+text+"\r\n.", "250 ok", "QUIT", "221")
	if err := conn.Close(); err != nil {
		c.Fatal(err)
	}
}

// has waits for a message below alias.
func (c *container) has(text string) {
	c.Helper()
	eventually(c.T, text, func() bool {
		out, _ := run(c.T, "/", "grep", "-rlF", text, c.dir+home+"/alias/Maildir/new")
		return out != ""
	})
}

var boxEnv = []string{"CONTROL_ME=mx.box.test", "CONTROL_LOCALS=box.test mx.box.test"}

// TestRecipe builds both images of the Containerfile and runs them.
func TestRecipe(t *testing.T) {
	freshWith(t, wholeMachine, func(t *testing.T) {
		images := buildRecipe(t)
		for _, name := range []string{"small", ""} {
			im := images[name]
			if im.stopSignal != "SIGTERM" || len(im.volumes) != 5 {
				t.Errorf("image %q: stop signal %s, volumes %v", name, im.stopSignal, im.volumes)
			}
			if st, err := os.Stat(im.dir + home + "/bin/qmail-queue"); err != nil || st.Mode()&os.ModeSetuid == 0 || st.Sys().(*syscall.Stat_t).Uid != 7795 && st.Sys().(*syscall.Stat_t).Uid != 7794 {
				t.Errorf("image %q: qmail-queue %v, %v", name, st.Mode(), err)
			}
			for _, v := range im.volumes[:4] { // as if the engine gave it empty volumes
				must(t, "/", "rm", "-rf", im.dir+v)
				must(t, "/", "mkdir", "-p", im.dir+v)
			}
			c := im.start(t, boxEnv)
			c.wait(`^tcpserver: status: 0/100$`)
			c.mail("postmaster@box.test", "to image "+name)
			c.has("to image " + name)
			c.lives(name)
			if t.Failed() {
				return
			}
		}
		containerServices(t, images["small"])
		containerStops(t, images[""])
		containerFails(t, images[""])
	})
}

// lives looks at what runs, at the log, at restarts, signals passed on, orphans,
// and at the end; then the volumes are used again.
func (c *container) lives(name string) {
	c.Helper()
	c.wait(`^end msg `)
	for _, line := range []string{`^qmail-container: /var/qmail/control/me made$`, `^qmail-container: qmail-send started, pid [0-9]+$`, `^new msg [0-9]+$`, `^tcpserver: ok [0-9]+ mx.box.test:`} {
		c.wait(line)
	}
	for program, uid := range map[string]string{"qmail-container": "0", "qmail-send": "779", "qmail-lspawn": "0", "qmail-rspawn": "779", "qmail-clean": "779", "tcpserver": "779"} {
		if p := c.inside()[program]; p == nil || !strings.HasPrefix(p[1], uid) {
			c.Errorf("image %q: %s is %v", name, program, p)
		}
	}
	if p := c.inside()["qmail-container"]; p[0] != "1" {
		c.Errorf("qmail-container is process %s", p[0])
	}
	// What dies is started again.
	for _, program := range []string{"qmail-send", "tcpserver"} {
		pid, err := strconv.Atoi(c.inside()[program][3])
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil {
			c.Fatal(err)
		}
		eventually(c.T, program+" again", func() bool {
			p := c.inside()[program]
			return p != nil && p[3] != strconv.Itoa(pid) && p[2] != "Z"
		})
	}
	c.wait(`ended: signal 9; it is started again`)
	eventually(c.T, "SMTP again", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:25")
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	c.mail("postmaster@box.test", "after restarts "+name)
	c.has("after restarts " + name)
	// HUP is for locals and rules, and passed on.
	rules := c.dir + "/run/qmail/tcp.smtp.cdb"
	before, err := os.Stat(rules)
	if err != nil {
		c.Fatal(err)
	}
	if err := os.WriteFile(c.dir+home+"/control/locals", []byte("box.test\nmore.test\n"), 0o644); err != nil {
		c.Fatal(err)
	}
	if err := os.WriteFile(c.dir+home+"/control/tcp.smtp", []byte("127.:allow,RELAYCLIENT=\"\",DATABYTES=\"77\"\n:deny\n"), 0o644); err != nil {
		c.Fatal(err)
	}
	c.kill(syscall.SIGHUP)
	eventually(c.T, "rules compiled anew", func() bool {
		after, err := os.Stat(rules)
		return err == nil && !os.SameFile(before, after)
	})
	eventually(c.T, "more.test is local", func() bool {
		c.mail("postmaster@more.test", "x")
		return regexp.MustCompile(`to local postmaster@more.test`).MatchString(c.log())
	})
	c.stops(0, 10*time.Second)
}

// stops sends TERM and looks at the end.
func (c *container) stops(code int, most time.Duration) {
	c.Helper()
	c.kill(syscall.SIGTERM)
	got, took := c.ends()
	if got != code || took > most {
		c.Errorf("exit %d after %v, want %d within %v", got, took, code, most)
	}
	if log := c.log(); !strings.HasSuffix(log, "qmail-container: stopped\n") || !strings.Contains(log, "qmail-container: stopping; ") {
		c.Errorf("the log ends in %q", log[max(0, len(log)-200):])
	}
}

// containerServices runs every server, on a read-only control.
func containerServices(t *testing.T, im *image) {
	t.Helper()
	must(t, "/", "mount", "--bind", im.dir+home+"/control", im.dir+home+"/control")
	must(t, "/", "mount", "-o", "remount,bind,ro", im.dir+home+"/control")
	defer must(t, "/", "umount", im.dir+home+"/control")
	c := im.start(t, []string{"GRACE=1", "CONTROL_ME=ignored.test"}, "smtp", "smtp:587", "qmtp", "qmqp", "pop3")
	for _, port := range []string{"25", "587", "209", "628", "110"} {
		eventually(t, "port "+port, func() bool {
			conn, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err != nil {
				return false
			}
			defer conn.Close()
			if port == "209" || port == "628" {
				return true
			}
			line, err := bufio.NewReader(conn).ReadString('\n')
			return err == nil && strings.Contains(line, "mx.box.test")
		})
	}
	c.stops(0, 10*time.Second)
}

// containerStops: deliveries and connections that last get the grace and no
// more; orphans are waited for; ALRM is passed on.
func containerStops(t *testing.T, im *image) {
	t.Helper()
	dot := func(ext, text string) {
		t.Helper()
		if err := os.WriteFile(im.dir+home+"/alias/.qmail-"+ext, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dot("orphan", "|(sleep 0.2; echo orphan ended >/proc/1/fd/1) & exit 0\n")
	dot("later", "|test -e /tmp/now || exit 111\n")
	dot("hang", "|trap '' TERM; echo hanging >/proc/1/fd/1; sleep 1000\n")
	must(t, "/", "sh", "-c", "rm -f "+im.dir+home+"/control/tcp.smtp")
	c := im.start(t, []string{"GRACE=2"})
	c.wait(`^tcpserver: status: 0/100$`)
	c.mail("later@box.test", "x")
	c.wait(`deferral: `)
	if err := os.WriteFile(im.dir+"/tmp/now", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c.kill(syscall.SIGALRM)
	c.wait(`starting delivery [0-9]+: msg [0-9]+ to local later@box.test\n(?s:.*)success: `)

	c.mail("orphan@box.test", "x")
	c.mail("hang@box.test", "x")
	eventually(t, "a hanging delivery", func() bool { return c.inside()["sleep"] != nil })
	eventually(t, "no zombie", func() bool {
		for name, p := range c.inside() {
			if p[2] == "Z" {
				return false
			}
			_ = name
		}
		return true
	})
	conn := c.smtp("", "220", "HELO x", "250") // an idle client
	defer conn.Close()
	begin := time.Now()
	c.stops(0, 20*time.Second)
	if took := time.Since(begin); took < 2*time.Second {
		t.Errorf("a delivery that runs got %v, want 2 seconds", took)
	}
	if log := c.log(); !strings.Contains(log, "time is over: what still runs is ended") {
		t.Errorf("the log does not say that time is over")
	}
	// The message is not lost: the next start tries again.
	dot("hang", "./Maildir/\n")
	c = im.start(t, nil)
	c.wait(`to local hang@box.test\n(?s:.*)success: `)
	c.kill(syscall.SIGINT)
	if code, took := c.ends(); code != 0 || took > 10*time.Second {
		t.Errorf("INT: exit %d after %v", code, took)
	}
}

// containerFails: what cannot be right is refused at once; a service that cannot
// run makes the container give up.
func containerFails(t *testing.T, im *image) {
	t.Helper()
	for _, tt := range []struct {
		env, args []string
		code      int
		want      string
	}{
		{nil, []string{"imap"}, 100, "qmail-container: fatal: there is no service imap; known are smtp, qmtp, qmqp, pop3\n"},
		{[]string{"CONTROL_NONE=x"}, nil, 100, "qmail-container: fatal: CONTROL_NONE: there is no control file none\n"},
		{[]string{"GRACE=long"}, nil, 100, "qmail-container: fatal: GRACE must be a number of seconds, not long\n"},
	} {
		c := im.start(t, tt.env, tt.args...)
		if code, _ := c.ends(); code != tt.code || c.log() != tt.want {
			t.Errorf("%v %v: exit %d, %q", tt.env, tt.args, code, c.log())
		}
	}
	if out, code := run(t, "/", "chroot", im.dir, home+"/bin/qmail-container"); code != 100 || !strings.Contains(out, "not the first process of a container") {
		t.Errorf("as another process: exit %d, %s", code, out)
	}
	must(t, "/", "mv", im.dir+home+"/control/rcpthosts", im.dir+"/tmp/rcpthosts")
	c := im.start(t, nil)
	if code, _ := c.ends(); code != 111 || !strings.Contains(c.log(), "SMTP would take mail for every host in the world") {
		t.Errorf("open relay: exit %d, %s", code, c.log())
	}
	must(t, "/", "mv", im.dir+"/tmp/rcpthosts", im.dir+home+"/control/rcpthosts")
	testkit.Script(t, im.dir+"/tmp/no", "exit 3")
	must(t, "/", "mount", "--bind", im.dir+"/tmp/no", im.dir+home+"/bin/tcpserver")
	c = im.start(t, nil)
	if code, took := c.ends(); code != 111 || took > 30*time.Second || strings.Count(c.log(), "smtp started") != 10 || !strings.Contains(c.log(), "giving up: smtp has ended 10 times") {
		t.Errorf("a server that cannot run: exit %d after %v", code, took)
	}
}
