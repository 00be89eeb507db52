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

// A Table holds the two files as they were when it was opened.
type Table struct{ passwd, group []byte }

// Open reads both files. A file that cannot be read counts as empty: every
// look-up in it then fails with NotFound.
func Open() *Table {
	t := &Table{}
	t.passwd, _ = sys.Cwd().ReadFile(PasswdFile, maxFile)
	t.group, _ = sys.Cwd().ReadFile(GroupFile, maxFile)
	return t
}

// User finds one of the suite's users.
func (t *Table) User(u role.User) (role.PasswdEntry, error) {
	e, ok := role.FindUser(t.passwd, u.Name())
	if !ok {
		return e, &NotFound{Name: u.Name()}
	}
	return e, nil
}

// UID is the number of one of the suite's users.
func (t *Table) UID(u role.User) (uint32, error) {
	e, err := t.User(u)
	return e.UID, err
}

// GID is the number of one of the suite's groups.
func (t *Table) GID(g role.Group) (uint32, error) {
	gid, ok := role.FindGroup(t.group, g.Name())
	if !ok {
		return 0, &NotFound{Group: true, Name: g.Name()}
	}
	return gid, nil
}

// Named finds any user of /etc/passwd by exact name.
func (t *Table) Named(name string) (role.PasswdEntry, bool) { return role.FindUser(t.passwd, name) }

// MemberGroups is gid followed by every group that lists name as a member:
// what initgroups would set.
func (t *Table) MemberGroups(name string, gid uint32) []uint32 {
	out := []uint32{gid}
	for _, g := range role.MemberGroups(t.group, name) {
		if g != gid {
			out = append(out, g)
		}
	}
	return out
}
