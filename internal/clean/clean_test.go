package clean

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// A fakeStore holds names and their ages in memory.
type fakeStore struct {
	files  map[string]sys.Info
	fail   string   // what begins so fails
	calls  []string // all but Stat and EachName
	looked map[string]int
}

func newStore(names ...string) *fakeStore {
	s := &fakeStore{files: map[string]sys.Info{}, looked: map[string]int{}}
	for _, n := range names {
		s.files[n] = sys.Info{}
	}
	return s
}

func (s *fakeStore) hit(op string) error {
	s.calls = append(s.calls, op)
	if s.fail != "" && strings.HasPrefix(op, s.fail) {
		return sys.ErrTimeout // anything but "does not exist"
	}
	return nil
}

func (s *fakeStore) Unlink(name string) error {
	if err := s.hit("unlink " + name); err != nil {
		return err
	}
	if _, ok := s.files[name]; !ok {
		return sys.NewError("unlink", name, syscall.ENOENT)
	}
	delete(s.files, name)
	return nil
}

func (s *fakeStore) SyncDir(name string) error { return s.hit("sync " + name) }

func (s *fakeStore) Stat(name string) (sys.Info, error) {
	if s.fail == "stat "+name {
		return sys.Info{}, sys.ErrTimeout
	}
	st, ok := s.files[name]
	if !ok {
		return st, sys.NewError("stat", name, syscall.ENOENT)
	}
	return st, nil
}

func (s *fakeStore) EachName(dir string, f func(string) bool) error {
	s.looked[dir]++
	for name := range s.files {
		if n, ok := strings.CutPrefix(name, dir+"/"); ok {
			f(n)
		}
	}
	return nil
}

func clock(t int64) func() int64 { return func() int64 { return t } }

func TestRequests(t *testing.T) {
	tests := []struct {
		name, in, fail, want string
		calls                string
	}{
		{"message done", "foop/457\x00", "", "+", "unlink intd/457, unlink mess/20/457"},
		{"preprocessed", "todo/457\x00", "", "+", "unlink intd/457, unlink todo/457"},
		{"nothing there", "foop/9\x00todo/9\x00", "", "++", "unlink intd/9, unlink mess/9/9, unlink intd/9, unlink todo/9"},
		{"intd stays", "foop/457\x00", "unlink intd/", "!", "unlink intd/457"},
		{"mess stays", "foop/457\x00", "unlink mess/", "!", "unlink intd/457, unlink mess/20/457"},
		{"intd stays, todo", "todo/457\x00", "unlink intd/", "!", "unlink intd/457"},
		{"todo stays", "todo/457\x00", "unlink todo/", "!", "unlink intd/457, unlink todo/457"},
		{"path escape", "foop/../../etc\x00", "", "x", ""},
		{"no number", "foop/\x00foop/x\x00", "", "xx", ""},
		{"digits, then more", "foop/457a\x00", "", "x", ""},
		{"other prefix", "mess/457\x00", "", "x", ""},
		{"fifth byte", "todox457\x00", "", "x", ""},
		{"too short", "\x00foop/\x00", "", "xx", ""},
		{"too long", "foop/" + strings.Repeat("0", 92) + "457\x00foop/9\x00", "", "x+", "unlink intd/9, unlink mess/9/9"},
		{"much too long", strings.Repeat("foop/457", 10000) + "\x00foop/9\x00", "", "x+", "unlink intd/9, unlink mess/9/9"},
		{"longest", "foop/" + strings.Repeat("0", 91) + "457\x00", "", "+", "unlink intd/457, unlink mess/20/457"},
		{"number over 2^64-1", "foop/18446744073709551616\x00", "", "x", ""},
		{"incomplete at the end", "foop/457\x00todo/457", "", "+", "unlink intd/457, unlink mess/20/457"},
		{"nothing", "", "", "", ""},
	}
	for _, tt := range tests {
		for _, in := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
			s := newStore("intd/457", "mess/20/457", "todo/457")
			s.fail = tt.fail
			c := &cleaner{dir: s, now: clock(1000000)}
			var out bytes.Buffer
			if code := c.serve(in, &out); code != exitOK || out.String() != tt.want {
				t.Errorf("%s: exit %d, answers %q, want %d and %q", tt.name, code, out.String(), exitOK, tt.want)
			}
			if got := strings.Join(s.calls, ", "); got != tt.calls {
				t.Errorf("%s: did %q, want %q", tt.name, got, tt.calls)
			}
		}
	}
}

// Without the directory todo/ nothing can come back, and the name is gone.
func TestNoTodo(t *testing.T) {
	h := testkit.NewHome(t)
	if err := os.Remove(h.Path("queue/todo")); err != nil {
		t.Fatal(err)
	}
	dir, err := sys.OpenDir(h.Queue())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	c := &cleaner{dir: dir, now: clock(1)}
	if got := c.answer([]byte("todo/457")); got != pipe.CleanDone {
		t.Errorf("todo/457 without todo/ is answered %q, want %q", got, pipe.CleanDone)
	}
}

func TestEnds(t *testing.T) {
	c := &cleaner{dir: newStore(), now: clock(1)}
	if code := c.serve(iotest.ErrReader(sys.ErrTimeout), io.Discard); code != exitOK {
		t.Errorf("read error: exit %d", code)
	}
	if code := c.serve(strings.NewReader("foop/1\x00"), testkit.BrokenPipe(t)); code != exitNoAnswer {
		t.Errorf("nobody reads answers: exit %d, want %d", code, exitNoAnswer)
	}
	if code := Run(&prog.Process{Home: "/nonexistent"}); code != exitNoQueue {
		t.Errorf("no queue: exit %d, want %d", code, exitNoQueue)
	}
}

// Rubbish goes at an age of 36 hours, not a second before.
func TestCleanup(t *testing.T) {
	const now = 10 * queue.Ossified
	old, young := int64(now-queue.Ossified), int64(now-queue.Ossified+1)
	aged := func(atime, mtime, ctime int64) sys.Info {
		return sys.Info{Atime: atime, Mtime: mtime, Ctime: ctime}
	}
	files := map[string]struct {
		info  sys.Info
		stays bool
	}{
		"pid/1.2.3":   {aged(old, now, now), false}, // atime alone counts
		"pid/.hidden": {aged(old, now, now), false},
		"pid/4.5.6":   {aged(young, 0, 0), true},
		"intd/1":      {aged(old, old, old), false},
		"intd/2":      {aged(old, old, young), true},
		"intd/3":      {aged(old, young, old), true},
		"intd/4":      {aged(young, old, old), true},
		"intd/5":      {aged(0, 0, 0), true}, // has mess
		"mess/5/5":    {aged(0, 0, 0), true},
		"intd/6":      {aged(0, 0, 0), true}, // has todo
		"todo/6":      {aged(0, 0, 0), true},
		"intd/07":     {aged(0, 0, 0), true}, // not a name of ours
		"intd/junk":   {aged(0, 0, 0), true},
		"mess/8/8":    {aged(0, 0, 0), true}, // qmail-send asks for it
	}
	s := newStore()
	for name, f := range files {
		s.files[name] = f.info
	}
	(&cleaner{dir: s, now: clock(now)}).cleanup()
	for name, f := range files {
		if _, ok := s.files[name]; ok != f.stays {
			t.Errorf("%s (%+v): still there %v, want %v", name, f.info, ok, f.stays)
		}
	}
	// What cannot be looked at or removed stays and ends nothing.
	for _, fail := range []string{"stat pid/1", "unlink pid/1", "stat intd/2", "stat mess/2/2", "stat todo/2", "unlink intd/2"} {
		s := newStore("pid/1", "intd/2")
		s.fail = fail
		(&cleaner{dir: s, now: clock(now)}).cleanup()
		if len(s.files) != 1 {
			t.Errorf("%s fails: left %v, want one of two", fail, s.files)
		}
	}
}

// pid/ is looked through at the start and after every 31 requests, intd/ at the
// start and at most once an hour.
func TestCleanupTimes(t *testing.T) {
	for _, tt := range []struct{ requests, pid, intd int }{{0, 1, 1}, {30, 1, 1}, {31, 2, 1}, {61, 2, 1}, {62, 3, 2}, {93, 4, 2}} {
		s := newStore()
		now := int64(1000000)
		c := &cleaner{dir: s, now: func() int64 { now += orphansEvery / 2; return now }}
		c.serve(strings.NewReader(strings.Repeat("x\x00", tt.requests)), io.Discard)
		if s.looked["pid"] != tt.pid || s.looked["intd"] != tt.intd {
			t.Errorf("%d requests: pid/ looked at %d times, intd/ %d times, want %d, %d", tt.requests, s.looked["pid"], s.looked["intd"], tt.pid, tt.intd)
		}
	}
	// A clock that was set back must not put it off for ever.
	s := newStore()
	now := int64(1000000)
	c := &cleaner{dir: s, now: func() int64 { return now }}
	c.cleanup()
	now = 5
	c.cleanup()
	if s.looked["intd"] != 2 {
		t.Errorf("clock set back: intd/ looked at %d times, want 2", s.looked["intd"])
	}
}

// The whole program on real files.
func TestRun(t *testing.T) {
	t.Chdir(t.TempDir())
	h := testkit.NewHome(t)
	n := h.AddMessage("x\n")
	id := strconv.FormatUint(n, 10)
	h.Write("queue/intd/"+id, "")
	h.Write("queue/todo/"+id, "")
	h.Write("queue/pid/1.2.3", "")
	h.Write("queue/pid/4.5.6", "")
	long := time.Now().Add(-queue.Ossified * time.Second)
	if err := os.Chtimes(h.Path("queue/pid/1.2.3"), long, long); err != nil {
		t.Fatal(err)
	}
	testkit.Occupied(t, h.Path("queue/intd/77"))
	want := []string{"intd/77/", "intd/77/occupied", "pid/4.5.6"}

	in := pipe.CleanRequest{Todo: true, ID: queue.ID(n)}.Append(nil)
	in = pipe.CleanRequest{ID: queue.ID(n)}.Append(in)
	in = pipe.CleanRequest{ID: 77}.Append(in)
	r, w, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ar, aw, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _, _ = r.Close(), ar.Close(), aw.Close() }()
	if _, err := w.Write(in); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	p := &prog.Process{Home: h.Dir, Now: time.Now, FDs: map[int]sys.FD{0: r, 1: aw}}
	if code := Run(p); code != exitOK {
		t.Errorf("exit %d", code)
	}
	if dir, err := os.Getwd(); err != nil || dir != h.Queue() {
		t.Errorf("directory %q %v, want %q", dir, err, h.Queue())
	}
	answers := make([]byte, 10)
	k, _ := ar.Read(answers)
	if string(answers[:k]) != "++!" {
		t.Errorf("answers %q, want ++!", answers[:k])
	}
	if got := h.Files(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("left %q, want %q", got, want)
	}
}

// FuzzServe gives any bytes: one answer for each NUL, and nothing touched but
// by a request that is one.
func FuzzServe(f *testing.F) {
	f.Add([]byte("foop/457\x00todo/457\x00foop/12a\x00todox9\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		s := newStore()
		c := &cleaner{dir: s, now: clock(1)}
		var out bytes.Buffer
		if code := c.serve(bytes.NewReader(in), &out); code != exitOK {
			t.Fatalf("exit %d", code)
		}
		done := 0
		for i, request := range bytes.Split(in, []byte{0}) {
			if i == out.Len() {
				break // the tail without a NUL
			}
			_, err := pipe.ParseCleanRequest(request)
			if ok := out.Bytes()[i] == byte(pipe.CleanDone); ok != (err == nil) {
				t.Errorf("%q answered %q", request, out.Bytes()[i])
			}
			if err == nil {
				done++
			}
		}
		if out.Len() != bytes.Count(in, []byte{0}) || len(s.calls) < 2*done || len(s.calls) > 3*done {
			t.Errorf("%q: answers %q, calls %q", in, out.Bytes(), s.calls)
		}
	})
}
