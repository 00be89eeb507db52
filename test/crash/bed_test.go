//go:build e2e

package crash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/testkit"
	"goqmail/test/installed"
)

const (
	home     = "/var/qmail"
	queueDir = home + "/queue"
	hostName = "mx.crash.test"
	domain   = "crash.test" // local, besides hostName

	// patience is how long a program may take. Only a test that fails waits
	// for it.
	patience = 10 * time.Second
)

// ann is the user of every test here: a Maildir, and .qmail files by need.
var ann = testkit.User{Name: "ann", UID: 6001, GID: 6001, Home: "/home/ann"}

var fakes = testkit.Fakes{"killat": killat}

func TestMain(m *testing.M) {
	fakes.Play()
	installed.Main(m)
}

// A bed is an installed suite in a world, with the user ann, and no daemons
// running.
type bed struct {
	*testing.T
	killat string // the tracer, "" where there is none
	rnd    *rand.Rand
	ids    atomic.Int64
	daemon *exec.Cmd // qmail-start, or the tracer that runs it
	ended  chan error

	failures int  // points that have failed
	rubbish  bool // what was removed may be there again: see kind.unordered
}

// onBed runs f in a world of its own. Needs are reasons to leave the test out:
// the first that is not "" is reported.
func onBed(t *testing.T, f func(b *bed), needs ...func() string) {
	t.Helper()
	t.Parallel()
	w := testkit.World{Host: hostName, Empty: true, Users: []testkit.User{ann}, Groups: []testkit.Group{{Name: ann.Name, GID: ann.GID}}}
	if !testkit.Inside() {
		testkit.NeedRoot(t)
		for _, need := range needs {
			if what := need(); what != "" {
				testkit.Lacking(t, what)
			}
		}
		w.Tree = installed.Tree(t)
	}
	testkit.InWorld(t, w, func(t *testing.T) {
		b := &bed{T: t}
		seed := time.Now().UnixNano()
		if s := os.Getenv("CRASHSEED"); s != "" {
			var err error
			seed, err = strconv.ParseInt(s, 10, 64)
			b.must(err)
		}
		b.rnd = rand.New(rand.NewSource(seed))
		t.Logf("CRASHSEED=%d", seed)
		if tracerMissing == "" {
			b.killat = testkit.Fake(t, "/tmp/killat", "killat")
		}
		for name, content := range map[string]string{
			"me": hostName + "\n", "locals": domain + "\n" + hostName + "\n", "rcpthosts": domain + "\n" + hostName + "\n",
		} {
			b.must(os.WriteFile(home+"/control/"+name, []byte(content), 0o644))
		}
		for _, a := range []string{"postmaster", "mailer-daemon", "root"} {
			b.must(os.WriteFile(home+"/alias/.qmail-"+a, []byte("#\n"), 0o644))
		}
		b.makeHome()
		f(b)
	})
}

// needTracer is a need of onBed.
func needTracer() string { return tracerMissing }

// seconds is how long each test of the running system may look for trouble.
func seconds() time.Duration {
	if n, err := strconv.Atoi(os.Getenv("CRASHTIME")); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	return 8 * time.Second
}

func (b *bed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// makeHome makes ann's home, or what is missing of it.
func (b *bed) makeHome() {
	b.Helper()
	for dir, mode := range map[string]os.FileMode{"": 0o755, "/Maildir": 0o700, "/Maildir/tmp": 0o700, "/Maildir/new": 0o700, "/Maildir/cur": 0o700} {
		b.must(os.MkdirAll(ann.Home+dir, 0o755))
		b.must(os.Chmod(ann.Home+dir, mode))
		b.must(os.Chown(ann.Home+dir, ann.UID, ann.GID))
	}
}

// emptyHome removes all mail of ann.
func (b *bed) emptyHome() {
	b.Helper()
	names, err := filepath.Glob(ann.Home + "/*")
	b.must(err)
	for _, n := range names {
		b.must(os.RemoveAll(n))
	}
	b.makeHome()
}

// annWrites makes a file in ann's home.
func (b *bed) annWrites(name, content string) {
	b.Helper()
	b.must(os.WriteFile(ann.Home+"/"+name, []byte(content), 0o600))
	b.must(os.Chown(ann.Home+"/"+name, ann.UID, ann.GID))
}

// A point is what the tracer does to a program, and when. The zero point only
// counts.
type point struct {
	exe    string // base name of the program
	n      int    // the call, of all that are counted
	of     int    // the same, of those with its name: threads make n differ a little from run to run
	action string // kill, fail, stick, noflush, nodirflush; "" counts
	errno  syscall.Errno
	call   string // of the run that counted, for messages
}

func (p point) String() string {
	s := fmt.Sprintf("%s of %s at call %d, %s", p.action, p.exe, p.n, p.call)
	if p.errno != 0 {
		s += ": " + p.errno.Error()
	}
	return s
}

// A call is a system call that killat counts.
type call struct {
	name    string
	args    string // what of its arguments is logged: see describe
	changes bool   // it changes something; the others only can fail
	errs    []syscall.Errno
}

// traceLog is where the tracer writes.
const traceLog = "/tmp/killat.log"

// traced returns the command line that runs a program with p done to exe.
func (b *bed) traced(p point, argv ...string) []string {
	if p.action == "" {
		p.action = "none"
	}
	name, _, _ := strings.Cut(p.call, " ")
	return append([]string{b.killat, p.exe, strconv.Itoa(p.of), name, p.action, strconv.Itoa(int(p.errno)), traceLog}, argv...)
}

// counted reads the tracer's log: the calls in order, and whether the point was
// reached.
func (b *bed) counted() (list []string, hit bool) {
	b.Helper()
	for line := range strings.Lines(b.read(traceLog)) {
		switch n, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " "); n {
		case "HIT":
			hit = true
		case "END":
		default:
			list = append(list, rest)
		}
	}
	return list, hit
}

// pointsOf numbers the calls of a log.
func pointsOf(exe string, list []string) (out []point) {
	of := map[string]int{}
	for i, text := range list {
		name, _, _ := strings.Cut(text, " ")
		of[name]++
		out = append(out, point{exe: exe, n: i + 1, of: of[name], call: text})
	}
	return out
}

// points lists what can be done to a program that was traced last: kill it
// before each call that changes something, and let each call fail with each
// error that makes sense.
func (b *bed) points(exe string) (kills, errs []point) {
	b.Helper()
	list, _ := b.counted()
	if len(list) == 0 {
		b.Fatalf("the tracer saw no call of %s", exe)
	}
	kinds := map[string]call{}
	for _, c := range calls {
		kinds[c.name] = c
	}
	kinds["thread"] = call{errs: []syscall.Errno{syscall.EAGAIN, syscall.ENOMEM}}
	kinds["openread"] = call{errs: []syscall.Errno{syscall.EIO, syscall.EMFILE, syscall.ENOMEM}}
	for _, p := range pointsOf(exe, list) {
		name, _, _ := strings.Cut(p.call, " ")
		if c := kinds[name]; c.changes {
			p.action = "kill"
			kills = append(kills, p)
		}
		for _, e := range kinds[name].errs {
			p.action, p.errno = "fail", e
			errs = append(errs, p)
			if e == syscall.ENOSPC {
				p.action = "stick"
				errs = append(errs, p)
			}
		}
	}
	return kills, errs
}

// newID names a message.
func (b *bed) newID() string { return fmt.Sprintf("m%d.", b.ids.Add(1)) }

// mail is a message that carries its name and an end mark, so that a part of it
// can be told from the whole.
func mail(id string, size int) string {
	s := "X-Crash-Id: " + id + "\nFrom: <s@" + domain + ">\nSubject: crash\n\n"
	line := "0123456789abcdefghijklmnopqrstuvwxyz " + id + "\n"
	return s + strings.Repeat(line, max(1, size/len(line))) + "X-Crash-End: " + id + "\n"
}

// identity finds the name of a message, and whether it is whole.
func identity(text string) (id string, whole bool) {
	_, rest, found := strings.Cut("\n"+text, "\nX-Crash-Id: ")
	if !found {
		return "", false
	}
	id, _, _ = strings.Cut(rest, "\n")
	return id, strings.Contains(text, "\nX-Crash-End: "+id+"\n")
}

// hung is the code of a program that did not end in time.
const hung = -1

// run runs a program with two descriptors to read and returns its exit code, or
// hung, and what it wrote to descriptor 2, and 1 unless that is read too.
func (b *bed) run(fd0, fd1 string, argv ...string) (code int, out string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = []string{"PATH=/usr/bin:/bin"}, "/"
	cmd.WaitDelay = time.Second
	var text bytes.Buffer
	b.must(os.WriteFile("/tmp/fd0", []byte(fd0), 0o600)) // a file: qmail-local rewinds it
	in, err := os.Open("/tmp/fd0")
	b.must(err)
	defer func() { _ = in.Close() }() // only read
	cmd.Stdin, cmd.Stderr = in, &text
	if fd1 == "" {
		cmd.Stdout = &text
	} else {
		r, w, err := os.Pipe()
		b.must(err)
		defer func() { _ = r.Close() }() // what is left in it is of no use
		go func() {
			_, _ = w.WriteString(fd1) // the program may end before it reads
			_ = w.Close()
		}()
		cmd.Stdout = r
	}
	err = cmd.Run()
	var x *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return hung, text.String()
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return 0, text.String()
	case errors.As(err, &x):
		if ws := x.Sys().(syscall.WaitStatus); ws.Signaled() {
			return 128 + int(ws.Signal()), text.String()
		}
		return x.ExitCode(), text.String()
	}
	b.Fatalf("%v: %v", argv, err)
	return 0, ""
}

// short is the beginning of what a program said.
func short(s string) string { return s[:min(len(s), 200)] }

// enqueue gives a message to qmail-queue and returns its exit code. The command
// line may come from traced.
func (b *bed) enqueue(id string, size int, recipients []string, argv ...string) int {
	b.Helper()
	env := "Fann@" + domain + "\x00"
	for _, r := range recipients {
		env += "T" + r + "\x00"
	}
	if len(argv) == 0 {
		argv = []string{home + "/bin/qmail-queue"}
	}
	code, _ := b.run(mail(id, size), env+"\x00", argv...)
	return code
}

// start runs qmail-start. With a point, it and all daemons are traced.
func (b *bed) start(p *point) {
	b.Helper()
	argv := []string{home + "/bin/qmail-start", "./Maildir/"}
	if p != nil {
		argv = b.traced(*p, argv...)
	}
	log, err := os.OpenFile("/tmp/log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	b.must(err)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = []string{"PATH=" + home + "/bin:/usr/bin:/bin"}, "/"
	cmd.Stdout, cmd.Stderr = log, log
	b.must(cmd.Start())
	b.must(log.Close())
	b.daemon, b.ended = cmd, make(chan error, 2)
	ended := b.ended
	go func() { ended <- cmd.Wait() }()
	for limit := time.Now().Add(patience); p == nil && len(pids("qmail-send")) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			b.Fatalf("qmail-start does not become qmail-send:\n%s", b.log())
		}
	}
}

// log returns what qmail-send said since the last call.
func (b *bed) log() string {
	b.Helper()
	text, err := os.ReadFile("/tmp/log")
	if os.IsNotExist(err) {
		return ""
	}
	b.must(err)
	b.must(os.Truncate("/tmp/log", 0))
	return string(text)
}

// stop ends qmail-send by SIGTERM, and waits until every process has gone.
func (b *bed) stop() {
	b.Helper()
	for _, pid := range pids("qmail-send") {
		_ = syscall.Kill(pid, syscall.SIGTERM) // it may be gone
	}
	select {
	case <-b.ended:
		b.ended <- nil // powerOff waits again
	case <-time.After(15 * time.Second):
		b.Error("qmail-send does not end after SIGTERM")
	}
	for limit := time.Now().Add(5 * time.Second); living() > 0 && time.Now().Before(limit); {
		time.Sleep(2 * time.Millisecond)
	}
	b.powerOff()
}

// powerOff kills every process of the world but this one.
func (b *bed) powerOff() {
	b.Helper()
	for living() > 0 {
		_ = syscall.Kill(-1, syscall.SIGKILL) // ESRCH: none is left
		time.Sleep(time.Millisecond)
	}
	if b.daemon != nil {
		<-b.ended
		b.daemon = nil
	}
	for { // what the dead left to the first process of the world
		if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != nil || pid <= 0 {
			return
		}
	}
}

// processes calls f with the number, name and state of each process but this.
func processes(f func(pid int, name string, state byte)) {
	dirs, _ := os.ReadDir("/proc") // it is mounted
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		text, err := os.ReadFile("/proc/" + d.Name() + "/stat")
		if err != nil {
			continue // it has gone
		}
		s := string(text)
		open, end := strings.IndexByte(s, '('), strings.LastIndexByte(s, ')')
		f(pid, s[open+1:end], s[end+2])
	}
}

// living counts the processes that have not ended.
func living() (n int) {
	processes(func(_ int, _ string, state byte) {
		if state != 'Z' && state != 'X' {
			n++
		}
	})
	return n
}

// pids lists the living processes with a name.
func pids(want string) (list []int) {
	processes(func(pid int, name string, state byte) {
		if name == want && state != 'Z' && state != 'X' {
			list = append(list, pid)
		}
	})
	return list
}
