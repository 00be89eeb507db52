//go:build e2e

package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
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
const patience = 30 * time.Second

const (
	home     = "/var/qmail"
	hostName = "mx.e2e.test"
	domain   = "e2e.test" // local, besides hostName
	binPath  = home + "/bin:/usr/local/bin:/usr/bin:/bin"
)

func TestMain(m *testing.M) {
	fakes.Play()
	installed.Main(m)
}

// A bed is an installed suite in a world, and what a test needs to use it.
type bed struct {
	*testing.T
	journal *journal
	daemon  *exec.Cmd // qmail-start, which becomes qmail-send
	ended   chan error
	nextUID int
	path    string // PATH of qmail-start; "" is binPath
}

// onBed runs f in a world of its own with an installed suite: control/me and
// locals, but no users, and no daemons running.
func onBed(t *testing.T, f func(b *bed)) {
	t.Helper()
	w := testkit.World{Host: hostName, Empty: true}
	if !testkit.Inside() {
		testkit.NeedRoot(t)
		w.Tree = installed.Tree(t)
	}
	testkit.InWorld(t, w, func(t *testing.T) {
		b := &bed{T: t, journal: newJournal(), nextUID: 6001}
		b.control("me", hostName+"\n")
		b.control("locals", domain+"\n"+hostName+"\n")
		b.control("rcpthosts", domain+"\n"+hostName+"\n")
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("log of qmail-send:\n%s", strings.Join(b.journal.all(), "\n"))
			}
		})
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

// control writes a control file, or with an empty name.
func (b *bed) control(name, content string) {
	b.Helper()
	b.must(os.WriteFile(home+"/control/"+name, []byte(content), 0o644))
}

// eventually waits for something that no log line tells. It looks often.
func (b *bed) eventually(what string, f func() bool) {
	b.Helper()
	for limit := time.Now().Add(patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			b.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// start runs qmail-start with the arguments, or ./Mailbox, and waits for
// qmail-send's first line.
func (b *bed) start(args ...string) {
	b.Helper()
	if len(args) == 0 {
		args = []string{"./Mailbox"}
	}
	from := b.journal.mark()
	b.startQuietly(args...)
	b.wait(from, `^status: local 0/\d+ remote 0/\d+$`)
}

// startQuietly runs qmail-start and does not wait.
func (b *bed) startQuietly(args ...string) {
	b.Helper()
	cmd := command(home+"/bin/qmail-start", args...)
	if b.path != "" {
		cmd.Env = []string{"PATH=" + b.path}
	}
	b.startCommand(cmd)
}

// startCommand runs a command that becomes qmail-send.
func (b *bed) startCommand(cmd *exec.Cmd) {
	b.Helper()
	if b.daemon != nil {
		b.Fatal("qmail-send is already running")
	}
	r, w, err := os.Pipe()
	b.must(err)
	cmd.Stdout = w
	b.must(cmd.Start())
	b.must(w.Close())
	b.journal.follow(r)
	b.daemon, b.ended = cmd, make(chan error, 1)
	go func() { b.ended <- cmd.Wait() }()
}

// signal sends a signal to qmail-send.
func (b *bed) signal(sig syscall.Signal) {
	b.Helper()
	b.must(b.daemon.Process.Signal(sig))
}

// exit waits for qmail-send's end and returns its exit status, or minus the
// signal that ended it. The other daemons have gone too then.
func (b *bed) exit() int {
	b.Helper()
	select {
	case err := <-b.ended:
		var x *exec.ExitError
		if err != nil && !errors.As(err, &x) {
			b.Fatal(err)
		}
	case <-time.After(patience):
		b.Fatalf("qmail-send did not end in %v", patience)
	}
	ws := b.daemon.ProcessState.Sys().(syscall.WaitStatus)
	b.daemon = nil
	for _, name := range daemonNames {
		b.eventually("the end of "+name, func() bool { return len(pids(name)) == 0 })
	}
	b.journal.drained()
	if ws.Signaled() {
		return -int(ws.Signal())
	}
	return ws.ExitStatus()
}

// stop ends qmail-send by SIGTERM and expects a clean end.
func (b *bed) stop() {
	b.Helper()
	b.signal(syscall.SIGTERM)
	if code := b.exit(); code != 0 {
		b.Errorf("qmail-send ended by SIGTERM with %d, want 0", code)
	}
}

// daemonNames are the processes of a running suite, as the kernel names them.
var daemonNames = []string{"qmail-send", "qmail-lspawn", "qmail-rspawn", "qmail-clean"}

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

// pid returns the one living process with a name.
func (b *bed) pid(name string) int {
	b.Helper()
	var list []int
	b.eventually("one process "+name, func() bool {
		list = pids(name)
		return len(list) == 1
	})
	return list[0]
}

// wait waits for a log line that matches, at or after line number from, and
// returns its groups.
func (b *bed) wait(from int, pattern string) []string {
	b.Helper()
	m, _ := b.waitAt(from, pattern)
	return m
}

// waitAt is wait; it also returns the number of the line after the match.
func (b *bed) waitAt(from int, pattern string) ([]string, int) {
	b.Helper()
	m, next := b.journal.wait(from, pattern, patience)
	if m == nil {
		b.Fatalf("no log line %q in %v", pattern, patience)
	}
	return m, next
}

// never checks that no line from number from on matches; the caller has waited
// for something later.
func (b *bed) never(from int, pattern string) {
	b.Helper()
	if m, _ := b.journal.wait(from, pattern, 0); m != nil {
		b.Errorf("log line %q, want none that matches %q", m[0], pattern)
	}
}
