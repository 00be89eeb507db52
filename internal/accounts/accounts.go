// Package accounts finds the numbers of the suite's own users and groups when
// a program starts. It reads /etc/passwd and /etc/group themselves: the
// accounts of the suite must be there, whatever nsswitch.conf says, so that a
// directory service that is down cannot stop the mail. Spec: spec/queue.md
// section 1.
package accounts

import (
	"goqmail/internal/role"
	"goqmail/internal/sys"
)

// Files that are read, and how large they may be.
const (
	PasswdFile = "/etc/passwd"
	GroupFile  = "/etc/group"
	maxFile    = 256 << 20
)

// A NotFound error names the account or group that is missing; programs print
// it and exit 111.
type NotFound struct {
	Group bool
	Name  string
}

func (e *NotFound) Error() string {
	if e.Group {
		return "unable to find group " + e.Name
	}
	return "unable to find user " + e.Name
}

// A Table looks up users and groups. It reads each of the two files once, when
// the first look-up needs it.
type Table struct {
	passwd, group file

	home           string // for users/ids; empty: it is not used
	looked, hasIDs bool
	ids            role.IDs
}

// Open makes a Table that has read nothing yet.
func Open() *Table { return &Table{passwd: file{name: PasswdFile}, group: file{name: GroupFile}} }

// A file is one of the two, as it was when it was read.
type file struct {
	name string
	done bool
	data []byte
	err  error // why it could not be read; nil when it does not exist
}

// read is the content; empty if it cannot be read.
func (f *file) read() []byte {
	if !f.done {
		f.done = true
		if f.data, f.err = sys.Cwd().ReadFile(f.name, maxFile); sys.IsNotExist(f.err) {
			f.err = nil
		}
	}
	return f.data
}

// notFound is the error of a look-up that found nothing: NotFound only if the
// file could be read.
func (f *file) notFound(isGroup bool, name string) error {
	if f.err != nil {
		return f.err
	}
	return &NotFound{Group: isGroup, Name: name}
}

// User finds one of the suite's users.
func (t *Table) User(u role.User) (role.PasswdEntry, error) {
	e, ok := role.FindUser(t.passwd.read(), u.Name())
	if !ok {
		return e, t.passwd.notFound(false, u.Name())
	}
	return e, nil
}

// UID is the number of one of the suite's users.
func (t *Table) UID(u role.User) (uint32, error) {
	if i, ok := t.believed(PasswdFile, passwdVersion); ok {
		return i.UIDs[u], nil
	}
	e, err := t.User(u)
	return e.UID, err
}

// GID is the number of one of the suite's groups.
func (t *Table) GID(g role.Group) (uint32, error) {
	if i, ok := t.believed(GroupFile, groupVersion); ok {
		return i.GIDs[g], nil
	}
	gid, ok := role.FindGroup(t.group.read(), g.Name())
	if !ok {
		return 0, t.group.notFound(true, g.Name())
	}
	return gid, nil
}

// Named finds any user of /etc/passwd by exact name.
func (t *Table) Named(name string) (role.PasswdEntry, bool) {
	return role.FindUser(t.passwd.read(), name)
}

// MemberGroups is gid followed by every group that lists name as a member:
// what initgroups would set.
func (t *Table) MemberGroups(name string, gid uint32) []uint32 {
	out := []uint32{gid}
	for _, g := range role.MemberGroups(t.group.read(), name) {
		if g != gid {
			out = append(out, g)
		}
	}
	return out
}
