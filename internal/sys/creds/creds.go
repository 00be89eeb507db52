// Package creds becomes another user: the strongest of the keys
// (docs/ARCHITECTURE.md). Package floorplan names who may import it.
package creds

import (
	"errors"
	"sort"
	"syscall"

	"goqmail/internal/sys/child"
)

// An ID is what a process is allowed to be.
type ID struct {
	UID, GID uint32
	Groups   []uint32 // supplementary groups; usually just GID
}

// ErrVerify is returned when the kernel says yes but the result is not what was
// asked for.
var ErrVerify = errors.New("credentials did not change as asked")

// Start starts the program as id: setgroups, setgid and setuid in the child
// before it is executed, any failure of which is Start's error.
func Start(c *child.Cmd, id ID) (child.Process, error) {
	as := *c
	as.Cred = &syscall.Credential{Uid: id.UID, Gid: id.GID, Groups: id.Groups}
	return child.Start(&as)
}

// StartSearch is Start for a program that is looked up along path, as
// child.StartSearch does. This process looks, with its own rights.
func StartSearch(c *child.Cmd, id ID, path string) (child.Process, error) {
	as := *c
	as.Cred = &syscall.Credential{Uid: id.UID, Gid: id.GID, Groups: id.Groups}
	return child.StartSearch(&as, path)
}

// Become changes this process, all threads of it: groups first, then gid, then
// uid, and looks whether it is true afterwards.
func Become(id ID) error {
	if err := SetGroup(id.GID, id.Groups); err != nil {
		return err
	}
	return SetUser(id.UID)
}

// SetUser changes only the uid of this process; it keeps its groups.
func SetUser(uid uint32) error {
	if err := syscall.Setuid(int(uid)); err != nil {
		return err
	}
	if syscall.Getuid() != int(uid) || syscall.Geteuid() != int(uid) {
		return ErrVerify
	}
	return nil
}

// SetGroup changes only the groups of this process.
func SetGroup(gid uint32, groups []uint32) error {
	want := make([]int, len(groups))
	for i, g := range groups {
		want[i] = int(g)
	}
	if err := syscall.Setgroups(want); err != nil {
		return err
	}
	if err := syscall.Setgid(int(gid)); err != nil {
		return err
	}
	got, err := syscall.Getgroups()
	if err != nil {
		return err
	}
	if !sameSet(got, want) || syscall.Getgid() != int(gid) || syscall.Getegid() != int(gid) {
		return ErrVerify
	}
	return nil
}

// sameSet tells whether a and b hold the same numbers.
func sameSet(a, b []int) bool {
	a, b = unique(a), unique(b)
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// unique is a sorted copy without repetitions.
func unique(in []int) []int {
	s := append([]int(nil), in...)
	sort.Ints(s)
	out := s[:0]
	for i, v := range s {
		if i == 0 || v != s[i-1] {
			out = append(out, v)
		}
	}
	return out
}
