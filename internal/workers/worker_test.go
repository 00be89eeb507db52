package workers

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/testkit"
	"goqmail/internal/worker"
)

func TestMain(m *testing.M) {
	testkit.Fakes{"worker": play, "liar": lie, "other": func() int { return 100 }}.Play()
	os.Exit(m.Run())
}

// play is a worker that copies descriptor 0 of the job to its descriptor 1, and
// obeys its first argument.
func play() int {
	o := worker.Offered(os.Args[0], pipe.MarkLocal)
	if o == nil {
		return 100
	}
	o.Serve(2, func(args []string, files []sys.FD) worker.Result {
		b, _ := files[0].ReadAll(1 << 20)
		_, _ = files[1].WriteString(string(b) + strings.Join(args, "|"))
		switch args[0] {
		case "die":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "retire":
			return worker.Result{Retire: true}
		}
		return worker.Result{Code: 7, Text: args[0]}
	})
	return 0
}

// lie is a worker that sends what its job says.
func lie() int {
	_, n, _ := pipe.ParseWorkerName(os.Args[0])
	fd := sys.FD(n)
	_ = fd.SendPacket([]byte(pipe.MarkLocal))
	buf := make([]byte, pipe.JobMax)
	n, _, err := fd.ReceivePacket(buf)
	j, err2 := pipe.ParseJob(buf[:n])
	if err != nil || err2 != nil {
		return 1
	}
	_ = fd.SendPacket([]byte(j.Args[0]))
	_, _, _ = fd.ReceivePacket(buf)
	return 0
}

func start(t *testing.T, fake string) *Worker {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w, err := Start("bin/fake", pipe.MarkLocal, Version{Ino: 1}, func(arg0 string, files []sys.FD) (child.Process, error) {
		return child.Start(&child.Cmd{Path: self, Args: []string{arg0}, Env: []string{testkit.FakeEnv(fake)}, Files: files})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Kill)
	return w
}

// do has a job done and returns its output and how it ended.
func do(t *testing.T, w *Worker, in string, args ...string) (string, pipe.JobAnswer, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(path, []byte(in), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := sys.Cwd().Open(path, sys.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, out, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.Send(args, []sys.FD{f, out})
	sys.CloseAll([]sys.FD{f, out})
	defer func() { _ = r.Close() }()
	if err != nil {
		return "", pipe.JobAnswer{}, err
	}
	text, err := r.ReadAll(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	a, err := p.Wait()
	return string(text), a, err
}

func TestJobs(t *testing.T) {
	w := start(t, "worker")
	if !w.Ready() {
		t.Fatal("a worker is not ready")
	}
	for i := range 3 {
		text, a, err := do(t, w, "in", "a", "", "b")
		if text != "ina||b" || a.Code != 7 || a.Text != "a" || err != nil {
			t.Errorf("job %d: %q, %+v, %v", i, text, a, err)
		}
	}
	if _, _, err := do(t, w, "", strings.Repeat("x", pipe.JobMax)); err != ErrUnfit {
		t.Errorf("a long job: %v, want ErrUnfit", err)
	}
	if _, _, err := do(t, w, "", "again"); err != nil {
		t.Errorf("after a job that did not fit: %v", err)
	}
	if _, _, err := do(t, w, "", "die"); err != ErrGone {
		t.Errorf("a job that kills: %v, want ErrGone", err)
	}
	if _, _, err := do(t, w, "", "a"); err != ErrRefused {
		t.Errorf("a dead worker: %v, want ErrRefused", err)
	}
	if w.Busy() != 0 {
		t.Errorf("%d jobs are left", w.Busy())
	}
}

func TestOtherProgram(t *testing.T) {
	w := start(t, "other") // one that does not know of workers
	if w.Ready() || w.Ended().Code() != 100 {
		t.Errorf("a program that is no worker is ready, or ended with %d", w.Ended())
	}
	if _, _, err := do(t, w, "", "a"); err != ErrGone && err != ErrRefused {
		t.Errorf("a program that is no worker: %v", err)
	}
}

func TestLiars(t *testing.T) {
	for _, packet := range []string{"x", "cccca\x01", strings.Repeat("y", 7)} {
		w := start(t, "liar")
		_, _, err := do(t, w, "", packet)
		if !errors.Is(err, ErrGone) {
			t.Errorf("a worker that says %q: %v, want ErrGone", packet, err)
		}
		if w.Usable(limits) {
			t.Errorf("a worker that says %q may go on", packet)
		}
	}
}

var limits = Limits{Jobs: 3, Age: time.Hour, Idle: time.Hour, Keep: 2}

func TestLimits(t *testing.T) {
	w := start(t, "worker")
	for i := range limits.Jobs {
		if !w.Usable(limits) {
			t.Fatalf("not usable after %d jobs", i)
		}
		_, _, _ = do(t, w, "", "a")
	}
	if w.Usable(limits) {
		t.Error("usable after all its jobs")
	}
	if w.usable(Limits{Jobs: 100, Age: time.Nanosecond}, time.Now()) {
		t.Error("usable in old age")
	}
	w = start(t, "worker")
	if _, _, err := do(t, w, "", "retire"); err != nil || w.Usable(limits) {
		t.Errorf("a worker that wants to retire: %v, usable %v", err, w.Usable(limits))
	}
}

func TestPool(t *testing.T) {
	one, two := Version{Ino: 1}, Version{Ino: 2}
	p := &Pool[string]{Limits: limits}
	if p.Get("joe", one) != nil {
		t.Error("an empty pool has a worker")
	}
	a, b, c := start(t, "worker"), start(t, "worker"), start(t, "worker")
	p.Put("joe", a)
	p.Put("joe", b)
	if p.Get("ann", one) != nil {
		t.Error("a worker for somebody else")
	}
	if p.Get("joe", one) != b || p.Get("joe", one) != a || p.Get("joe", one) != nil {
		t.Error("not the latest first")
	}
	p.Put("joe", a)
	p.Put("ann", b)
	p.Put("bob", c) // one too many
	if p.Get("joe", one) != nil || a.Usable(limits) {
		t.Error("one too many is kept")
	}
	if p.Get("ann", two) != nil || b.Usable(limits) {
		t.Error("an old version is kept")
	}
	p.Close()
	if c.Usable(limits) || p.Get("bob", one) != nil {
		t.Error("a worker is left after Close")
	}
}

// Where enough workers of a key are at work, who wants one waits for them for a
// while.
func TestEnough(t *testing.T) {
	one, two := Version{Ino: 1}, Version{Ino: 2}
	l := limits
	l.Enough, l.Patience = 2, time.Hour
	p := &Pool[string]{Limits: l}
	if p.Get("joe", one) != nil || p.Get("joe", one) != nil || p.Get("ann", one) != nil {
		t.Fatal("an empty pool has a worker")
	}
	got := make(chan *Worker)
	wants := func(v Version) { go func() { got <- p.Get("joe", v) }() }
	waits := func() {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			p.mu.Lock()
			n := len(p.queued)
			p.mu.Unlock()
			if n == 1 {
				return
			}
			if time.Now().After(end) {
				t.Fatal("nobody waits")
			}
		}
	}
	a, b := start(t, "worker"), start(t, "worker")
	wants(one)
	waits()
	p.Put("ann", b)
	p.Put("joe", a)
	if w := <-got; w != a {
		t.Error("not the worker that became free")
	}
	wants(two)
	waits()
	p.Put("joe", a)
	if <-got != nil || a.Usable(limits) {
		t.Error("a worker of another version")
	}
	p.Lose("joe") // one of the two is left
	if p.Get("joe", one) != nil {
		t.Error("a worker out of nowhere")
	}
	p.Limits.Patience = 0
	if p.Get("joe", one) != nil || len(p.queued) > 0 || p.busy["joe"] != 3 {
		t.Errorf("after waiting in vain: %v wait, busy %v", p.queued, p.busy)
	}
	for range 3 {
		p.Lose("joe")
	}
	if len(p.busy) != 0 {
		t.Errorf("busy %v", p.busy)
	}
}

func TestIdle(t *testing.T) {
	p := &Pool[int]{Limits: Limits{Jobs: 10, Age: time.Hour, Idle: time.Millisecond, Keep: 10}}
	w := start(t, "worker")
	p.Put(1, w)
	for end := time.Now().Add(10 * time.Second); w.Usable(p.Limits); {
		if time.Now().After(end) {
			t.Fatal("an idle worker stays")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestLook(t *testing.T) {
	dir := t.TempDir()
	d, err := sys.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	p := &Program{Dir: d, Path: "prog", Mark: pipe.MarkQueue}
	pad := strings.Repeat("x", chunk-10)
	for i, tt := range []struct {
		content string
		want    bool
	}{
		{"", false}, {string(pipe.MarkQueue), true}, {pad + string(pipe.MarkQueue), true}, {pad + pad + string(pipe.MarkQueue)[:20], false},
		{string(pipe.MarkLocal), false}, {strings.Repeat("y", 3*chunk) + string(pipe.MarkQueue) + "z", true},
	} {
		if err := os.WriteFile(filepath.Join(dir, "new"), []byte(tt.content), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "prog")); err != nil {
			t.Fatal(err)
		}
		v, got := p.Look()
		again, got2 := p.Look()
		if got != tt.want || got2 != got || v != again || v == (Version{}) {
			t.Errorf("file %d: Look = %v, %v; then %v, %v", i, v, got, again, got2)
		}
	}
	if err := os.Remove(filepath.Join(dir, "prog")); err != nil {
		t.Fatal(err)
	}
	if _, able := p.Look(); able {
		t.Error("a missing file is a worker")
	}
}

func TestClassic(t *testing.T) {
	home := t.TempDir()
	if err := os.Mkdir(home+"/control", 0o700); err != nil {
		t.Fatal(err)
	}
	if Classic(home) {
		t.Error("classic without the file")
	}
	if err := os.WriteFile(home+"/control/classic", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !Classic(home) {
		t.Error("not classic with the file")
	}
}
