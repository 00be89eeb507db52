//go:build e2e

package crash

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/testkit"
)

// A left is a message that a test puts into the queue byte by byte.
type left struct {
	n      uint64 // its number; 0 is the inode of its file in mess
	text   string
	todo   bool   // S4; else S5
	local  string // local/N, if not todo
	bounce string
	after  time.Duration // how far from now its times are
}

// put makes the files of a message, with the owners and modes they have, and
// returns its number.
func (b *bed) put(l left) uint64 {
	b.Helper()
	tmp := queueDir + "/pid/made"
	b.must(os.WriteFile(tmp, []byte(l.text), 0o644))
	if l.n == 0 {
		l.n = b.inode(tmp)
	}
	at := time.Now().Add(l.after)
	path := func(dir string) string { return queueDir + "/" + testkit.SplitPath(dir, l.n) }
	b.must(os.Rename(tmp, path("mess")))
	b.must(os.Chown(path("mess"), testkit.UIDQueue, 0))
	b.must(os.Chtimes(path("mess"), at, at))
	file := func(name, content string, mode os.FileMode, uid, gid int) {
		if content == "" {
			return
		}
		b.must(os.WriteFile(name, []byte(content), mode))
		b.must(os.Chown(name, uid, gid))
		b.must(os.Chtimes(name, at, at))
	}
	flat := func(dir string) string { return fmt.Sprintf("%s/%s/%d", queueDir, dir, l.n) }
	if l.todo {
		file(flat("intd"), "u0\x00p4711\x00Fs@"+domain+"\x00Tann@"+domain+"\x00", 0o644, testkit.UIDQueue, 0)
		b.must(os.Link(flat("intd"), flat("todo")))
		return l.n
	}
	file(path("info"), "Fann@"+domain+"\x00", 0o600, testkit.UIDSend, testkit.GIDQmail)
	file(path("local"), l.local, 0o600, testkit.UIDSend, testkit.GIDQmail)
	file(flat("bounce"), l.bounce, 0o600, testkit.UIDSend, testkit.GIDQmail)
	return l.n
}

func (b *bed) inode(path string) uint64 {
	b.Helper()
	var st syscall.Stat_t
	b.must(syscall.Stat(path, &st))
	return st.Ino
}

// restored fills the queue with messages whose numbers are not the inodes of
// their files, as when it was copied or comes from a backup. The numbers are
// those that new files will get. It returns the names of the messages for ann.
func (b *bed) restored() (ids []string) {
	b.Helper()
	b.must(os.WriteFile("/var/qmail/queue/pid/next", nil, 0o600))
	next := b.inode("/var/qmail/queue/pid/next") + 110 // making the messages takes up to 100
	b.must(os.Remove("/var/qmail/queue/pid/next"))
	for i := range uint64(20) {
		id := b.newID()
		l := left{n: next + i*3, text: mail(id, 500)}
		switch i % 3 {
		case 0:
			l.todo = true
		case 1:
			l.local = "Dx@" + domain + "\x00Tann@" + domain + "\x00"
		case 2:
			l.local, l.bounce = "Tann@"+domain+"\x00", "<gone@far.test>:\nfar away\n\n"
		}
		b.put(l)
		ids = append(ids, id)
	}
	return ids
}

// all checks that each message has arrived exactly once.
func (b *bed) all(ids []string) {
	b.Helper()
	got, broken := b.delivered()
	for _, id := range ids {
		if got[id] != 1 {
			b.Errorf("message %s was delivered %d times", id, got[id])
		}
	}
	if len(broken) > 0 {
		b.Errorf("new/ has %q", broken)
	}
}

// A restored queue is carried on as it is. A new message whose number is taken is
// refused, with nothing of the old one touched, until a file with another inode
// comes.
func TestRestored(t *testing.T) {
	onBed(t, func(b *bed) {
		ids := b.restored()
		refused := 0
		for range 40 {
			id := b.newID()
			switch code := b.enqueue(id, 500, []string{"ann@" + domain}); code {
			case 0:
				ids = append(ids, id)
			case 64:
				refused++
			default:
				b.Errorf("qmail-queue: exit %d, want 0 or 64", code)
			}
		}
		if refused == 0 {
			b.Error("no new message met the number of an old one; the test shows nothing")
		}
		if !b.deliverAll() {
			b.Errorf("not delivered; queue %v", b.inQueue())
		}
		b.all(ids)
		id := b.newID()
		if code := b.enqueue(id, 500, []string{"ann@" + domain}); code != 0 || !b.deliverAll() {
			b.Errorf("a message after all that: exit %d", code)
		}
		b.all(append(ids, id))
	})
}

// The recipe of docs/DURABILITY.md gives each message its inode as number.
func TestRecipe(t *testing.T) {
	onBed(t, func(b *bed) {
		page := b.read("../../docs/DURABILITY.md")
		_, script, _ := strings.Cut(page, "```sh\n#!/bin/sh\n# queue-repair")
		script, _, found := strings.Cut(script, "```\n")
		if !found {
			b.Fatal("docs/DURABILITY.md has no queue-repair")
		}
		b.must(os.WriteFile("/tmp/queue-repair", []byte("#!/bin/sh\n#"+script), 0o755))
		ids := b.restored()
		if _, wrong := b.look(); len(wrong) < len(ids) {
			b.Fatalf("only %d of %d messages have a wrong number", len(wrong), len(ids))
		}
		before := b.inQueue()
		for range 2 { // a second run has nothing to do
			if code, out := b.run("", "", "/bin/sh", "/tmp/queue-repair"); code != 0 || out != "" {
				b.Errorf("queue-repair: exit %d, %q", code, out)
			}
			list, wrong := b.look()
			if len(wrong) > 0 || len(list) != len(before) {
				b.Fatalf("after the repair: %q; queue %v, was %v", wrong, b.inQueue(), before)
			}
		}
		if !b.deliverAll() {
			b.Errorf("not delivered; queue %v", b.inQueue())
		}
		b.all(ids)
	})
}

// Messages queued while the clock was years ahead or behind are delivered, and not
// given up before they were tried.
func TestClock(t *testing.T) {
	const years = 10 * 365 * 24 * time.Hour
	onBed(t, func(b *bed) {
		var ids []string
		for _, after := range []time.Duration{-years, years} {
			for _, l := range []left{{todo: true}, {local: "Tann@" + domain + "\x00"}} {
				id := b.newID()
				l.text, l.after = mail(id, 500), after
				b.put(l)
				ids = append(ids, id)
			}
		}
		b.start(nil)
		if !drained(patience) {
			b.Errorf("not delivered; queue %v", b.inQueue())
		}
		b.stop()
		b.all(ids)
		if got, _ := b.delivered(); got["bounce"] > 0 {
			b.Error("a message was given up")
		}
	})
}

// What no order of events leaves, but a damaged file system or an administrator
// may: it holds up no other mail, and nothing of it goes to a wrong address.
func TestDamaged(t *testing.T) {
	onBed(t, func(b *bed) {
		noMess := b.put(left{text: "x\n", local: "Tann@" + domain + "\x00", bounce: "<gone@far.test>:\nfar away\n\n"})
		todoOnly := b.put(left{text: "x\n", todo: true})
		noInfo := b.put(left{text: mail(b.newID(), 100), local: "Tann@" + domain + "\x00"})
		for _, n := range []uint64{noMess, todoOnly} {
			mess := queueDir + "/" + testkit.SplitPath("mess", n)
			b.must(os.Rename(mess, mess+".kept")) // its inode is not used again
		}
		b.must(os.Remove(queueDir + "/" + testkit.SplitPath("info", noInfo)))
		stale := b.newID()
		n := b.put(left{text: mail(stale, 500), todo: true})
		b.must(os.WriteFile(fmt.Sprintf("%s/bounce/%d", queueDir, n), []byte("<gone@far.test>:\nsomebody else's\n\n"), 0o600))
		id := b.newID()
		if code := b.enqueue(id, 500, []string{"ann@" + domain}); code != 0 {
			b.Errorf("qmail-queue: exit %d", code)
		}
		b.start(nil)
		for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(5 * time.Millisecond) {
			if len(b.arrived()) == 2 {
				break
			}
		}
		b.stop()
		b.all([]string{id, stale})
		if got, _ := b.delivered(); got["bounce"] > 0 {
			b.Error("a text of another message was sent to ann")
		}
		log := b.log()
		for _, want := range []string{
			"warning: " + testkit.SplitPath("mess", noMess) + " is gone; ignoring what is left of that message\n",
			"warning: unable to stat " + testkit.SplitPath("mess", todoOnly) + "\n",
		} {
			if !strings.Contains(log, want) {
				b.Errorf("the log has no %q:\n%s", want, log)
			}
		}
	})
}

// arrived lists the files in new/ of ann's Maildir.
func (b *bed) arrived() []os.DirEntry {
	b.Helper()
	list, err := os.ReadDir(ann.Home + "/Maildir/new")
	b.must(err)
	return list
}
