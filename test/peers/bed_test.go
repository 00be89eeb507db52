//go:build e2e

package peers

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/testkit"
	"goqmail/test/installed"
)

// patience is how long a test waits for anything. It is only reached by a test
// that fails.
const patience = 20 * time.Second

const (
	home     = "/var/qmail"
	hostName = "mx.peers.test"
	domain   = "peers.test" // local, besides hostName
	ownPath  = home + "/bin:/usr/bin:/usr/sbin:/bin:/sbin"
	peerPath = "/usr/bin:/usr/sbin:/bin:/sbin:" + home + "/bin"
	sendLog  = "/tmp/send.log" // of qmail-send when no supervisor runs it
)

// needed are the programs of others that the tests run.
var needed = []string{
	"dot-forward", "dovecot", "fastforward", "fetchmail", "fixcrio", "inetd", "maildrop", "mpop", "multilog", "mutt",
	"procmail", "rblsmtpd", "recordio", "runsv", "runsvdir", "s-nail", "setuidgid", "supervise", "sv", "svc", "svscan", "svstat",
	"swaks", "systemctl", "systemd-analyze", "tcpclient", "tcpd", "tcprules", "tcprulescheck", "tcpserver", "vacation", "xinetd",
}

func TestMain(m *testing.M) {
	installed.Main(m, func() error {
		if lacks := missing(); len(lacks) > 0 && os.Geteuid() == 0 && !testkit.Inside() {
			return errors.New("peers: missing: " + strings.Join(lacks, " ") + "; run PEERS=$(scripts/fetch-peers) make e2e")
		}
		return nil
	})
}

// missing lists the programs that are neither in $PEERS nor in the directories
// of Debian's packages.
func missing() (lacks []string) {
	for _, name := range needed {
		found := false
		for _, dir := range []string{"/usr/bin", "/usr/sbin"} {
			for _, top := range []string{testkit.Peers(), ""} {
				if _, err := os.Stat(top + dir + "/" + name); err == nil {
					found = true
				}
			}
		}
		if !found {
			lacks = append(lacks, name)
		}
	}
	return lacks
}

// A bed is an installed suite in a world, and what a test needs to use it.
type bed struct {
	*testing.T
	page *page
}

// onBed runs f in a world of its own with an installed suite, the peers, and
// the account ann, who has a Maildir. Nothing runs.
func onBed(t *testing.T, f func(b *bed)) {
	t.Helper()
	w := testkit.World{Host: hostName, Empty: true, Sendmail: true, Users: []testkit.User{
		{Name: "ann", UID: 6001, GID: 6001, Home: "/home/ann"},
		{Name: "dovecot", UID: 120, GID: 120, Home: "/nonexistent"}, {Name: "dovenull", UID: 121, GID: 121, Home: "/nonexistent"},
	}, Groups: []testkit.Group{{Name: "ann", GID: 6001}, {Name: "mail", GID: 8}, {Name: "dovecot", GID: 120}, {Name: "dovenull", GID: 121}}}
	if !testkit.Inside() {
		testkit.NeedRoot(t)
		w.Tree = installed.Tree(t)
	}
	testkit.InWorld(t, w, func(t *testing.T) {
		b := &bed{T: t, page: readPage(t)}
		for name, content := range map[string]string{
			"me": hostName, "locals": domain, "rcpthosts": domain,
		} {
			b.write(home+"/control/"+name, content+"\n", 0o644)
		}
		b.must(os.Mkdir("/home/ann", 0o755))
		b.must(os.Chown("/home/ann", 6001, 6001))
		for _, d := range []string{"", "/tmp", "/new", "/cur"} {
			b.must(os.Mkdir("/home/ann/Maildir"+d, 0o700))
			b.must(os.Chown("/home/ann/Maildir"+d, 6001, 6001))
		}
		b.write("/etc/shadow", shadow, 0o600)
		f(b)
	})
}

// must ends the test if err is not nil.
func (b *bed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// write makes a file, and the directories it is in.
func (b *bed) write(path, content string, mode os.FileMode) {
	b.Helper()
	b.must(os.MkdirAll(filepath.Dir(path), 0o755))
	b.must(os.WriteFile(path, []byte(content), mode))
	b.must(os.Chmod(path, mode))
}

// dotQmail makes ann's .qmail with the extension.
func (b *bed) dotQmail(ext, content string) {
	b.Helper()
	b.write("/home/ann/.qmail-"+ext, content, 0o644)
}

// command is a command with nothing but a PATH in its environment.
func command(path string, words ...string) *exec.Cmd {
	cmd := exec.Command("/usr/bin/env", append([]string{"PATH=" + path}, words...)...)
	cmd.Env = []string{}
	cmd.Dir = "/"
	return cmd
}

// run runs a command, found in the path, that has to succeed in time, and
// returns what it printed.
func (b *bed) run(path string, words ...string) string {
	b.Helper()
	cmd := command(path, words...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second // a daemon may have the pipe still
	b.must(cmd.Start())
	limit := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() }) // it may have ended
	defer limit.Stop()
	if err := cmd.Wait(); err != nil {
		b.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out.Bytes())
	}
	return out.String()
}

// background starts a command that runs until the world ends, or stop is
// called, with its output in a file.
func (b *bed) background(log, path string, words ...string) (stop func()) {
	b.Helper()
	f, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	b.must(err)
	cmd := command(path, words...)
	cmd.Stdout, cmd.Stderr = f, f
	b.must(cmd.Start())
	b.must(f.Close())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ends says nothing here
		close(ended)
	}()
	b.Cleanup(func() {
		if text, _ := os.ReadFile(log); b.Failed() {
			b.Logf("output of %s:\n%s", words[0], text)
		}
	})
	return func() {
		b.Helper()
		b.must(cmd.Process.Signal(syscall.SIGTERM))
		<-ended
	}
}

// eventually waits for something. It looks often.
func (b *bed) eventually(what string, f func() bool) {
	b.Helper()
	for limit := time.Now().Add(patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			b.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// lines are the complete lines of a file; none if it is not there.
func lines(path string) []string {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	list := strings.SplitAfter(string(text), "\n")
	list = list[:len(list)-1]
	for i, l := range list {
		list[i] = strings.TrimSuffix(l, "\n")
	}
	return list
}

// wait waits for a line that matches in the log file, from line number from on,
// and returns its groups and the number of the line after it.
func (b *bed) wait(log string, from int, pattern string) ([]string, int) {
	b.Helper()
	re := regexp.MustCompile(pattern)
	var m []string
	b.eventually(fmt.Sprintf("a line %q in %s", pattern, log), func() bool {
		for list := lines(log); from < len(list); from++ {
			if m = re.FindStringSubmatch(list[from]); m != nil {
				from++
				return true
			}
		}
		return false
	})
	return m, from
}

// start runs qmail without a supervisor, its log in sendLog.
func (b *bed) start() {
	b.Helper()
	b.background(sendLog, ownPath, "qmail-start", "./Maildir/")
	b.wait(sendLog, 0, `^status: local 0/10 remote 0/20$`)
}

// inject sends a message from ann by sendmail.
func (b *bed) inject(body, to string) {
	b.Helper()
	cmd := command(ownPath, "sendmail", "-f", "ann@"+domain, to)
	cmd.Stdin = strings.NewReader("Subject: x\n\n" + body + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("sendmail: %v %s", err, out)
	}
}

// becomesLocal makes new.test local, has qmail-send told, and waits until mail for
// it is delivered here. stamp is what each line of the log begins with; it is read
// from line from on, and the number of the line after the delivery's is returned.
func (b *bed) becomesLocal(log, stamp string, from int, hup func()) (next int) {
	b.Helper()
	b.write(home+"/control/locals", domain+"\nnew.test\n", 0o644)
	hup()
	b.eventually("a local delivery for a new domain", func() bool {
		b.inject("new", "ann@new.test") // the first may come before HUP
		m, next := b.wait(log, from, stamp+`starting delivery \d+: msg \d+ to (local|remote) ann@new\.test$`)
		from = next
		return m[1] == "local"
	})
	return from
}

// arrived waits for a message in ann's Maildir that contains the text.
func (b *bed) arrived(text string) (mail string) {
	b.Helper()
	b.eventually("a message with "+text, func() bool {
		names, err := filepath.Glob("/home/ann/Maildir/new/*")
		b.must(err)
		for _, name := range names {
			content, err := os.ReadFile(name)
			b.must(err)
			if strings.Contains(string(content), text) {
				mail = string(content)
				return true
			}
		}
		return false
	})
	return mail
}

// pids lists the living processes with a name.
func pids(name string) []int {
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	var list []int
	for _, d := range dirs {
		text, err := os.ReadFile(d + "/stat")
		if err != nil {
			continue // it has gone
		}
		s := string(text)
		open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
		if s[open+1:end] == name && s[end+2] != 'Z' {
			n, _ := strconv.Atoi(filepath.Base(d)) // the pattern says digits
			list = append(list, n)
		}
	}
	return list
}

// runsAs checks the processes with a name, of which there must be n: their
// program; their user, real, effective and saved; their groups, all of them.
func (b *bed) runsAs(n int, name, program string, uid, gid int) {
	b.Helper()
	var list []int
	b.eventually(fmt.Sprintf("%d processes %s", n, name), func() bool {
		list = pids(name)
		return len(list) == n
	})
	for _, pid := range list {
		b.process(pid, name, program, uid, gid)
	}
}

// process checks one process for runsAs.
func (b *bed) process(pid int, name, program string, uid, gid int) {
	b.Helper()
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	b.must(err)
	if exe != program {
		b.Errorf("%s is %s, want %s", name, exe, program)
	}
	for _, l := range lines(fmt.Sprintf("/proc/%d/status", pid)) {
		field, ids, _ := strings.Cut(l, ":")
		want := map[string]int{"Uid": uid, "Gid": gid, "Groups": gid}
		for _, id := range strings.Fields(ids) {
			if n, ok := want[field]; ok && id != strconv.Itoa(n) {
				b.Errorf("%s has %s %s, want only %d", name, field, ids, n)
				break
			}
		}
	}
}

// A session is one SMTP connection, seen from the client.
type session struct {
	b *bed
	c net.Conn
	r *bufio.Reader
}

// connect connects from an address to port 25, trying until somebody listens.
func (b *bed) connect(from string) *session { b.Helper(); return b.connectTo(from, 25) }

// connectTo is connect for another port.
func (b *bed) connectTo(from string, port int) *session {
	b.Helper()
	local := net.ParseIP(from)
	to := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if local.To4() == nil {
		to = net.JoinHostPort("::1", strconv.Itoa(port))
	}
	var c net.Conn
	b.eventually("a server on "+to, func() bool {
		var err error
		c, err = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: local}}).Dial("tcp", to)
		return err == nil
	})
	b.must(c.SetDeadline(time.Now().Add(patience)))
	return &session{b, c, bufio.NewReader(c)}
}

// say sends a line, unless it is empty, and expects a reply that begins as
// given.
func (s *session) say(line, want string) {
	s.b.Helper()
	if line != "" {
		_, err := s.c.Write([]byte(line + "\r\n"))
		s.b.must(err)
	}
	for {
		reply, err := s.r.ReadString('\n')
		if err != nil {
			s.b.Fatalf("reply to %q: %v", line, err)
		}
		if len(reply) > 3 && reply[3] == '-' && reply[0] != '-' {
			continue // SMTP: more lines come
		}
		if !strings.HasPrefix(reply, want) {
			s.b.Errorf("reply to %q = %q, want %q", line, reply, want)
		}
		return
	}
}

// closed expects the end of the connection without a reply.
func (s *session) closed() {
	s.b.Helper()
	if n, err := s.r.Read(make([]byte, 100)); n > 0 || err == nil {
		s.b.Errorf("read %d bytes, %v; want the connection closed", n, err)
	}
	s.b.must(s.c.Close())
}

// mail sends a message for ann with a text in it, and waits until it has
// arrived; relay is the reply to a recipient elsewhere. It returns the message.
func (b *bed) mail(from, text, relay string) string {
	b.Helper()
	s := b.connect(from)
	s.say("", "220 "+hostName)
	b.runsAs(1, "qmail-smtpd", home+"/bin/qmail-smtpd", testkit.UIDDaemon, testkit.GIDNofiles)
	s.say("EHLO there.test", "250 ")
	s.say("MAIL FROM:<s@far.test>", "250 ")
	s.say("RCPT TO:<x@far.test>", relay)
	s.say("RSET", "250 ")
	s.say("MAIL FROM:<s@far.test>", "250 ")
	s.say("RCPT TO:<ann@"+domain+">", "250 ")
	s.say("DATA", "354 ")
	s.say("Subject: x\r\n\r\n"+text+"\r\n.", "250 ok ")
	s.say("QUIT", "221 ")
	s.closed()
	return b.arrived(text)
}
