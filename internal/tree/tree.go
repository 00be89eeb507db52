// Package tree makes the parts of the installed tree that are a site's own: the
// queue, the directories for configuration, and a first configuration. Setup
// installs them, and so does the first process of a container, where a fresh
// volume is empty. What exists keeps its content; only owner, group and mode are
// corrected. Programs and pages are not its business. What there should be is in
// package hier. Spec: spec/install.md sections 3 and 5.
package tree

import (
	"strings"

	"goqmail/internal/accounts"
	"goqmail/internal/hier"
	"goqmail/internal/role"
	"goqmail/internal/sys"
)

// A StepError is a failed step with the word used in messages.
type StepError struct {
	Op, Path string
	Err      error
}

// Error is "unable to OP PATH: REASON".
func (e *StepError) Error() string {
	return "unable to " + e.Op + " " + e.Path + ": " + sys.ErrText(e.Err)
}

// Unwrap is the error of the system call.
func (e *StepError) Unwrap() error { return e.Err }

// Step makes a StepError, nil for nil.
func Step(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &StepError{op, path, err}
}

// IDs has the numbers of all owners and groups of the tree.
type IDs struct {
	Users  map[role.User]int
	Groups map[role.Group]int
}

// groups are both groups of the suite.
var groups = [...]role.Group{role.Qmail, role.Nofiles}

// Lookup finds all accounts; the first missing one is the error, an
// *accounts.NotFound.
func Lookup() (IDs, error) {
	t := accounts.Open()
	out := IDs{map[role.User]int{}, map[role.Group]int{}}
	for _, u := range role.Users() {
		uid, err := t.UID(u)
		if err != nil {
			return out, err
		}
		out.Users[u] = int(uid)
	}
	for _, g := range groups {
		gid, err := t.GID(g)
		if err != nil {
			return out, err
		}
		out.Groups[g] = int(gid)
	}
	return out, nil
}

// RootOnly are numbers for a tree that belongs to root altogether and needs no
// accounts: a null client's.
func RootOnly() IDs {
	out := IDs{map[role.User]int{}, map[role.Group]int{}}
	for _, u := range role.Users() {
		out.Users[u] = 0
	}
	for _, g := range groups {
		out.Groups[g] = 0
	}
	return out
}

// MakePath makes a directory and those above it, mode 0755, where they are
// missing. It changes nothing that exists.
func MakePath(path string) error {
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		err := sys.Cwd().Mkdir(path[:i], 0o700)
		if err == nil {
			err = sys.Cwd().Chmod(path[:i], 0o755)
		}
		if err != nil && !sys.IsExist(err) {
			return err
		}
	}
	return nil
}

// A Maker makes parts of the tree at Root.
type Maker struct {
	Root string   // the home, DESTDIR before it
	Dir  *sys.Dir // Root, open
	Own  bool     // give everything its owner; needs root
	IDs  IDs      // whose numbers, if Own
}

// name is the item below the open root.
func name(it hier.Item) string {
	if it.Path() == "" {
		return "."
	}
	return it.Path()
}

// full is the item's whole path, for messages.
func (m *Maker) full(it hier.Item) string {
	if it.Path() == "" {
		return m.Root
	}
	return m.Root + "/" + it.Path()
}

// Directory makes a directory, or corrects owner and mode of one that exists.
func (m *Maker) Directory(it hier.Item) error {
	err := m.Dir.Mkdir(name(it), 0o700)
	if err != nil && !sys.IsExist(err) {
		return Step("mkdir", m.full(it), err)
	}
	return m.Attributes(it)
}

// Attributes sets owner, group and mode where they differ: on a live system
// nothing is touched that is right already. Only directories of the home may be
// symbolic links: below, where the suite's accounts can write, a link would hand
// out the rights of some other file.
func (m *Maker) Attributes(it hier.Item) error {
	full := m.full(it)
	flags := sys.ReadOnly | sys.NonBlock // a FIFO has no writer
	if it.Type != hier.Dir || strings.Contains(it.Dir, "/") {
		flags |= sys.NoFollow
	}
	fd, err := m.Dir.Open(name(it), flags, 0)
	if err != nil {
		return Step("open", full, err)
	}
	defer func() { _ = fd.Close() }() // read only
	st, err := fd.Stat()
	if err != nil {
		return Step("stat", full, err)
	}
	if m.Own {
		uid, gid := m.IDs.Users[it.Owner], m.IDs.Groups[it.Group]
		if int(st.UID) != uid || int(st.GID) != gid {
			if err := fd.Chown(uid, gid); err != nil {
				return Step("chown", full, err)
			}
			st.Mode = 0 // chown may have cleared bits
		}
	}
	if st.Perm() != it.Mode {
		return Step("chmod", full, fd.Chmod(it.Mode))
	}
	return nil
}

// HardLinks refuses a file system on which the queue cannot work.
func (m *Maker) HardLinks() error {
	const a, b = "queue/lock/.link-test", "queue/lock/.link-test2"
	_, _ = m.Dir.Unlink(a), m.Dir.Unlink(b) // left by an interrupted run
	fd, err := m.Dir.Open(a, sys.WriteOnly|sys.Create|sys.Exclusive, 0o600)
	if err != nil {
		return Step("create", m.Root+"/"+a, err)
	}
	_ = fd.Close() // empty
	err = m.Dir.Link(a, b)
	_, _ = m.Dir.Unlink(a), m.Dir.Unlink(b) // b is absent if the link failed
	return Step("make hard links below", m.Root+"/queue", err)
}

// QueueFile makes lock/tcpto, lock/sendmutex or lock/trigger if it is not
// there. Unlike C an existing one keeps its content and its inode, because
// qmail-send may hold its lock.
func (m *Maker) QueueFile(it hier.Item) error {
	full := m.full(it)
	_, err := m.Dir.Stat(name(it))
	if err != nil && !sys.IsNotExist(err) {
		return Step("stat", full, err)
	}
	if err != nil {
		if it.Type == hier.FIFO {
			err = m.Dir.Mkfifo(name(it), 0o600)
		} else {
			err = m.Dir.WriteFileDurable(name(it), it.Dir+"/"+hier.StageName(it.Name), make([]byte, it.Size), 0o600)
		}
		if err != nil {
			return Step("create", full, err)
		}
	}
	return m.Attributes(it)
}

// Queue makes the directories, which should include the queue's, and then the
// queue's files.
func (m *Maker) Queue(dirs []hier.Item) error {
	for _, it := range dirs {
		if err := m.Directory(it); err != nil {
			return err
		}
	}
	if err := m.HardLinks(); err != nil {
		return err
	}
	for _, it := range hier.QueueFiles() {
		if err := m.QueueFile(it); err != nil {
			return err
		}
	}
	return nil
}

// IsNullClient tells whether the tree at the open root is a null client's:
// bin/qmail-queue is a link to qmail-qmqpc.
func IsNullClient(root *sys.Dir) bool {
	text, err := root.Readlink(hier.NullQueue)
	return err == nil && text == hier.NullQueueTarget
}
