package send

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

const helpAlert = "alert: unable to append to bounce message; HELP! sleeping..."

// TestBounceFileOrder: the text is on disk, and the directory of a new file,
// before the recipient is marked.
func TestBounceFileOrder(t *testing.T) {
	b := newBed(t)
	b.recorder("0")
	id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00Ty@mx.example.test\x00Tz@mx.example.test\x00", "", "")
	f := &failOnce{}
	marks := func() string {
		var m []byte
		for _, r := range strings.Split(b.file(queue.Local, id), "\x00") {
			if r != "" {
				m = append(m, r[0])
			}
		}
		return string(m)
	}
	b.start(3, 1, func(s *server) {
		s.fsync = func(fd sys.FD) error {
			return f.check(nameOf(fd, b.Queue()) + "=" + b.file(queue.Bounce, id) + marks())
		}
		s.fsyncDir = func(name string) error { return f.check(name + marks()) }
	})
	for range 3 {
		b.command(local)
	}
	b.report(local, 0, 'D', "no\n")
	b.until("the first mark", func() bool { return marks() == "DTT" })
	n := "bounce/" + id.String()
	if got, want := f.take(), n+"=<x@mx.example.test>:\nno\n\nTTT bounceTTT"; got != want {
		t.Errorf("flushed %q, want %q", got, want)
	}
	b.report(local, 1, 'D', "nor\n")
	b.until("the second mark", func() bool { return marks() == "DDT" })
	if got, want := f.take(), n+"=<x@mx.example.test>:\nno\n\n<y@mx.example.test>:\nnor\n\nDTT"; got != want {
		t.Errorf("flushed %q, want %q", got, want)
	}
	if st, err := os.Stat(b.path(queue.Bounce, id)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode of the bounce file: %v %v", st, err)
	}
	b.report(local, 2, 'K', "")
	b.gone(id)
}

// TestBounceFileFlush: a flush that failed is not believed. The recipient stays
// not done and is tried again with its message; nothing is stored twice.
func TestBounceFileFlush(t *testing.T) {
	for _, which := range []string{"file", "directory", "old file"} {
		t.Run(which, func(t *testing.T) {
			b := newBed(t)
			got := b.recorder("0")
			before := ""
			if which == "old file" {
				before = "<w@mx.example.test>:\nold\n\n"
			}
			id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "", before)
			f := &failOnce{name: "bounce"}
			if which != "directory" {
				f.name = queue.Bounce.Path(id)
			}
			b.start(1, 1, func(s *server) {
				s.fsync = func(fd sys.FD) error { return f.check(nameOf(fd, b.Queue())) }
				s.fsyncDir = f.check
			})
			b.command(local)
			b.report(local, 0, 'D', "no\n")
			b.logged(helpAlert, 1)
			b.settle()
			if g := b.file(queue.Local, id); g != "Tx@mx.example.test\x00" {
				t.Errorf("local %q", g)
			}
			if g, want := b.file(queue.Bounce, id), map[bool]string{true: before, false: "-"}[before != ""]; g != want {
				t.Errorf("bounce %q, want %q", g, want)
			}
			b.advance(sleepPause)
			b.idle(local)
			b.advance(1000)
			b.command(local)
			b.report(local, 0, 'D', "again\n")
			b.gone(id)
			if m := read(t, got+"/0"); strings.Count(m, "<x@mx.example.test>:\nagain\n\n") != 1 || strings.Contains(m, "no\n\n") || !strings.Contains(m, before) {
				t.Errorf("bounce:\n%s", m)
			}
		})
	}
}

// TestBounceFileUnwritable: the same alert every 10 seconds; other deliveries
// go on; the recipient is marked when its text is stored.
func TestBounceFileUnwritable(t *testing.T) {
	b := newBed(t)
	got := b.recorder("0")
	bad := b.queued("Fs@a\x00", "Tbad@mx.example.test\x00", "", "")
	unopenableDir(t, b.path(queue.Bounce, bad))
	b.start(1, 1)
	b.command(local)
	b.report(local, 0, 'D', "no\n")
	b.logged(helpAlert, 1)
	for i := range 3 { // more messages than there are job slots
		good := b.inject("s@a", fmt.Sprintf("good%d@mx.example.test", i))
		b.command(local)
		b.report(local, 0, 'K', "")
		b.gone(good)
	}
	b.settle()
	b.advance(sleepPause - 1)
	b.settle()
	b.logged(helpAlert, 1)
	b.advance(1)
	b.logged(helpAlert, 2)
	if f := b.file(queue.Local, bad); f != "Tbad@mx.example.test\x00" {
		t.Errorf("local %q", f)
	}
	b.settle()
	check(t, os.Remove(b.path(queue.Bounce, bad)))
	b.advance(sleepPause)
	b.gone(bad)
	if m := read(t, got+"/0"); strings.Count(m, "<bad@mx.example.test>:\nno\n\n") != 1 {
		t.Errorf("bounce:\n%s", m)
	}
}

// unopenableDir puts a socket at path: it cannot be opened.
func unopenableDir(t *testing.T, path string) {
	t.Helper()
	check(t, syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0))
}

// TestBounceFileFull: a write that fails leaves nothing behind.
func TestBounceFileFull(t *testing.T) {
	b := newBed(t)
	b.recorder("0")
	id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "", "")
	testkit.Full(t, b.path(queue.Bounce, id))
	b.start(1, 1)
	b.command(local)
	b.report(local, 0, 'D', "no\n")
	b.logged(helpAlert, 1)
	b.settle()
	if f := b.file(queue.Local, id); f != "Tx@mx.example.test\x00" {
		t.Errorf("local %q", f)
	}
	b.advance(sleepPause) // the link is gone: it looked like an empty file
	b.gone(id)
}

// TestBounceFileExit: a failure that could not be stored does not keep
// qmail-send from leaving; its recipient is not done.
func TestBounceFileExit(t *testing.T) {
	b := newBed(t)
	id := b.queued("Fs@a\x00", "Tx@mx.example.test\x00", "", "")
	unopenableDir(t, b.path(queue.Bounce, id))
	b.start(1, 1)
	b.command(local)
	b.report(local, 0, 'D', "no\n")
	b.logged(helpAlert, 1)
	b.leave()
	if f := b.file(queue.Local, id); f != "Tx@mx.example.test\x00" {
		t.Errorf("local %q", f)
	}
}

// TestUnstoredLimit: only so many failures are kept in memory.
func TestUnstoredLimit(t *testing.T) {
	s := &server{log: &logger{to: new(strings.Builder)}, storing: true}
	c := newChannel(local, 1)
	j := &job{id: 1, c: c, active: 1}
	for i := range unstoredMax + 5 {
		s.fail(j, int64(i), nil)
	}
	if len(s.toStore) != unstoredMax || j.waiting != unstoredMax {
		t.Errorf("%d failures kept, %d counted, want %d", len(s.toStore), j.waiting, unstoredMax)
	}
}
