package enqueue

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// A spareBed is a process that keeps envelope files, in a home of its own.
type spareBed struct {
	*testing.T
	h  *testkit.Home
	ss *spares
}

func newSpareBed(t *testing.T) *spareBed {
	t.Helper()
	h := testkit.NewHome(t)
	dir, err := sys.OpenDir(h.Queue())
	if err != nil {
		t.Fatal(err)
	}
	b := &spareBed{t, h, &spares{dir: dir, name: func(seq int) string { return "pid/" + queue.PidName(7, 1795201475, seq) }}}
	t.Cleanup(func() { b.ss.remove(); _ = dir.Close() })
	return b
}

// message writes an envelope and queues it under a number that is not there; its
// inode is returned. flush is what flushing todo/ gives.
func (b *spareBed) message(id int, envelope string, flush error) (ino uint64) {
	b.Helper()
	s := &diskStore{Dir: b.ss.dir, spares: b.ss}
	defer s.close()
	f, err := s.Create(fmt.Sprintf("intd/%d", id))
	if err == nil {
		_, err = f.Write([]byte(envelope))
	}
	if err == nil {
		ino, err = f.Ino()
	}
	if err == nil {
		err = s.Link(fmt.Sprintf("intd/%d", id), fmt.Sprintf("todo/%d", id))
	}
	if err != nil {
		b.Fatal(err)
	}
	if err := (watchedDir{fakeSync{flush}, b.ss}).Sync(); err != flush {
		b.Fatal(err)
	}
	for _, dir := range []string{"intd", "todo"} {
		if got, _ := b.h.Read(fmt.Sprintf("queue/%s/%d", dir, id)); got != envelope {
			b.Errorf("%s/%d holds %q, want %q", dir, id, got, envelope)
		}
	}
	return ino
}

type fakeSync struct{ err error }

func (f fakeSync) Sync() error { return f.err }

// clean removes names as qmail-clean does.
func (b *spareBed) clean(names ...string) {
	b.Helper()
	for _, n := range names {
		if err := os.Remove(b.h.Path("queue/" + n)); err != nil {
			b.Fatal(err)
		}
	}
}

// An envelope file is used again when its message has gone and todo/ was flushed
// after that, and holds nothing then of what it held.
func TestSpares(t *testing.T) {
	b := newSpareBed(t)
	first := b.message(1, strings.Repeat("long ", 2000), nil)
	if b.message(2, "second", nil) == first {
		t.Fatal("the file of a queued message was used again")
	}
	b.clean("intd/1")
	if b.message(3, "third", nil) == first {
		t.Fatal("a file that todo/1 leads to was used again")
	}
	b.clean("todo/1")
	if b.message(4, "fourth", nil) == first {
		t.Fatal("a file was used again before todo/ was flushed")
	}
	if b.message(5, "fifth", nil) != first {
		t.Error("a file was not used again")
	}
	if b.message(6, "sixth", nil) == first {
		t.Fatal("a file was used for two messages")
	}
	for id := 7; id < 9+sparesMax; id++ {
		b.message(id, "another", nil)
	}
	if len(b.ss.all) != sparesMax {
		t.Errorf("%d files are kept", len(b.ss.all))
	}
}

// A flush that failed proves nothing.
func TestSparesFlush(t *testing.T) {
	b := newSpareBed(t)
	first := b.message(1, "first", nil)
	b.clean("intd/1", "todo/1")
	bad := errors.New("no")
	if b.message(2, "second", bad) == first || b.message(3, "third", bad) == first {
		t.Fatal("used again after flushes that failed")
	}
	if b.message(4, "fourth", nil) == first || b.message(5, "fifth", nil) != first {
		t.Error("not used again after a flush")
	}
}

// A file whose name in pid/ has gone, or is another's, is not used again: its only
// name may be todo/N.
func TestSparesName(t *testing.T) {
	for _, other := range []bool{false, true} {
		b := newSpareBed(t)
		first := b.message(1, "first", nil)
		name := b.ss.all[0].name
		b.clean("intd/1", name)
		if other {
			b.h.Write("queue/"+name, "other")
		}
		for id := 2; id < 5; id++ {
			if b.message(id, "later", nil) == first {
				t.Fatal("the file of a queued message was used again")
			}
		}
		if got, _ := b.h.Read("queue/todo/1"); got != "first" {
			t.Errorf("todo/1 holds %q", got)
		}
		if other {
			b.clean(name)
		}
	}
}

// A name that is in the way is no reason to lose anything, and none to use it.
func TestSparesInTheWay(t *testing.T) {
	b := newSpareBed(t)
	first := b.message(1, "first", nil)
	b.clean("intd/1", "todo/1")
	b.message(2, "second", nil)
	b.h.Write("queue/intd/3", "older")
	s := &diskStore{Dir: b.ss.dir, spares: b.ss}
	if _, err := s.Create("intd/3"); err == nil {
		t.Error("a file that was there was taken")
	}
	if got, _ := b.h.Read("queue/intd/3"); got != "older" {
		t.Errorf("intd/3 holds %q", got)
	}
	if b.message(4, "fourth", nil) == first || b.message(5, "fifth", nil) != first {
		t.Error("the file was not used again later")
	}
	b.ss.remove()
	if pid, err := os.ReadDir(b.h.Path("queue/pid")); err != nil || len(pid) != 0 {
		t.Errorf("left in pid/: %v, %v", pid, err)
	}
}

// Files that were made ahead have no name until a message has them, and both are
// used; what is in the way of an envelope is not touched.
func TestAhead(t *testing.T) {
	b := newSpareBed(t)
	a := newAhead(b.ss.dir)
	a.make()
	if len(b.h.Files()) != 0 {
		t.Errorf("names: %q", b.h.Files())
	}
	var want [2]uint64
	for i, fd := range a.files {
		st, err := fd.Stat()
		if err != nil {
			t.Fatal(err)
		}
		want[i] = st.Ino
	}
	s := &diskStore{Dir: b.ss.dir, spares: b.ss, ahead: a}
	mess, err := s.CreateUnnamed()
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := s.Create("intd/1")
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range []file{mess, envelope} {
		if ino, err := f.Ino(); ino != want[i] || err != nil {
			t.Errorf("file %d has number %d, %v; want %d", i, ino, err, want[i])
		}
	}
	if st, err := s.Stat("intd/1"); err != nil || st.Ino != want[1] || st.Perm() != queue.ModeQueueFile {
		t.Errorf("intd/1: %+v, %v", st, err)
	}
	if f, err := s.CreateUnnamed(); err != nil {
		t.Errorf("without a file made ahead: %v", err)
	} else if ino, _ := f.Ino(); ino == want[0] {
		t.Error("a file was used twice")
	}
	a.make()
	b.h.Write("queue/intd/2", "older")
	if _, err := s.Create("intd/2"); err == nil {
		t.Error("a file that was there was taken")
	}
	if got, _ := b.h.Read("queue/intd/2"); got != "older" {
		t.Errorf("intd/2 holds %q", got)
	}
	s.close()
	for _, fd := range a.files {
		_ = fd.Close() // -1 where it was taken
	}
}
