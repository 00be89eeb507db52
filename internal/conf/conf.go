// Package conf holds the choices made when the suite is built.
//
// Each value comes from the first line of a conf-* file (conf-users: the
// first eight lines, conf-groups: two) and is put in by the Makefile with the
// linker's -X option, so a plain "go build" has qmail's defaults. Nothing here
// changes while a program runs. Spec: spec/install.md, section 2.
package conf

import "strconv"

// The variables are strings because the linker sets strings only. They must
// not be assigned anywhere in Go code.
var (
	home    = "/var/qmail"
	brk     = "-"
	patrn   = "002"
	spawn   = "120"
	split   = "23"
	users   = "alias qmaild qmaill root qmailp qmailq qmailr qmails"
	groups  = "qmail nofiles"
	version = "devel"
)

// Home is the directory that holds bin, control, queue, users and alias,
// without a final slash (conf-qmail).
func Home() string { return home }

// Break is the byte between user and extension in a local part (conf-break).
func Break() byte {
	if brk == "" {
		return '-'
	}
	return brk[0]
}

// Patrn is the set of mode bits that a home directory and a .qmail file must
// not have (conf-patrn, octal).
func Patrn() uint32 { return uint32(number(patrn, 8, 0o002, 0o7777)) }

// Spawn is the silent limit of deliveries per channel that a spawner announces
// to qmail-send: 1 to 255 (conf-spawn).
func Spawn() int {
	n := int(number(spawn, 10, 120, 255))
	if n < 1 {
		return 120
	}
	return n
}

// Split is the number of subdirectories of mess, info, local and remote
// (conf-split), at least 1.
func Split() uint64 {
	n := number(split, 10, 23, 1<<20)
	if n < 1 {
		return 23
	}
	return n
}

// Users lists the account names in the order of conf-users: alias, daemon,
// log, owner, passwd, queue, remote, send.
func Users() [8]string {
	var out [8]string
	fill(out[:], users)
	return out
}

// Groups lists the group names in the order of conf-groups: the queue's group,
// then the group that owns no files.
func Groups() [2]string {
	var out [2]string
	fill(out[:], groups)
	return out
}

// Version is the content of the VERSION file, or "devel" for a plain go build.
func Version() string { return version }

// number reads s in the given base; a value that cannot be read or lies above
// max gives def.
func number(s string, base int, def, max uint64) uint64 {
	n, err := strconv.ParseUint(s, base, 64)
	if err != nil || n > max {
		return def
	}
	return n
}

// fill cuts list at single blanks into out; missing names stay empty.
func fill(out []string, list string) {
	for i := range out {
		n := 0
		for n < len(list) && list[n] != ' ' {
			n++
		}
		out[i] = list[:n]
		if n == len(list) {
			return
		}
		list = list[n+1:]
	}
}
