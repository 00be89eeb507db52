// Package role names the accounts and groups of the suite, says what each is
// for, and finds their numbers in the text of /etc/passwd and /etc/group.
//
// The names come from conf-users and conf-groups; numbers are never built in
// but found at run time. This package reads no file: sys/creds does, and hands
// the bytes in. Spec: spec/queue.md section 1, spec/install.md section 1.
package role

import "goqmail/internal/conf"

// A User is one of the suite's accounts, numbered by its line in conf-users.
type User int

// The accounts and what each protects.
const (
	Alias  User = iota // deliveries to addresses without a user; owns alias/
	Daemon             // network daemons: qmail-smtpd and the like
	Log                // loggers: splogger, multilog
	Owner              // owner of programs and directories: root
	Passwd             // qmail-getpw: password look-ups without rights
	Queue              // qmail-queue (setuid), qmail-clean; owns mess todo intd pid
	Remote             // qmail-rspawn, qmail-remote; owns lock/tcpto
	Send               // qmail-send; owns info local remote bounce
)

// usersInOrder lists all accounts in the order of conf-users.
var usersInOrder = [...]User{Alias, Daemon, Log, Owner, Passwd, Queue, Remote, Send}

// Users returns all accounts in the order of conf-users.
func Users() []User { return append([]User(nil), usersInOrder[:]...) }

// Name is the account's name.
func (u User) Name() string { return conf.Users()[u] }

// A Group is one of the suite's two groups, numbered by its line in conf-groups.
type Group int

// The groups.
const (
	Qmail   Group = iota // may enter queue directories and read messages
	Nofiles              // must own no file at all
)

// Name is the group's name.
func (g Group) Name() string { return conf.Groups()[g] }

// Primary is the group of the account's passwd line as setup creates it.
func (u User) Primary() Group {
	switch u {
	case Queue, Remote, Send:
		return Qmail
	}
	return Nofiles
}

// A PasswdEntry is what the suite needs of one line of /etc/passwd
// (name:password:uid:gid:gecos:home:shell).
type PasswdEntry struct {
	Name     string
	UID, GID uint32
	Home     string
	Password string // "x" where /etc/shadow has it
	Shell    string
}

// ParsePasswd reads one line without its LF. ok is false for a line with fewer
// than six fields or a number that is not decimal or over 2^32-2. The C library
// takes a line without a shell, so it is one here.
func ParsePasswd(line []byte) (e PasswdEntry, ok bool) {
	f, ok := PasswdFields(line)
	uid, ok1 := ParseID(f[2])
	gid, ok2 := ParseID(f[3])
	return PasswdEntry{Name: f[0], UID: uid, GID: gid, Home: f[5], Password: f[1], Shell: f[6]}, ok && ok1 && ok2 && f[0] != ""
}

// PasswdFields cuts a line without its LF into the seven fields of a passwd
// file, whatever is in them. The last may be missing; ok is false for a line
// with fewer than six.
func PasswdFields(line []byte) (f [7]string, ok bool) {
	ok = fields(f[:], line) || fields(f[:6], line)
	return f, ok
}

// FindUser returns the first line of passwd whose name is exactly name.
func FindUser(passwd []byte, name string) (e PasswdEntry, ok bool) {
	eachLine(passwd, func(line []byte) bool {
		if !named(line, name) {
			return true
		}
		e, ok = ParsePasswd(line)
		return !ok
	})
	return e, ok
}

// FindGroup returns the number of the first line of group (name:password:gid:members)
// whose name is exactly name.
func FindGroup(group []byte, name string) (gid uint32, ok bool) {
	eachLine(group, func(line []byte) bool {
		var f [3]string
		if named(line, name) && fields(f[:], line) {
			gid, ok = ParseID(f[2])
		}
		return !ok
	})
	return gid, ok
}

// MemberGroups returns the numbers of all groups whose member list has name,
// in file order.
func MemberGroups(group []byte, name string) []uint32 {
	var out []uint32
	eachLine(group, func(line []byte) bool {
		var f [4]string
		if !fields(f[:], line) {
			return true
		}
		gid, ok := ParseID(f[2])
		if ok && member(f[3], name) {
			out = append(out, gid)
		}
		return true
	})
	return out
}

// member tells whether the comma list has name.
func member(list, name string) bool {
	for len(list) > 0 {
		n := 0
		for n < len(list) && list[n] != ',' {
			n++
		}
		if list[:n] == name {
			return true
		}
		if n == len(list) {
			return false
		}
		list = list[n+1:]
	}
	return false
}

// named tells cheaply whether line begins with name and a colon.
func named(line []byte, name string) bool {
	return name != "" && len(line) > len(name) && line[len(name)] == ':' && string(line[:len(name)]) == name
}

// eachLine calls f for each line without its LF until f returns false.
func eachLine(b []byte, f func([]byte) bool) {
	for len(b) > 0 {
		n := 0
		for n < len(b) && b[n] != '\n' {
			n++
		}
		if !f(b[:n]) {
			return
		}
		if n == len(b) {
			return
		}
		b = b[n+1:]
	}
}

// fields cuts line at colons into out; the last field takes the rest up to the
// next colon. It is false when the line has fewer fields.
func fields(out []string, line []byte) bool {
	for i := range out {
		n := 0
		for n < len(line) && line[n] != ':' {
			n++
		}
		out[i] = string(line[:n])
		if n == len(line) {
			return i == len(out)-1
		}
		line = line[n+1:]
	}
	return true
}

// ParseID reads a decimal user or group number; 2^32-1 means "no id" to the
// kernel and is refused.
func ParseID(s string) (uint32, bool) {
	if s == "" || len(s) > 10 {
		return 0, false
	}
	var n uint64
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + uint64(s[i]-'0')
	}
	return uint32(n), n < 1<<32-1
}
