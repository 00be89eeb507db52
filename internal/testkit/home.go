package testkit

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Split is the number of subdirectories of mess, info, local and remote in the
// queues made here, as in every default installation.
const Split = 23

// queueDirs lists the directories of a queue with their modes (spec/queue.md,
// section 2). Those marked split have subdirectories 0 to Split-1.
var queueDirs = []struct {
	name  string
	mode  fs.FileMode
	split bool
	send  bool // owned by qmails, not qmailq
}{
	{"pid", 0o700, false, false},
	{"intd", 0o700, false, false},
	{"todo", 0o750, false, false},
	{"bounce", 0o700, false, true},
	{"mess", 0o750, true, false},
	{"info", 0o700, true, true},
	{"local", 0o700, true, true},
	{"remote", 0o700, true, true},
	{"lock", 0o750, false, false},
}

// A Home is a qmail home directory below a temporary directory: control, users,
// alias and bin, all empty, and a queue with its directories and lock files.
// Modes are those of an installation; owners are too when the test runs as root
// in a world (see InWorld), else everything belongs to the user who runs the
// test.
type Home struct {
	Dir string // absolute; what conf.Home would be
	t   testing.TB
}

// NewHome makes a home that goes away with the test.
func NewHome(t testing.TB) *Home {
	t.Helper()
	h := &Home{Dir: t.TempDir(), t: t}
	h.must(os.Chmod(h.Dir, 0o755))
	for _, d := range []string{"control", "users", "alias", "bin"} {
		h.must(os.Mkdir(filepath.Join(h.Dir, d), 0o755))
	}
	h.must(MakeQueue(h.Queue()))
	return h
}

// MakeQueue makes an empty queue at dir, which must not exist: directories with
// the modes of spec/queue.md section 2, and lock/tcpto, lock/sendmutex and the
// FIFO lock/trigger. In a world the owners are set as well.
func MakeQueue(dir string) error {
	own := func(path string, send bool) error {
		if !inside {
			return nil
		}
		uid := UIDQueue
		if send {
			uid = UIDSend
		}
		return os.Lchown(path, uid, GIDQmail)
	}
	mkdir := func(path string, mode fs.FileMode, send bool) error {
		if err := os.Mkdir(path, mode); err != nil {
			return err
		}
		if err := os.Chmod(path, mode); err != nil { // the umask does not count
			return err
		}
		return own(path, send)
	}
	if err := mkdir(dir, 0o750, false); err != nil {
		return err
	}
	for _, d := range queueDirs {
		path := filepath.Join(dir, d.name)
		if err := mkdir(path, d.mode, d.send); err != nil {
			return err
		}
		for i := 0; d.split && i < Split; i++ {
			if err := mkdir(filepath.Join(path, strconv.Itoa(i)), d.mode, d.send); err != nil {
				return err
			}
		}
	}
	return makeLocks(filepath.Join(dir, "lock"))
}

// makeLocks makes the three files of queue/lock.
func makeLocks(dir string) error {
	for _, f := range []struct {
		name string
		size int
		mode fs.FileMode
		uid  int
	}{
		{"tcpto", 1024, 0o644, UIDRemote},
		{"sendmutex", 0, 0o600, UIDSend},
		{"trigger", -1, 0o622, UIDSend},
	} {
		path := filepath.Join(dir, f.name)
		var err error
		if f.size < 0 {
			err = syscall.Mkfifo(path, 0o600)
		} else {
			err = os.WriteFile(path, make([]byte, f.size), 0o600)
		}
		if err == nil {
			err = os.Chmod(path, f.mode)
		}
		if err == nil && inside {
			err = os.Lchown(path, f.uid, GIDQmail)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Queue returns the path of the home's queue.
func (h *Home) Queue() string { return filepath.Join(h.Dir, "queue") }

// Path returns the path of a file below the home.
func (h *Home) Path(rel string) string { return filepath.Join(h.Dir, rel) }

// Control writes control/name. The content is written as it is.
func (h *Home) Control(name, content string) {
	h.t.Helper()
	h.Write("control/"+name, content)
}

// Write writes a file below the home, mode 0644, and makes the directories it
// is in.
func (h *Home) Write(rel, content string) {
	h.t.Helper()
	path := h.Path(rel)
	h.must(os.MkdirAll(filepath.Dir(path), 0o755))
	h.must(os.WriteFile(path, []byte(content), 0o644))
}

// Read returns the content of a file below the home, and whether it exists.
// Any other failure ends the test.
func (h *Home) Read(rel string) (string, bool) {
	h.t.Helper()
	b, err := os.ReadFile(h.Path(rel))
	if os.IsNotExist(err) {
		return "", false
	}
	h.must(err)
	return string(b), true
}

// SplitPath returns the name of a message's file in one of the split
// directories: SplitPath("mess", 457) is "mess/20/457".
func SplitPath(dir string, n uint64) string {
	return fmt.Sprintf("%s/%d/%d", dir, n%Split, n)
}

// AddMessage makes a file mess/S/N whose name is its own inode number, as
// qmail-queue does, and returns the number.
func (h *Home) AddMessage(content string) uint64 {
	h.t.Helper()
	tmp := filepath.Join(h.Queue(), "pid", "new")
	h.must(os.WriteFile(tmp, []byte(content), 0o644))
	fi, err := os.Stat(tmp)
	h.must(err)
	n := fi.Sys().(*syscall.Stat_t).Ino
	h.must(os.Rename(tmp, filepath.Join(h.Queue(), SplitPath("mess", n))))
	return n
}

// Files lists the files in the queue, except those of lock/, in order: names
// relative to the queue. Directories that do not belong to an empty queue are
// listed with a slash at the end.
func (h *Home) Files() []string {
	h.t.Helper()
	var names []string
	root := h.Queue()
	h.must(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		switch {
		case rel == "lock":
			return filepath.SkipDir
		case !d.IsDir():
			names = append(names, rel)
		case rel != "." && !skeleton(rel):
			names = append(names, rel+"/")
		}
		return nil
	}))
	sort.Strings(names)
	return names
}

// skeleton reports whether rel is a directory of every queue.
func skeleton(rel string) bool {
	dir, sub, deep := strings.Cut(rel, "/")
	for _, d := range queueDirs {
		if d.name == dir {
			n, err := strconv.Atoi(sub)
			return !deep || d.split && err == nil && 0 <= n && n < Split && strconv.Itoa(n) == sub
		}
	}
	return false
}

func (h *Home) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}
