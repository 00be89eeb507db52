package enqueue

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// faults is a store in which calls fail. An operation is named by its call and
// the name it is about: "link mess/20/457", "write intd/457".
type faults struct {
	store
	at      int               // the call that fails, counted from 1; 0: none
	dead    bool              // from that call on, nothing has an effect any more
	sticky  string            // what begins so fails always; "": none
	wrap    func(store) store // puts another store below
	created func(name string) // called after a file was made with a name
	made    func(ino uint64)  // called after one was made without

	mu    sync.Mutex
	calls []string
}

// hit counts a call and says whether it fails.
func (f *faults) hit(op, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	op += " " + name
	f.calls = append(f.calls, op)
	n := len(f.calls)
	if n == f.at || f.dead && f.at > 0 && n > f.at || f.sticky != "" && strings.HasPrefix(op, f.sticky) {
		return &sys.Error{Op: op}
	}
	return nil
}

func (f *faults) Create(name string) (file, error) {
	if err := f.hit("create", name); err != nil {
		return nil, err
	}
	c, err := f.store.Create(name)
	if err == nil && f.created != nil {
		f.created(name)
	}
	return &faultFile{c, f, name}, err
}

func (f *faults) CreateUnnamed() (file, error) {
	if err := f.hit("create", "unnamed"); err != nil {
		return nil, err
	}
	c, err := f.store.CreateUnnamed()
	if err != nil {
		return nil, err
	}
	if f.made != nil {
		ino, _ := c.Ino()
		f.made(ino)
	}
	return &faultFile{c, f, "unnamed"}, nil
}

func (f *faults) OpenDir(name string) (dir, error) {
	if err := f.hit("opendir", name); err != nil {
		return nil, err
	}
	d, err := f.store.OpenDir(name)
	return faultDir{d, f, name}, err
}

func (f *faults) Link(old, new string) error {
	if err := f.hit("link", new); err != nil {
		return err
	}
	return f.store.Link(old, new)
}

func (f *faults) Unlink(name string) error {
	if err := f.hit("unlink", name); err != nil {
		return err
	}
	return f.store.Unlink(name)
}

type faultFile struct {
	file
	f    *faults
	name string
}

// kind is the name under which a file is known once it has its number.
func (f *faultFile) kind() string {
	return strings.Replace(strings.Replace(f.name, "pid/", "mess/", 1), "unnamed", "mess/", 1)
}

func (f *faultFile) LinkTo(name string) error {
	if err := f.f.hit("name", name); err != nil {
		return err
	}
	return f.file.LinkTo(name)
}

// Write writes a part before it fails.
func (f *faultFile) Write(p []byte) (int, error) {
	if err := f.f.hit("write", f.kind()); err != nil {
		if !f.f.dead {
			_, _ = f.file.Write(p[:len(p)/2])
		}
		return len(p) / 2, err
	}
	return f.file.Write(p)
}

func (f *faultFile) Sync() error {
	if err := f.f.hit("sync", f.kind()); err != nil {
		return err
	}
	return f.file.Sync()
}

func (f *faultFile) Truncate(size int64) error {
	if err := f.f.hit("truncate", f.kind()); err != nil {
		return err
	}
	return f.file.Truncate(size)
}

func (f *faultFile) Ino() (uint64, error) {
	if err := f.f.hit("stat", f.name); err != nil {
		return 0, err
	}
	return f.file.Ino()
}

type faultDir struct {
	dir
	f    *faults
	name string
}

func (d faultDir) Sync() error {
	if err := d.f.hit("syncdir", d.name); err != nil {
		return err
	}
	return d.dir.Sync()
}

const (
	faultMessage  = "Subject: x\n\nbody\n"
	faultEnvelope = "Fs@a\x00Tr@b\x00\x00"
)

// state names the files of a queue that has seen one message only: "pid",
// "mess", "mess intd", ...; it fails the test when what is queued is not whole.
func state(t *testing.T, what string, h *testkit.Home) string {
	t.Helper()
	has := map[string]bool{}
	for _, name := range h.Files() {
		kind, _, _ := strings.Cut(name, "/")
		has[kind] = true
	}
	var s []string
	for _, k := range []queue.Kind{queue.Pid, queue.Mess, queue.Intd, queue.Todo} {
		if has[string(k)] {
			s = append(s, string(k))
		}
	}
	if has["todo"] {
		for _, name := range h.Files() {
			got, _ := h.Read("queue/" + name)
			want := origin + strings.TrimSuffix(faultEnvelope, "\x00")
			if strings.HasPrefix(name, "mess/") {
				want = received + faultMessage
			}
			if got != want {
				t.Errorf("%s: queued, but %s is %q", what, name, got)
			}
		}
	}
	return strings.Join(s, " ")
}

// attempt runs one job with faults in a queue that it empties first.
func attempt(t *testing.T, h *testkit.Home, f *faults) (code int) {
	t.Helper()
	empty(t, h)
	j := newJob(t, h, faultMessage, faultEnvelope)
	f.store = j.store
	if f.wrap != nil {
		f.store = f.wrap(f.store)
	}
	j.store = f
	return j.run(make([]byte, bufSize))
}

// old is the store of a kernel or a file system without unnamed files.
type old struct{ store }

func (old) CreateUnnamed() (file, error) { return nil, &sys.Error{Op: "open"} }

// nameless is that of a system on which an unnamed file can be made, and not be
// given a name: without /proc, before Linux 6.10.
type nameless struct{ store }

func (s nameless) CreateUnnamed() (file, error) {
	f, err := s.store.CreateUnnamed()
	return namelessFile{f}, err
}

type namelessFile struct{ file }

func (namelessFile) LinkTo(string) error { return &sys.Error{Op: "link"} }

// A failure is what happens when a call fails.
type failure struct {
	sticky string // what fails
	want   int
	left   string
}

// TestFailures makes each system call fail in its turn.
func TestFailures(t *testing.T) {
	tests := []failure{
		// Whatever is wrong with files without names, pid/ is there.
		{"create unnamed", queue.ExitOK, "mess intd todo"},
		{"stat unnamed", queue.ExitPidFile, "pid"}, // and again when it has a name there
		{"name mess/", queue.ExitOK, "mess intd todo"},
		{"name", queue.ExitOK, "mess intd todo"},
		{"write mess/", queue.ExitWrite, ""},
		{"create intd/", queue.ExitIntdFile, ""},
		{"write intd/", queue.ExitWrite, ""},
		{"sync mess/", queue.ExitWrite, ""},
		{"sync intd/", queue.ExitWrite, ""},
		{"opendir mess/", queue.ExitWrite, ""},
		{"syncdir mess/", queue.ExitWrite, ""},
		{"opendir todo", queue.ExitTodoFile, ""},
		{"link todo/", queue.ExitTodoFile, ""},
		// qmail-send may have taken it: only the name in todo/ may go.
		{"syncdir todo", queue.ExitWrite, "mess intd"},
	}
	byPid := append(slices.Clone(tests[4:]), []failure{
		{"create pid/", queue.ExitPidFile, ""},
		{"stat pid/", queue.ExitPidFile, "pid"},
		{"link mess/", queue.ExitMessFile, "pid"},
		{"unlink pid/", queue.ExitPidFile, "pid mess"},
		{"unlink", queue.ExitPidFile, "pid mess"},
	}...)
	testFailures(t, tests, func(s store) store { return s })
	testFailures(t, byPid, func(s store) store { return old{s} })
	testFailures(t, byPid, func(s store) store { return nameless{s} })
}

// testFailures makes what the rows say fail in a store that is made by wrap, and
// wants a row for each call that there is.
func testFailures(t *testing.T, tests []failure, wrap func(store) store) {
	t.Helper()
	h := testkit.NewHome(t)
	seen := map[string]bool{"create unnamed": true, "stat unnamed": true, "name mess": true, "name pid": true}
	for _, tt := range tests {
		f := &faults{sticky: tt.sticky, wrap: wrap}
		got := attempt(t, h, f)
		if left := state(t, tt.sticky, h); got != tt.want || left != tt.left {
			t.Errorf("%s fails: exit %d with %q left, want %d with %q", tt.sticky, got, left, tt.want, tt.left)
		}
		seen[generic(tt.sticky)] = true
	}
	f := &faults{wrap: wrap}
	if got := attempt(t, h, f); got != 0 {
		t.Fatalf("without failures: exit %d", got)
	}
	for _, op := range f.calls {
		if !seen[generic(op)] {
			t.Errorf("no row for %q", op)
		}
	}
}

// generic is an operation without the numbers in it.
func generic(op string) string {
	return strings.TrimRight(regexp.MustCompile(`[0-9.]+`).ReplaceAllString(op, ""), "/")
}

// TestCleanup makes the removal of a message that cannot be queued fail.
func TestCleanup(t *testing.T) {
	for _, tt := range []struct{ sticky, left string }{
		{"", ""},
		{"unlink intd/", "mess intd"}, // never intd without mess
		{"unlink mess/", "mess"},
		{"truncate", ""},
	} {
		f := &faults{sticky: tt.sticky}
		h := testkit.NewHome(t)
		j := newJob(t, h, faultMessage, "Fs\x00Xr\x00\x00")
		f.store = j.store
		j.store = f
		if got := j.run(make([]byte, bufSize)); got != queue.ExitLetter || state(t, tt.sticky, h) != tt.left {
			t.Errorf("%q fails: exit %d with files %q, want %d with %q", tt.sticky, got, h.Files(), queue.ExitLetter, tt.left)
		}
	}
}

// TestDeath ends the process before each call in its turn, and lets each call
// fail once: whatever happens, exit 0 means queued whole, any other code means
// not queued, and the state is one of those the queue knows.
func TestDeath(t *testing.T) {
	stores := []func(store) store{
		func(s store) store { return s },
		func(s store) store { return old{s} },
		func(s store) store { return nameless{s} },
	}
	legal := map[string]bool{"": true, "pid": true, "pid mess": true, "mess": true, "mess intd": true, "mess intd todo": true}
	h := testkit.NewHome(t)
	for i := range 6 {
		dead := i%2 == 0
		for at := 1; ; at++ {
			f := &faults{at: at, dead: dead, wrap: stores[i/2]}
			code := attempt(t, h, f)
			if len(f.calls) < at {
				break
			}
			what := fmt.Sprintf("store %d, call %d (%s), dead %v", i/2, at, f.calls[at-1], dead)
			left := state(t, what, h)
			if !legal[left] {
				t.Errorf("%s: left %q", what, left)
			}
			queued := left == "mess intd todo"
			if !dead && queued != (code == 0) || dead && code == 0 {
				t.Errorf("%s: exit %d with %q left", what, code, left)
			}
		}
	}
}

// disk is a store in memory that knows what a loss of power would take: data
// that was not flushed, and names whose directory was not.
type disk struct {
	t     *testing.T
	mu    sync.Mutex
	files map[string]*diskNode // by name, as the running system sees them
	safe  map[string]bool      // names that are on disk
	next  uint64
}

type diskNode struct {
	d    *disk
	ino  uint64
	safe bool // all that was written is on disk

	// A name was given to it: what is flushed before that is, for a check of the
	// disk, a file that was removed.
	named bool
}

func (d *disk) Create(name string) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next++
	n := &diskNode{d: d, ino: d.next, named: true}
	d.files[name] = n
	return n, nil
}

func (d *disk) CreateUnnamed() (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.next++
	return &diskNode{d: d, ino: d.next}, nil
}

func (n *diskNode) LinkTo(name string) error {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	n.named = true
	n.d.files[name] = n
	return nil
}

func (d *disk) OpenDir(name string) (dir, error) { return diskDir{d, name}, nil }

// Link checks, when the message is about to be queued, that nothing of it can
// be lost any more.
func (d *disk) Link(old, new string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[new] = d.files[old]
	if strings.HasPrefix(new, "todo/") {
		for name, n := range d.files {
			// Nothing rests on the name intd/N; see job.
			if name != new && (!n.safe || !d.safe[name] && !strings.HasPrefix(name, "intd/")) {
				d.t.Errorf("at the link to %s: %s: data on disk %v, name on disk %v", new, name, n.safe, d.safe[name])
			}
		}
	}
	return nil
}

func (d *disk) Unlink(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.files, name)
	return nil
}

func (n *diskNode) Write(p []byte) (int, error) {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	n.safe = false
	return len(p), nil
}

func (n *diskNode) Sync() error {
	n.d.mu.Lock()
	defer n.d.mu.Unlock()
	n.safe = n.named
	return nil
}

func (n *diskNode) StartWriteback()      {}
func (n *diskNode) Truncate(int64) error { return nil }
func (n *diskNode) Ino() (uint64, error) { return n.ino, nil }
func (n *diskNode) Gone() bool           { return false }

type diskDir struct {
	d    *disk
	name string
}

func (e diskDir) Sync() error {
	e.d.mu.Lock()
	defer e.d.mu.Unlock()
	for name := range e.d.files {
		if strings.HasPrefix(name, e.name+"/") {
			e.d.safe[name] = true
		}
	}
	return nil
}

// TestPowerFailure checks the promise of exit 0 on a disk that loses everything
// that was not flushed, in any order.
func TestPowerFailure(t *testing.T) {
	for _, envelope := range []source{source0(faultEnvelope), late{source0(faultEnvelope)}} {
		d := &disk{t: t, files: map[string]*diskNode{}, safe: map[string]bool{}, next: 456}
		j := &job{store: d, message: source0(faultMessage), envelope: envelope, who: "by uid 0"}
		if code := j.run(make([]byte, bufSize)); code != 0 {
			t.Fatalf("exit %d", code)
		}
		for _, name := range []string{queue.Mess.Path(j.id), queue.Todo.Path(j.id)} {
			n := d.files[name]
			if n == nil || !n.safe || !d.safe[name] {
				t.Errorf("exit 0, but %s is not on disk", name)
			}
		}
		if len(d.files) != 3 {
			t.Errorf("files: %v", d.files)
		}
	}
}

// zeros is a long message.
type zeros struct {
	text
	left int
}

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left)
	clear(p[:n])
	z.left -= n
	return n, nil
}

// TestMemory queues messages of very different sizes: the memory asked for must
// not depend on it.
func TestMemory(t *testing.T) {
	allocs := func(size int) float64 {
		return testing.AllocsPerRun(2, func() {
			d := &disk{t: t, files: map[string]*diskNode{}, safe: map[string]bool{}}
			j := &job{store: d, message: &zeros{left: size}, envelope: source0(faultEnvelope)}
			if code := j.run(make([]byte, bufSize)); code != 0 {
				t.Fatalf("exit %d", code)
			}
		})
	}
	if small, large := allocs(10), allocs(64<<20); large > small+1 {
		t.Errorf("%v allocations for 10 bytes, %v for 64 MiB", small, large)
	}
}

// robbed is a store from which other programs take files while todo/ is flushed.
type robbed struct {
	store
	take []queue.Kind
	id   func() queue.ID
}

func (r robbed) OpenDir(name string) (dir, error) {
	d, err := r.store.OpenDir(name)
	if name == string(queue.Todo) {
		return robbedDir{d, r}, err
	}
	return d, err
}

type robbedDir struct {
	dir
	r robbed
}

func (d robbedDir) Sync() error {
	for _, k := range d.r.take {
		if err := d.r.Unlink(k.Path(d.r.id())); err != nil {
			return err
		}
	}
	return d.dir.Sync()
}

// TestRobbed: a clock that is set forward by days makes qmail-send take a message
// that is being queued for rubbish. Exit 0 is no longer true then; it still is if
// the message was delivered meanwhile.
func TestRobbed(t *testing.T) {
	for _, tt := range []struct {
		take []queue.Kind
		want int
		left string
	}{
		{nil, queue.ExitOK, "mess intd todo"},
		{[]queue.Kind{queue.Mess}, queue.ExitWrite, "intd"},
		{[]queue.Kind{queue.Intd, queue.Mess}, queue.ExitWrite, ""},
		{[]queue.Kind{queue.Intd, queue.Todo, queue.Mess}, queue.ExitOK, ""},
	} {
		h := testkit.NewHome(t)
		j := newJob(t, h, faultMessage, "Fs\x00Tr\x00\x00")
		j.store = robbed{j.store, tt.take, func() queue.ID { return j.id }}
		var left []string
		code := j.run(make([]byte, bufSize))
		for _, name := range h.Files() {
			dir, _, _ := strings.Cut(name, "/")
			left = append(left, dir)
		}
		slices.SortFunc(left, func(a, b string) int { return strings.Index("mess intd todo", a) - strings.Index("mess intd todo", b) })
		if got := strings.Join(left, " "); code != tt.want || got != tt.left {
			t.Errorf("taken %v: exit %d with %q left, want %d with %q", tt.take, code, got, tt.want, tt.left)
		}
	}
}
