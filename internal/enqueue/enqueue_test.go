package enqueue

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/accounts"
	"goqmail/internal/header"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
	"goqmail/internal/worker"
)

// homeVar tells the fake program where its queue is; runVar that it is to be
// Run itself, which needs the suite's accounts.
const (
	homeVar = "ENQUEUE_TEST_HOME"
	runVar  = "ENQUEUE_TEST_RUN"
)

func TestMain(m *testing.M) {
	testkit.Fakes{"queue": fakeQueue}.Play()
	os.Exit(m.Run())
}

// fakeQueue is qmail-queue for a queue of the test's own.
func fakeQueue() int {
	p := prog.Self()
	p.Home, _ = p.Env.Get(homeVar)
	if _, ok := p.Env.Get(runVar); ok {
		return Run(p)
	}
	dir, err := sys.Cwd().OpenSearchDir(p.Home + "/queue")
	if err != nil || settle() != nil {
		return 1
	}
	hush(p)
	taker := &taker{now: p.Now, dir: dir, uid: 1000, who: header.ByUID + "1000"}
	if o := worker.Offered(p.Args[0], pipe.MarkQueue); o != nil {
		return taker.serve(o)
	}
	return taker.take(&diskStore{Dir: dir}, p.FD(0), p.FD(1), wasClosed(p.FD(0)), sys.Getpid())
}

// A text is a source with a fixed content, then an end or an error.
type text struct {
	*bytes.Reader
	err error
}

func (t text) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if err == io.EOF && t.err != nil {
		err = t.err
	}
	return n, err
}

func (text) ReadyWithin(time.Duration) bool { return true }

func source0(s string) text { return text{bytes.NewReader([]byte(s)), nil} }

// newJob makes a job for a home of the test's own.
func newJob(t *testing.T, h *testkit.Home, message, envelope string) *job {
	t.Helper()
	d, err := sys.OpenDir(h.Queue())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return &job{
		store: &diskStore{Dir: d}, message: source0(message), envelope: source0(envelope),
		uid: 1000, pid: 4711, who: header.ByUID + "1000", start: 1795000000,
	}
}

const (
	received = "Received: (qmail 4711 invoked by uid 1000); 18 Nov 2026 11:06:40 -0000\n"
	origin   = "u1000\x00p4711\x00"
)

func TestRun(t *testing.T) {
	long := strings.Repeat("x", queue.MaxAddress)
	many := strings.Repeat("T"+long+"\x00", 2*bufSize/queue.MaxAddress) // several buffers
	tests := []struct {
		name, message, envelope string
		want                    int
	}{
		{"usual", "Subject: x\n\nbody\n", "Fs@a\x00Tr@b\x00Tq@c\x00\x00", 0},
		{"empty message, no recipient, empty sender", "", "F\x00\x00", 0},
		{"any bytes", "\x00\xff\r\n.\n", "F\xff\n@a\x00T\r@b\x00\x00", 0},
		{"bytes after the end", "x\n", "Fs@a\x00Tr@b\x00\x00Tq@c\x00", 0},
		{"longest addresses", "x\n", "F" + long + "\x00T" + long + "\x00\x00", 0},
		{"large", strings.Repeat("0123456789abcde\n", 3*bufSize/16) + "end", "Fs@a\x00" + many + "\x00", 0},
		{"buffer filled exactly", strings.Repeat("y", bufSize-len(received)), "Fs@a\x00Tr@b\x00\x00", 0},
		{"sender too long", "x\n", "F" + long + "x\x00T\x00\x00", queue.ExitAddress},
		{"recipient too long", "x\n", "Fs\x00Tr@b\x00T" + long + "x\x00\x00", queue.ExitAddress},
		{"wrong first letter", "x\n", "Ts\x00\x00", queue.ExitLetter},
		{"no sender", "x\n", "\x00", queue.ExitLetter},
		{"wrong letter", "x\n", "Fs\x00Fs\x00\x00", queue.ExitLetter},
		{"no envelope", "x\n", "", queue.ExitRead},
		{"end after sender", "x\n", "Fs\x00", queue.ExitRead},
		{"end inside recipient", "x\n", "Fs\x00Tr@b", queue.ExitRead},
		{"end after recipient", "x\n", "Fs\x00Tr@b\x00", queue.ExitRead},
	}
	h := testkit.NewHome(t)
	for _, tt := range tests {
		empty(t, h)
		j := newJob(t, h, tt.message, tt.envelope)
		got := j.run(make([]byte, bufSize))
		n := uint64(j.id)
		want := map[string]string{}
		if tt.want == 0 {
			records := origin + tt.envelope[:end(tt.envelope)]
			want["queue/"+testkit.SplitPath("mess", n)] = received + tt.message
			want[fmt.Sprintf("queue/intd/%d", n)] = records
			want[fmt.Sprintf("queue/todo/%d", n)] = records
		}
		if got != tt.want || len(h.Files()) != len(want) {
			t.Errorf("%s: exit %d with files %q, want %d and %d files", tt.name, got, h.Files(), tt.want, len(want))
		}
		for name, w := range want {
			if c, _ := h.Read(name); c != w {
				t.Errorf("%s: %s = %.80q (%d bytes), want %.80q (%d bytes)", tt.name, name, c, len(c), w, len(w))
			}
		}
	}
}

// end is where the record that ends the envelope begins.
func end(envelope string) int {
	for i := 1; i < len(envelope); i++ {
		if envelope[i-1] == 0 && envelope[i] == 0 {
			return i
		}
	}
	return len(envelope)
}

// noMess removes the directories of mess/.
func noMess(t *testing.T, q string) {
	for i := range testkit.Split {
		gone(t, q+"/mess/"+strconv.Itoa(i))
	}
}

// Directories that are not as they should be. What is left behind is for the
// 36-hour rule.
func TestTroubledQueue(t *testing.T) {
	tests := []struct {
		name    string
		trouble func(t *testing.T, q string)
		old     bool // there are no unnamed files
		want    int
		left    []string // patterns
	}{
		{"no pid/", func(t *testing.T, q string) { gone(t, q+"/pid") }, false, queue.ExitPidFile, nil},
		{"no pid/, old", func(t *testing.T, q string) { gone(t, q+"/pid") }, true, queue.ExitPidFile, nil},
		{"no mess/S", noMess, false, queue.ExitMessFile, []string{`pid/4711\.1795000000\.1`}},
		{"no mess/S, old", noMess, true, queue.ExitMessFile, []string{`pid/4711\.1795000000\.1`}},
		{"no intd/", func(t *testing.T, q string) { gone(t, q+"/intd") }, false, queue.ExitIntdFile, nil},
		{"no todo/", func(t *testing.T, q string) { gone(t, q+"/todo") }, false, queue.ExitTodoFile, nil},
		{"pid names taken", func(t *testing.T, q string) {
			for seq := 1; seq <= queue.PidTries; seq++ {
				testkit.NotDir(t, fmt.Sprintf("%s/pid/4711.1795000000.%d", q, seq))
			}
		}, true, queue.ExitPidFile, []string{"pid/.*", "pid/.*", "pid/.*", "pid/.*", "pid/.*", "pid/.*", "pid/.*", "pid/.*", "pid/.*"}},
		{"eight pid names taken", func(t *testing.T, q string) {
			for seq := 1; seq < queue.PidTries; seq++ {
				testkit.Occupied(t, fmt.Sprintf("%s/pid/4711.1795000000.%d", q, seq))
			}
		}, true, 0, []string{"intd/.*", "mess/.*", "pid/.*", "todo/.*"}},
	}
	for _, tt := range tests {
		h := testkit.NewHome(t)
		tt.trouble(t, h.Queue())
		j := newJob(t, h, "x\n", "Fs\x00Tr\x00\x00")
		if tt.old {
			j.store = old{j.store}
		}
		if got := j.run(make([]byte, bufSize)); got != tt.want {
			t.Errorf("%s: exit %d, want %d", tt.name, got, tt.want)
		}
		files := h.Files()
		if tt.want == 0 {
			files = files[:0] // only that it works with the last name
			continue
		}
		if len(files) != len(tt.left) {
			t.Errorf("%s: left %q, want %q", tt.name, files, tt.left)
			continue
		}
		for i, f := range files {
			if ok, _ := regexp.MatchString("^"+tt.left[i]+"$", f); !ok {
				t.Errorf("%s: left %q, want %q", tt.name, f, tt.left[i])
			}
		}
	}
}

// empty removes all messages.
func empty(t *testing.T, h *testkit.Home) {
	t.Helper()
	for _, name := range h.Files() {
		gone(t, h.Queue()+"/"+name)
	}
}

func gone(t *testing.T, dir string) {
	t.Helper()
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
}

// Names that somebody else has must stay as they are.
func TestTakenNames(t *testing.T) {
	for _, tt := range []struct {
		kind queue.Kind
		want int
	}{{queue.Mess, queue.ExitMessFile}, {queue.Intd, queue.ExitIntdFile}, {queue.Todo, queue.ExitTodoFile}} {
		for _, oldStore := range []bool{false, true} {
			h := testkit.NewHome(t)
			j := newJob(t, h, "x\n", "Fs\x00Tr\x00\x00")
			f := &faults{store: j.store}
			// The number is that of the file that is made first.
			f.made = func(ino uint64) { h.Write("queue/"+tt.kind.Path(queue.ID(ino)), "not ours") }
			f.created = func(name string) {
				if !strings.HasPrefix(name, "pid/") {
					return
				}
				fi, err := os.Stat(filepath.Join(h.Queue(), name))
				if err != nil {
					t.Fatal(err)
				}
				f.made(fi.Sys().(*syscall.Stat_t).Ino)
			}
			j.store = f
			if oldStore {
				j.store = old{f}
			}
			if got := j.run(make([]byte, bufSize)); got != tt.want {
				t.Errorf("%s taken, old %v: exit %d, want %d", tt.kind, oldStore, got, tt.want)
			}
			if c, ok := h.Read("queue/" + tt.kind.Path(j.id)); !ok || c != "not ours" {
				t.Errorf("%s taken, old %v: it is now %q, %v", tt.kind, oldStore, c, ok)
			}
		}
	}
}

func TestReadError(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(*job)
	}{
		{"message", func(j *job) { j.message = text{bytes.NewReader([]byte("x")), sys.ErrTimeout} }},
		{"envelope", func(j *job) { j.envelope = text{bytes.NewReader([]byte("Fs\x00")), sys.ErrTimeout} }},
		{"message closed", func(j *job) { j.noMessage = true }},
	} {
		h := testkit.NewHome(t)
		j := newJob(t, h, "x\n", "Fs\x00Tr\x00\x00")
		tt.spoil(j)
		if got := j.run(make([]byte, bufSize)); got != queue.ExitRead || len(h.Files()) != 0 {
			t.Errorf("%s: exit %d with files %q, want %d and none", tt.name, got, h.Files(), queue.ExitRead)
		}
	}
}

// A late source is not ready when it is asked.
type late struct{ text }

func (late) ReadyWithin(time.Duration) bool { return false }

// An envelope that lets itself be waited for must not delay the flush of the
// message, and a flush that fails counts more than what is wrong with the
// envelope.
func TestLateEnvelope(t *testing.T) {
	for _, tt := range []struct {
		envelope, fail string
		want           int
	}{
		{"Fs\x00Tr\x00\x00", "", 0},
		{"Fs\x00Tr\x00\x00", "sync mess/", queue.ExitWrite},
		{"Xs\x00Tr\x00\x00", "", queue.ExitLetter},
		{"Xs\x00Tr\x00\x00", "sync mess/", queue.ExitWrite},
	} {
		h := testkit.NewHome(t)
		j := newJob(t, h, "x\n", "")
		j.envelope = late{source0(tt.envelope)}
		f := &faults{store: j.store, sticky: tt.fail}
		j.store = f
		if got := j.run(make([]byte, bufSize)); got != tt.want || got != 0 && len(h.Files()) != 0 {
			t.Errorf("%q, failing %q: exit %d with files %q, want %d", tt.envelope, tt.fail, got, h.Files(), tt.want)
		}
	}
}

func TestInvoker(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		for _, tt := range []struct {
			uid  uint32
			want string
		}{
			{testkit.UIDAlias, "by alias"}, {testkit.UIDDaemon, "from network"}, {testkit.UIDSend, "for bounce"},
			{0, "by uid 0"}, {testkit.UIDQueue, fmt.Sprintf("by uid %d", testkit.UIDQueue)}, {1<<32 - 1, "by uid 4294967295"},
		} {
			if got, err := invoker(accounts.Open(), tt.uid); got != tt.want || err != nil {
				t.Errorf("invoker(%d) = %q, %v, want %q", tt.uid, got, err, tt.want)
			}
		}
	})
}

// A child is the fake qmail-queue with pipes to it.
type child struct {
	cmd      *exec.Cmd
	message  *os.File
	envelope *os.File
	errs     bytes.Buffer
}

func start(t *testing.T, h *testkit.Home, env ...string) *child {
	t.Helper()
	c := &child{cmd: exec.Command(testkit.Fake(t, h.Path("bin/qmail-queue"), "queue"))}
	c.cmd.Env = append(append(os.Environ(), homeVar+"="+h.Dir), env...)
	mr, mw, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	er, ew, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.message, c.envelope = mw, ew
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = mr, er, &c.errs
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = mr.Close(), er.Close()
	t.Cleanup(func() { _, _ = mw.Close(), ew.Close() })
	return c
}

// finish sends the rest and returns the exit code.
func (c *child) finish(message, envelope string) int {
	_, _ = io.WriteString(c.message, message)
	_ = c.message.Close()
	_, _ = io.WriteString(c.envelope, envelope)
	_ = c.envelope.Close()
	_ = c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}

// reading waits until the child has read what was sent, by sending more than a
// pipe holds: then it is past its preparations.
func (c *child) reading() {
	_, _ = io.WriteString(c.message, strings.Repeat("x\n", 70000))
}

func TestSignals(t *testing.T) {
	tests := []struct {
		sig  syscall.Signal
		want int // -1: killed by it
	}{
		{syscall.SIGHUP, 0}, {syscall.SIGINT, 0}, {syscall.SIGQUIT, 0}, {syscall.SIGPIPE, 0},
		{syscall.SIGVTALRM, 0}, {syscall.SIGPROF, 0}, {syscall.SIGXCPU, 0}, {syscall.SIGXFSZ, 0},
		{syscall.SIGALRM, queue.ExitTimeout}, {syscall.SIGTERM, -1},
		{syscall.SIGILL, queue.ExitBug}, {syscall.SIGABRT, queue.ExitBug}, {syscall.SIGFPE, queue.ExitBug},
		{syscall.SIGBUS, queue.ExitBug}, {syscall.SIGSEGV, queue.ExitBug}, {syscall.SIGSYS, queue.ExitBug},
	}
	h := testkit.NewHome(t)
	for _, tt := range tests {
		empty(t, h)
		c := start(t, h)
		c.reading()
		if err := c.cmd.Process.Signal(tt.sig); err != nil {
			t.Fatal(err)
		}
		got := c.finish("end\n", "Fs\x00Tr\x00\x00")
		if got != tt.want || c.errs.Len() != 0 {
			t.Errorf("%v: exit %d with %q on descriptor 2, want %d and nothing", tt.sig, got, c.errs.String(), tt.want)
		}
		if queued := hasTodo(h); queued != (tt.want == 0) {
			t.Errorf("%v: exit %d, files %q", tt.sig, got, h.Files())
		}
		if tt.want == queue.ExitTimeout && len(h.Files()) == 0 {
			t.Errorf("%v: cleaned up, which is not to be", tt.sig)
		}
	}
}

func hasTodo(h *testkit.Home) bool {
	for _, f := range h.Files() {
		if strings.HasPrefix(f, "todo/") {
			return true
		}
	}
	return false
}

// A process of its own: modes under a hostile umask, the file size limit, the
// trigger, descriptors that are closed.
func TestProcess(t *testing.T) {
	h := testkit.NewHome(t)
	trigger, err := os.OpenFile(h.Path("queue/lock/trigger"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = trigger.Close() }()
	old := syscall.Umask(0)
	c := start(t, h)
	syscall.Umask(old)
	if got := c.finish("x\n", "Fs\x00Tr\x00\x00"); got != 0 || c.errs.Len() != 0 {
		t.Fatalf("exit %d with %q on descriptor 2", got, c.errs.String())
	}
	for _, f := range h.Files() {
		if fi, err := os.Stat(filepath.Join(h.Queue(), f)); err != nil || fi.Mode() != queue.ModeQueueFile {
			t.Errorf("%s: %v, %v", f, fi, err)
		}
	}
	if n, _ := trigger.Read(make([]byte, 8)); n != 1 {
		t.Errorf("the trigger got %d bytes, want 1", n)
	}

	h = testkit.NewHome(t)
	c = &child{cmd: exec.Command("/bin/sh", "-c", testkit.Fake(t, h.Path("bin/q"), "queue")+" <&- >&-")}
	c.cmd.Env = append(os.Environ(), homeVar+"="+h.Dir)
	if _ = c.cmd.Run(); c.cmd.ProcessState.ExitCode() != queue.ExitRead || len(h.Files()) != 0 {
		t.Errorf("descriptors 0 and 1 closed: %v with files %q, want exit %d and none", c.cmd.ProcessState, h.Files(), queue.ExitRead)
	}

	h = testkit.NewHome(t)
	c = &child{cmd: exec.Command("/bin/sh", "-c", "ulimit -f 8; "+testkit.Fake(t, h.Path("bin/q"), "queue")+" <"+h.Path("big"))}
	h.Write("big", strings.Repeat("x", 10000))
	c.cmd.Env = append(os.Environ(), homeVar+"="+h.Dir)
	if _ = c.cmd.Run(); c.cmd.ProcessState.ExitCode() != queue.ExitWrite || len(h.Files()) != 0 {
		t.Errorf("file size limit: %v with files %q, want exit %d and none", c.cmd.ProcessState, h.Files(), queue.ExitWrite)
	}
}

// The whole of Run, which needs the accounts.
func TestRunWhole(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		h := testkit.NewHome(t)
		if got := start(t, h, runVar+"=1").finish("x\n", "Fs\x00Tr\x00\x00"); got != 0 || !hasTodo(h) {
			t.Errorf("exit %d, files %q", got, h.Files())
		}
		if got := start(t, h, runVar+"=1", homeVar+"=/nonexistent").finish("", ""); got != queue.ExitHome {
			t.Errorf("no home: exit %d, want %d", got, queue.ExitHome)
		}
		if got := start(t, h, runVar+"=1", homeVar+"="+h.Path("bin")).finish("", ""); got != queue.ExitQueueDir {
			t.Errorf("no queue: exit %d, want %d", got, queue.ExitQueueDir)
		}
		bad := func(name, wantErr string, want int) {
			c := start(t, h, runVar+"=1")
			if got := c.finish("", ""); got != want || c.errs.String() != wantErr {
				t.Errorf("%s: exit %d with %q on descriptor 2, want %d with %q", name, got, c.errs.String(), want, wantErr)
			}
		}
		if err := os.WriteFile(accounts.PasswdFile, []byte("root:x:0:0::/:/bin/sh\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		bad("no accounts", "fatal: unable to find user alias\n", queue.ExitSetID)
		gone(t, accounts.PasswdFile)
		testkit.Occupied(t, accounts.PasswdFile)
		bad("accounts unreadable", "", queue.ExitConfig)
	})
}
