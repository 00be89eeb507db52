//go:build e2e

package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"

	"goqmail/internal/testkit"
)

const queueDir = home + "/queue/"

// splitDirs are the directories of the queue in which a message's file is in a
// numbered subdirectory.
var splitDirs = map[string]bool{"mess": true, "info": true, "local": true, "remote": true}

// queuePath is the place of a message's file.
func queuePath(dir string, n uint64) string {
	if splitDirs[dir] {
		return queueDir + testkit.SplitPath(dir, n)
	}
	return fmt.Sprintf("%s%s/%d", queueDir, dir, n)
}

// queueFiles lists the files of the queue but those in lock/, in order.
func (b *bed) queueFiles() []string {
	b.Helper()
	var names []string
	b.must(filepath.WalkDir(queueDir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case os.IsNotExist(err): // it has gone meanwhile
			return nil
		case err != nil:
			return err
		case path == queueDir+"lock":
			return filepath.SkipDir
		case !d.IsDir():
			names = append(names, strings.TrimPrefix(path, queueDir))
		}
		return nil
	}))
	sort.Strings(names)
	return names
}

// empty waits until nothing is left in the queue.
func (b *bed) empty() {
	b.Helper()
	b.eventually("an empty queue", func() bool { return len(b.queueFiles()) == 0 })
}

// parts lists the directories in which message n has a file.
func (b *bed) parts(n uint64) string {
	b.Helper()
	var list []string
	for _, d := range []string{"mess", "intd", "todo", "info", "local", "remote", "bounce"} {
		if _, err := os.Lstat(queuePath(d, n)); err == nil {
			list = append(list, d)
		} else if !os.IsNotExist(err) {
			b.Fatal(err)
		}
	}
	return strings.Join(list, " ")
}

// A queued is a message that a test puts into the queue byte by byte, as a
// qmail that was stopped or died would have left it. The files that are named
// exist, the others do not.
type queued struct {
	text   string        // mess, as qmail-queue writes it
	todo   string        // todo/N, and intd/N too unless noIntd
	noIntd bool          // qmail-clean had removed intd/N
	intd   string        // intd/N without todo/N
	info   string        // info/N
	local  string        // local/N
	remote string        // remote/N
	bounce string        // bounce/N
	age    time.Duration // since it was queued: mtime of info, atime and mtime of mess and intd
	dueIn  time.Duration // until the next try: mtime of local and remote
}

// put makes the files of a message and returns its number.
func (b *bed) put(q queued) uint64 {
	b.Helper()
	tmp := queueDir + "pid/e2e"
	b.must(os.WriteFile(tmp, []byte(q.text), 0o644))
	fi, err := os.Stat(tmp)
	b.must(err)
	n := fi.Sys().(*syscall.Stat_t).Ino
	b.must(os.Rename(tmp, queuePath("mess", n)))
	birth := time.Now().Add(-q.age)
	due := time.Now().Add(q.dueIn)
	b.dress(queuePath("mess", n), 0o644, testkit.UIDQueue, 0, birth)
	file := func(dir, content string, mode fs.FileMode, uid, gid int, at time.Time) {
		if content == "" {
			return
		}
		path := queuePath(dir, n)
		b.must(os.WriteFile(path, []byte(content), mode))
		b.dress(path, mode, uid, gid, at)
	}
	// group root: that of whoever called qmail-queue
	file("intd", q.intd, 0o644, testkit.UIDQueue, 0, birth)
	if q.todo != "" {
		file("intd", q.todo, 0o644, testkit.UIDQueue, 0, birth)
		b.must(os.Link(queuePath("intd", n), queuePath("todo", n)))
		if q.noIntd {
			b.must(os.Remove(queuePath("intd", n)))
		}
	}
	file("info", q.info, 0o600, testkit.UIDSend, testkit.GIDQmail, birth)
	file("local", q.local, 0o600, testkit.UIDSend, testkit.GIDQmail, due)
	file("remote", q.remote, 0o600, testkit.UIDSend, testkit.GIDQmail, due)
	file("bounce", q.bounce, 0o600, testkit.UIDSend, testkit.GIDQmail, birth)
	return n
}

// dress gives a file owner, mode and times.
func (b *bed) dress(path string, mode fs.FileMode, uid, gid int, at time.Time) {
	b.Helper()
	b.must(os.Chown(path, uid, gid))
	b.must(os.Chmod(path, mode))
	b.must(os.Chtimes(path, at, at))
}

// look describes a file of message n as "MODE UID:GID content", with "-" for
// none.
func (b *bed) look(dir string, n uint64) string {
	b.Helper()
	path := queuePath(dir, n)
	fi, err := os.Lstat(path)
	if os.IsNotExist(err) {
		return "-"
	}
	b.must(err)
	text, err := os.ReadFile(path)
	b.must(err)
	st := fi.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%04o %d:%d %q", st.Mode&0o7777, st.Uid, st.Gid, text)
}

// mtime returns a file's modification time in Unix seconds.
func (b *bed) mtime(path string) int64 {
	b.Helper()
	fi, err := os.Stat(path)
	b.must(err)
	return fi.ModTime().Unix()
}

// envelope is the content of intd/N and todo/N.
func envelope(sender string, recipients ...string) string {
	s := "u0\x00p4711\x00F" + sender + "\x00"
	for _, r := range recipients {
		s += "T" + r + "\x00"
	}
	return s
}

// oldReceived is the first line of a message that was queued by a process 4711.
const oldReceived = "Received: (qmail 4711 invoked by uid 0); 20 Nov 2026 19:03:56 -0000\n"
