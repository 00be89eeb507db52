package testkit

import (
	"fmt"
	"strconv"
	"strings"
)

// The numbers of the suite's accounts and groups in a world. They are those of
// the recorded vectors; programs find them by name.
const (
	UIDAlias  = 7790
	UIDDaemon = 7791
	UIDLog    = 7792
	UIDPasswd = 7793
	UIDQueue  = 7794
	UIDRemote = 7795
	UIDSend   = 7796

	GIDQmail   = 2107
	GIDNofiles = 2108
)

// A User is one line of a world's /etc/passwd.
type User struct {
	Name     string
	UID, GID int
	Gecos    string
	Home     string
	Shell    string // "" is /bin/sh
}

// A Group is one line of a world's /etc/group.
type Group struct {
	Name string
	GID  int
}

// qmailUsers are in the passwd file of every world, after root.
var qmailUsers = []User{
	{"root", 0, 0, "root", "/root", ""},
	{"alias", UIDAlias, GIDNofiles, "", "/var/qmail/alias", "/bin/true"},
	{"qmaild", UIDDaemon, GIDNofiles, "", "/var/qmail", "/bin/true"},
	{"qmaill", UIDLog, GIDNofiles, "", "/var/qmail", "/bin/true"},
	{"qmailp", UIDPasswd, GIDNofiles, "", "/var/qmail", "/bin/true"},
	{"qmailq", UIDQueue, GIDQmail, "", "/var/qmail", "/bin/true"},
	{"qmailr", UIDRemote, GIDQmail, "", "/var/qmail", "/bin/true"},
	{"qmails", UIDSend, GIDQmail, "", "/var/qmail", "/bin/true"},
}

// qmailGroups are in the group file of every world.
var qmailGroups = []Group{{"root", 0}, {"qmail", GIDQmail}, {"nofiles", GIDNofiles}}

// accounts returns the accounts and groups of the world.
func (w *World) accounts() ([]User, []Group) {
	var users []User
	for _, u := range qmailUsers {
		if !w.Bare || u.UID == 0 {
			users = append(users, u)
		}
	}
	groups := qmailGroups
	if w.Bare {
		groups = groups[:1]
	}
	return append(users, w.Users...), append(groups[:len(groups):len(groups)], w.Groups...)
}

// passwd formats users as /etc/passwd.
func passwd(users []User) string {
	var b strings.Builder
	for _, u := range users {
		shell := u.Shell
		if shell == "" {
			shell = "/bin/sh"
		}
		fmt.Fprintf(&b, "%s:x:%d:%d:%s:%s:%s\n", u.Name, u.UID, u.GID, u.Gecos, u.Home, shell)
	}
	return b.String()
}

// group formats groups as /etc/group.
func group(groups []Group) string {
	var b strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&b, "%s:x:%d:\n", g.Name, g.GID)
	}
	return b.String()
}

// idMap translates the owners of an installed tree, which has the account
// numbers of the machine it was made on, to those of a world.
type idMap struct{ uid, gid map[int]int }

// newIDMap reads the text of the passwd and group files of the machine that the
// tree was installed on.
func newIDMap(passwd, group string) idMap {
	m := idMap{map[int]int{}, map[int]int{}}
	for _, u := range qmailUsers {
		m.uid[u.UID] = u.UID
		if n, ok := number(passwd, u.Name); ok {
			m.uid[n] = u.UID
		}
	}
	for _, g := range qmailGroups {
		m.gid[g.GID] = g.GID
		if n, ok := number(group, g.Name); ok {
			m.gid[n] = g.GID
		}
	}
	return m
}

// number returns the third field of the line for name.
func number(text, name string) (int, bool) {
	for line := range strings.Lines(text) {
		f := strings.Split(line, ":")
		if len(f) > 2 && f[0] == name {
			n, err := strconv.Atoi(strings.TrimSuffix(f[2], "\n"))
			return n, err == nil
		}
	}
	return 0, false
}

// owner translates one pair. It fails for accounts that are not the suite's.
func (m idMap) owner(uid, gid int) (int, int, error) {
	u, ok := m.uid[uid]
	if !ok {
		return 0, 0, fmt.Errorf("owner %d is none of the suite's accounts", uid)
	}
	g, ok := m.gid[gid]
	if !ok {
		return 0, 0, fmt.Errorf("group %d is none of the suite's groups", gid)
	}
	return u, g, nil
}

// same reports whether every owner stays as it is.
func (m idMap) same() bool {
	for a, b := range m.uid {
		if a != b {
			return false
		}
	}
	for a, b := range m.gid {
		if a != b {
			return false
		}
	}
	return true
}
