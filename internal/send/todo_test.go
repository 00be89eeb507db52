package send

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// TestTodoTrouble makes preprocessing fail at each step. The message stays in
// todo/ and the next scan takes it from the beginning.
func TestTodoTrouble(t *testing.T) {
	tests := []struct {
		name, warning string // %[1]d is the number, %[2]s its split form, %[3]s its subdirectory
		fail          func(b *bed, id queue.ID) (repair func())
		rcpt          string
	}{
		{"open", "warning: unable to open todo/%[1]d", func(b *bed, id queue.ID) func() {
			text := b.file(queue.Todo, id)
			unopenable(b.t, b.path(queue.Todo, id))
			return func() { check(b.t, os.Remove(b.path(queue.Todo, id))); b.Write("queue/"+queue.Todo.Path(id), text) }
		}, ""},
		{"read", "warning: trouble reading todo/%[1]d", func(b *bed, id queue.ID) func() {
			text := b.file(queue.Todo, id)
			check(b.t, os.Remove(b.path(queue.Todo, id)))
			check(b.t, os.Mkdir(b.path(queue.Todo, id), 0o700))
			return func() { check(b.t, os.Remove(b.path(queue.Todo, id))); b.Write("queue/"+queue.Todo.Path(id), text) }
		}, ""},
		{"endless record", "warning: trouble reading todo/%[1]d", func(b *bed, id queue.ID) func() {
			text := b.file(queue.Todo, id)
			b.Write("queue/"+queue.Todo.Path(id), strings.Repeat("u", maxRecord+4096))
			return func() { b.Write("queue/"+queue.Todo.Path(id), text) }
		}, ""},
		{"no mess", "warning: unable to stat mess/%[2]s", func(b *bed, id queue.ID) func() {
			mess := b.path(queue.Mess, id)
			check(b.t, os.Rename(mess, mess+".x"))
			return func() { check(b.t, os.Rename(mess+".x", mess)) }
		}, ""},
		{"unlink local", "warning: unable to unlink local/%[2]s", func(b *bed, id queue.ID) func() {
			testkit.Occupied(b.t, b.path(queue.Local, id))
			return func() { check(b.t, os.RemoveAll(b.path(queue.Local, id))) }
		}, ""},
		{"unlink remote", "warning: unable to unlink remote/%[2]s", func(b *bed, id queue.ID) func() {
			testkit.Occupied(b.t, b.path(queue.Remote, id))
			return func() { check(b.t, os.RemoveAll(b.path(queue.Remote, id))) }
		}, ""},
		{"unlink info", "warning: unable to unlink info/%[2]s", func(b *bed, id queue.ID) func() {
			testkit.Occupied(b.t, b.path(queue.Info, id))
			return func() { check(b.t, os.RemoveAll(b.path(queue.Info, id))) }
		}, ""},
		{"create info", "warning: unable to create info/%[2]s", func(b *bed, id queue.ID) func() {
			dir := filepath.Dir(b.path(queue.Info, id))
			check(b.t, os.Remove(dir))
			return func() { check(b.t, os.Mkdir(dir, 0o700)) }
		}, ""},
		{"create local", "warning: unable to create local/%[2]s", func(b *bed, id queue.ID) func() {
			dir := filepath.Dir(b.path(queue.Local, id))
			check(b.t, os.Remove(dir))
			return func() { check(b.t, os.Mkdir(dir, 0o700)) }
		}, ""},
		{"create remote", "warning: unable to create remote/%[2]s", func(b *bed, id queue.ID) func() {
			dir := filepath.Dir(b.path(queue.Remote, id))
			check(b.t, os.Remove(dir))
			return func() { check(b.t, os.Mkdir(dir, 0o700)) }
		}, "x@far.test"},
		{"unknown record", "warning: unknown record type in todo/%[1]d", func(b *bed, id queue.ID) func() {
			text := b.file(queue.Todo, id)
			b.Write("queue/"+queue.Todo.Path(id), text+"Xz\x00")
			return func() { b.Write("queue/"+queue.Todo.Path(id), text) }
		}, ""},
		{"qmail-clean fails", "warning: qmail-clean unable to clean up todo/%[1]d", func(b *bed, id queue.ID) func() {
			b.clean.set(func(pipe.CleanRequest) byte { return byte(pipe.CleanFail) })
			return func() { b.clean.set(nil) }
		}, ""},
		{"qmail-clean answers rubbish", "warning: qmail-clean unable to clean up todo/%[1]d", func(b *bed, id queue.ID) func() {
			b.clean.set(func(pipe.CleanRequest) byte { return 0xff })
			return func() { b.clean.set(nil) }
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			if tt.rcpt == "" {
				tt.rcpt = "x@mx.example.test"
			}
			// no scan happens until the message is as it is to be
			todo := filepath.Join(b.Queue(), "todo")
			b.start(1, 1, filed)
			b.takeTodoAway()
			check(t, os.Rename(todo+".x", todo))
			id := b.put("s@a", tt.rcpt)
			repair := tt.fail(b, id)
			b.advance(sleepPause)
			warning := fmt.Sprintf(tt.warning, id, id.Split())
			b.logged(warning, 1)
			b.idle(local)
			b.idle(remote)
			repair()
			if !b.has(queue.Todo, id) {
				t.Fatal("the todo file is gone")
			}
			b.advance(sleepTodo)
			ch, c := local, queue.Local
			if tt.rcpt == "x@far.test" {
				ch, c = remote, queue.Remote
			}
			if got := b.command(ch); got.Recipient != tt.rcpt {
				t.Errorf("command %+v", got)
			}
			if f := b.file(c, id); f != "T"+tt.rcpt+"\x00" {
				t.Errorf("%v %q", c, f)
			}
			b.report(ch, 0, 'K', "")
			b.gone(id)
		})
	}
}

// failOnce is a flush that fails the first time it is asked for a name, and
// never again; it keeps what was asked.
type failOnce struct {
	mu     sync.Mutex
	name   string
	failed bool
	asked  []string
}

// note adds to what was asked.
func (f *failOnce) note(s string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, s)
}

// take returns what was asked so far and forgets it.
func (f *failOnce) take() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := strings.Join(f.asked, " ")
	f.asked = nil
	return s
}

var errFlush = errors.New("flush failed")

func (f *failOnce) check(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, name)
	if !f.failed && name == f.name {
		f.failed = true
		return errFlush
	}
	return nil
}

// nameOf is the path below the queue of an open file.
func nameOf(fd sys.FD, queueDir string) string {
	path, err := os.Readlink(fd.ProcPath())
	if err != nil {
		return err.Error()
	}
	return strings.TrimPrefix(path, queueDir+"/")
}

// sortedFlushes puts what was flushed before the request, side by side, in order.
func sortedFlushes(list string) string {
	before, after, _ := strings.Cut(list, " request")
	names := strings.Fields(before)
	slices.Sort(names)
	return strings.Join(names, " ") + " request" + after
}

// TestTodoFlush: files and directories side by side, then the request, then the
// directory of todo; what failed to reach the disk is not believed.
func TestTodoFlush(t *testing.T) {
	for _, kind := range []string{"info/file", "local/file", "remote/file", "info/dir", "local/dir", "remote/dir", "none"} {
		t.Run(kind, func(t *testing.T) {
			b := newBed(t)
			id := b.inject("s@a", "x@mx.example.test", "y@far.test")
			k, what, _ := strings.Cut(kind, "/")
			f := &failOnce{name: queue.Kind(k).Path(id)}
			if what == "dir" {
				f.name = queue.Kind(k).Dir(id)
			}
			b.clean.before = func(pipe.CleanRequest) { f.note("request") }
			b.start(1, 1, func(s *server) {
				s.fsync = func(fd sys.FD) error { return f.check(nameOf(fd, b.Queue())) }
				s.fsyncDir = f.check
			})
			if kind != "none" {
				b.logged("warning: trouble fsyncing "+f.name, 1)
				if !b.has(queue.Todo, id) || b.clean.requests() != "" {
					t.Fatal("the todo file was given up")
				}
				b.idle(local)
				f.take()
				b.pull()
			}
			b.command(local)
			b.command(remote)
			n := id.String()
			s := id.Sub()
			want := "info/" + s + " info/" + s + "/" + n + " local/" + s + " local/" + s + "/" + n +
				" remote/" + s + " remote/" + s + "/" + n + " request todo"
			if got := sortedFlushes(f.take()); got != want {
				t.Errorf("order %s, want %s", got, want)
			}
		})
	}
}

// TestTodoStaleFlush: the directory of a file that an earlier attempt left is
// flushed, even if this one makes no file there.
func TestTodoStaleFlush(t *testing.T) {
	b := newBed(t)
	id := b.inject("s@a", "x@mx.example.test")
	b.Write("queue/"+queue.Remote.Path(id), "Tx@nowhere.test\x00")
	f := &failOnce{}
	b.start(1, 1, filed, func(s *server) { s.fsyncDir = f.check })
	b.command(local)
	n := id.Sub()
	if got, want := sortedFlushes(f.take()), "info/"+n+" local/"+n+" remote/"+n+" todo request"; got != want {
		t.Errorf("flushed %s, want %s", got, want)
	}
}

// TestTodoBatch: many messages are flushed side by side, each directory once, and
// the one whose flush fails is not believed.
func TestTodoBatch(t *testing.T) {
	b := newBed(t)
	const n = flushTogether - 1
	var ids []queue.ID
	for range n {
		ids = append(ids, b.inject("s@a", "x@mx.example.test"))
	}
	bad := queue.Info.Path(ids[n/2])
	f := &failOnce{name: bad}
	b.start(n, 1, filed, func(s *server) {
		s.fsync = func(fd sys.FD) error { return f.check(nameOf(fd, b.Queue())) }
		s.fsyncDir = f.check
	})
	b.logged("warning: trouble fsyncing "+bad, 1)
	for range n - 1 {
		b.report(local, b.command(local).Delnum, 'K', "")
	}
	if !b.has(queue.Todo, ids[n/2]) {
		t.Error("a message was given up whose flush failed")
	}
	seen := map[string]int{}
	for _, name := range strings.Fields(f.take()) {
		seen[name]++
	}
	for _, id := range ids {
		if seen[queue.Info.Path(id)] != 1 || seen[queue.Local.Path(id)] != 1 || seen[queue.Info.Dir(id)] != 1 || seen[queue.Local.Dir(id)] != 1 {
			t.Errorf("message %d: flushed %v", id, seen)
		}
	}
	b.pull()
	b.command(local)
}

// TestTodoFlood: very many messages are flushed with their file system, and none of
// them is believed when that fails.
func TestTodoFlood(t *testing.T) {
	b := newBed(t)
	var ids []queue.ID
	for range flushTogether {
		ids = append(ids, b.inject("s@a", "x@mx.example.test"))
	}
	f := &failOnce{name: "all"}
	b.clean.before = func(pipe.CleanRequest) { f.note("request") }
	b.start(1, 1, filed, func(s *server) {
		s.fsync = func(fd sys.FD) error { return f.check(nameOf(fd, b.Queue())) }
		s.fsyncDir = f.check
		s.syncfs = func() error { return f.check("all") }
	})
	for _, id := range ids {
		b.logged("warning: trouble fsyncing "+queue.Info.Path(id), 1)
	}
	if b.clean.requests() != "" {
		t.Fatal("todo files were given up")
	}
	b.idle(local)
	f.take()
	b.pull()
	b.command(local)
	want := "all" + strings.Repeat(" request", len(ids)) + " todo"
	if got := f.take(); got != want {
		t.Errorf("order %s, want %s", got, want)
	}
}

// TestTodoRedo: files that a crash left beside a todo file are made anew, marks
// in them do not count.
func TestTodoRedo(t *testing.T) {
	b := newBed(t)
	id := b.inject("s@mx.example.test", "x@mx.example.test")
	b.Write("queue/"+queue.Info.Path(id), "Fwrong@a\x00")
	b.Write("queue/"+queue.Local.Path(id), "Dx@mx.example.test\x00")
	b.Write("queue/"+queue.Remote.Path(id), "Tx@nowhere.test\x00")
	b.start(2, 2)
	if c := b.command(local); c.Sender != "s@mx.example.test" || c.Recipient != "x@mx.example.test" {
		t.Errorf("command %+v", c)
	}
	b.idle(local)
	b.idle(remote)
	b.report(local, 0, 'K', "")
	b.gone(id)
}

// TestOwnBounce: the message that bounced ends before its bounce is
// preprocessed, even if the queue program is slow to exit.
func TestOwnBounce(t *testing.T) {
	b := newBed(t)
	mess := queue.ID(b.AddMessage("bounce"))
	testkit.Script(t, b.Path("bin/qmail-queue"), fmt.Sprintf(`cat >/dev/null
cd queue
{ printf 'u1\0p%%d\0' $$; printf 'F\0Ts@mx.example.test\0'; } >pid/new
mv pid/new todo/%d
printf x >lock/trigger
read nothing <go
exit 0`, mess))
	check(t, syscall.Mkfifo(b.Path("queue/go"), 0o600))
	id := b.queued("Fs@mx.example.test\x00", "", "", "<x@y>:\nno\n\n")
	b.start(1, 1, filed)
	b.until("the bounce", func() bool { return b.has(queue.Todo, mess) })
	b.pull()
	fd, err := os.OpenFile(b.Path("queue/go"), os.O_WRONLY, 0) // waits for the reader
	check(t, err)
	check(t, fd.Close())
	b.command(local)
	if got, want := b.clean.requests(), fmt.Sprintf("foop/%d todo/%d", id, mess); got != want {
		t.Errorf("requests %s, want %s", got, want)
	}
	b.logged(fmt.Sprintf("new msg %d", mess), 1)
	log := b.log.all()
	if strings.Index(log, fmt.Sprintf("end msg %d", id)) > strings.Index(log, fmt.Sprintf("new msg %d", mess)) {
		t.Errorf("log:\n%s", log)
	}
}

func TestAwaitOwn(t *testing.T) {
	dir, err := sys.OpenDir(t.TempDir())
	check(t, err)
	defer func() { _ = dir.Close() }()
	fd, err := dir.Open("todo", sys.ReadWrite|sys.Create, 0o600)
	check(t, err)
	defer func() { _ = fd.Close() }()
	s := &server{stop: make(chan struct{})}
	for _, text := range []string{"", "u1", "u1\x00p", "u1\x00x77\x00", "u1\x00p78\x00", "p77\x00u1\x00"} {
		check(t, fd.Truncate(0))
		_, err = fd.WriteAt([]byte(text), 0)
		check(t, err)
		end := s.own.begin(77)
		if !s.awaitOwn(fd) {
			t.Errorf("awaitOwn(%q) = false", text)
		}
		end()
	}
	_, err = fd.WriteAt(queue.AppendOrigin(nil, 7796, 77), 0)
	check(t, err)
	for _, want := range []bool{true, false} {
		end := s.own.begin(77)
		got := make(chan bool)
		go func() { got <- s.awaitOwn(fd) }()
		select {
		case <-got:
			t.Error("awaitOwn did not wait")
		default:
		}
		if want {
			end()
		} else {
			close(s.stop)
		}
		if g := <-got; g != want {
			t.Errorf("awaitOwn() = %v, want %v", g, want)
		}
	}
}

// TestTodoNames: names that are not numbers stay for ever, in silence; one with
// leading zeros is no message's.
func TestTodoNames(t *testing.T) {
	b := newBed(t)
	b.Write("queue/todo/junkname", "Fs@a\x00")
	b.Write("queue/todo/99999999999999999999999", "Fs@a\x00")
	id := b.inject("s@a", "x@mx.example.test")
	b.start(1, 1)
	b.command(local)
	b.report(local, 0, 'K', "")
	b.gone(id)
	if got := strings.Join(b.Files(), " "); got != "todo/99999999999999999999999 todo/junkname" {
		t.Errorf("left: %s", got)
	}
	if strings.Contains(b.log.all(), "warning") {
		t.Errorf("log:\n%s", b.log.all())
	}
}

// TestTodoOddEnvelopes: what qmail-queue never writes.
func TestTodoOddEnvelopes(t *testing.T) {
	b := newBed(t)
	b.start(1, 1)
	odd := func(todo string) queue.ID {
		id := queue.ID(b.AddMessage("x"))
		b.Write("queue/pid/new", todo)
		check(t, os.Rename(b.Path("queue/pid/new"), b.path(queue.Todo, id)))
		b.pull()
		return id
	}
	id := odd("u0\x00p1\x00Fs@a\x00") // no recipients
	b.gone(id)
	b.logged(fmt.Sprintf("end msg %d", id), 1)
	id = odd("u99999999999999999999\x00px\x00Fs@a\x00Tx@mx.example.test\x00Ttail without NUL")
	b.command(local)
	b.logged(fmt.Sprintf("info msg %d: bytes 1 from <s@a> qp 0 uid 18446744073709551615", id), 1)
	b.idle(local)
	b.report(local, 0, 'K', "")
	b.gone(id)
	id = odd("") // no sender: stuck, told once per attempt
	b.logged(fmt.Sprintf("warning: trouble reading info/%s; will try again later", id.Split()), 1)
	b.settle()
	b.advance(sleepSysfail)
	b.logged(fmt.Sprintf("warning: trouble reading info/%s; will try again later", id.Split()), 2)
	if !b.has(queue.Mess, id) || b.file(queue.Info, id) != "" {
		t.Error("a message without sender was removed")
	}
}

// takeTodoAway renames todo/ to todo.x when qmail-send has started, and waits for
// the alert.
func (b *bed) takeTodoAway() {
	b.t.Helper()
	b.settle()
	todo := filepath.Join(b.Queue(), "todo")
	check(b.t, os.Rename(todo, todo+".x"))
	b.until("the alert", func() bool {
		b.pull()
		return b.log.count("alert: unable to opendir todo, sleeping...") > 0
	})
}

// TestTodoDirectory: a directory that cannot be opened is tried every 10
// seconds.
func TestTodoDirectory(t *testing.T) {
	b := newBed(t)
	todo := filepath.Join(b.Queue(), "todo")
	b.start(1, 1)
	b.takeTodoAway()
	b.pull()
	b.advance(sleepPause - 1)
	b.settle()
	b.logged("alert: unable to opendir todo, sleeping...", 1)
	b.advance(1)
	b.logged("alert: unable to opendir todo, sleeping...", 2)
	check(t, os.Rename(todo+".x", todo))
	b.inject("s@a", "x@mx.example.test")
	b.advance(sleepPause)
	b.command(local)
}

// TestManyRecipients: more than one chunk of output.
func TestManyRecipients(t *testing.T) {
	b := newBed(t)
	var in []string
	want := ""
	for i := range 2000 {
		in = append(in, fmt.Sprintf("user%d@mx.example.test", i))
		want += "T" + in[i] + "\x00"
	}
	id := b.inject("s@a", in...)
	b.start(0, 0)
	b.logged("status: local 0/0 remote 0/0", 1)
	b.until("preprocessing", func() bool { return !b.has(queue.Todo, id) })
	if f := b.file(queue.Local, id); f != want {
		t.Errorf("local has %d bytes, want %d", len(f), len(want))
	}
	b.idle(local)
}
