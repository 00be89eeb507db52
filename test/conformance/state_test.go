//go:build e2e

package conformance

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"goqmail/internal/testkit"
)

// Where things are in a case's world.
const (
	home    = "/var/qmail"
	scratch = "/mnt/t"   // the case's own directory
	helpers = "/mnt/bin" // programs that cases call
	stdin   = "/mnt/stdin"
)

// caseWorld is the machine that cases run on. The tree is added by the caller.
var caseWorld = testkit.World{
	Host:  caseHost,
	Addrs: []string{"10.11.12.13"},
	Empty: true,
	Users: []testkit.User{
		{Name: "vt1", UID: 5001, GID: 5001, Gecos: "Vec Test", Home: scratch + "/home"},
		{Name: "vt2", UID: 5002, GID: 5002, Home: scratch + "/home2"},
		{Name: "vt-dash", UID: 5003, GID: 5001, Gecos: "d", Home: scratch + "/homed"},
		{Name: "vtnohome", UID: 5004, GID: 5001, Home: scratch + "/nonexistent"},
		{Name: "VtUpper", UID: 5005, GID: 5001, Home: scratch + "/home5"},
		{Name: "vtother", UID: 5006, GID: 5001, Home: scratch + "/homeo"},
		{Name: "vtzero", UID: 0, GID: 0, Home: scratch + "/homez"},
		{Name: "vtlongusernameabcdefghijklmnopqrstuv", UID: 5007, GID: 5001, Home: scratch + "/homel"},
	},
	Groups: []testkit.Group{{Name: "vtg1", GID: 5001}, {Name: "vtg2", GID: 5002}},
}

// helperPrograms stand in for programs that the one under test runs.
var helperPrograms = map[string]string{
	// a queue that records message and envelope and exits as told
	"qq": "/bin/cat >/mnt/t/qq.msg\n/bin/cat <&1 >/mnt/t/qq.env\nexit ${QQRC:-0}",
	// one that is killed
	"qqkill": "/bin/cat >/mnt/t/qq.msg\n/bin/cat <&1 >/mnt/t/qq.env\nkill -9 $$",
	// a checkpassword that records descriptor 3
	"cp":       "/bin/cat <&3 >/mnt/t/cp.in\n[ \"$CPKILL\" ] && kill -9 $$\n[ \"${CPRC:-0}\" = 0 ] || exit $CPRC\nexec \"$@\"",
	"showargs": "for i in \"$@\"; do printf '[%s]\\n' \"$i\"; done",
}

// stageSetup makes what stays for all cases of a worker.
func stageSetup() error {
	if err := os.MkdirAll(helpers, 0o755); err != nil {
		return err
	}
	for name, body := range helperPrograms {
		text := "#!/bin/sh\n" + body + "\n"
		if err := os.WriteFile(helpers+"/"+name, []byte(text), 0o755); err != nil {
			return err
		}
	}
	for _, d := range []string{"bin", "control", "users", "alias", "queue", "boot", "doc", "man"} {
		if err := os.Mkdir(home+"/"+d, 0o755); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}

// A kept is a file or directory that every case finds as it was at first.
type kept struct {
	path     string
	mode     uint32
	uid, gid int
	content  []byte // of a regular file
}

// A stage is the part of the world that cases change, as it was at first.
type stage struct {
	dirs  []kept // home and the directories in it, but not what is in them
	queue []kept
	dirty bool // a case has used the queue
}

// newStage remembers what is there.
func newStage() (*stage, error) {
	s := &stage{dirty: true}
	for _, d := range []string{"", "/control", "/users", "/alias"} {
		k, err := remember(home + d)
		if err != nil {
			return nil, err
		}
		s.dirs = append(s.dirs, k)
	}
	err := filepath.WalkDir(home+"/queue", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		k, err := remember(path)
		s.queue = append(s.queue, k)
		return err
	})
	return s, err
}

func remember(path string) (kept, error) {
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		return kept{}, fmt.Errorf("%s: %w", path, err)
	}
	k := kept{path: path, mode: st.Mode, uid: int(st.Uid), gid: int(st.Gid)}
	var err error
	if st.Mode&syscall.S_IFMT == syscall.S_IFREG {
		k.content, err = os.ReadFile(path)
	}
	return k, err
}

// restore makes k as it was.
func (k *kept) restore() error {
	var st syscall.Stat_t
	err := syscall.Lstat(k.path, &st)
	if err == nil && st.Mode&syscall.S_IFMT != k.mode&syscall.S_IFMT {
		err = os.RemoveAll(k.path)
		if err == nil {
			err = syscall.ENOENT
		}
	}
	if errors.Is(err, syscall.ENOENT) {
		switch k.mode & syscall.S_IFMT {
		case syscall.S_IFDIR:
			err = os.Mkdir(k.path, 0o700)
		case syscall.S_IFIFO:
			err = syscall.Mkfifo(k.path, 0o600)
		default:
			err = os.WriteFile(k.path, nil, 0o600)
		}
		st = syscall.Stat_t{Uid: ^uint32(0)}
	}
	if err != nil {
		return err
	}
	if k.mode&syscall.S_IFMT == syscall.S_IFREG {
		if err := os.WriteFile(k.path, k.content, 0o600); err != nil {
			return err
		}
	}
	if int(st.Uid) != k.uid || int(st.Gid) != k.gid {
		if err := os.Lchown(k.path, k.uid, k.gid); err != nil {
			return err
		}
		st.Mode = 0
	}
	if st.Mode&0o7777 != k.mode&0o7777 {
		return syscall.Chmod(k.path, k.mode&0o7777)
	}
	return nil
}

// reset makes everything as at first, the queue only if it is used now or was
// used before.
func (s *stage) reset(queue bool) error {
	if err := os.RemoveAll(scratch); err != nil {
		return err
	}
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return err
	}
	if err := syscall.Chmod(scratch, 0o1777); err != nil {
		return err
	}
	for _, k := range s.dirs {
		if err := k.restore(); err != nil {
			return err
		}
		if k.path == home {
			continue
		}
		names, err := os.ReadDir(k.path)
		if err != nil {
			return err
		}
		for _, n := range names {
			if err := os.RemoveAll(k.path + "/" + n.Name()); err != nil {
				return err
			}
		}
	}
	aliases, err := filepath.Glob("/etc/aliases*")
	if err != nil {
		return err
	}
	for _, a := range aliases {
		if err := os.Remove(a); err != nil {
			return err
		}
	}
	if !queue && !s.dirty {
		return nil
	}
	s.dirty = queue
	return s.resetQueue()
}

// resetQueue empties the queue.
func (s *stage) resetQueue() error {
	own := map[string]bool{}
	for i := range s.queue {
		own[s.queue[i].path] = true
	}
	err := filepath.WalkDir(home+"/queue", func(path string, d fs.DirEntry, err error) error {
		if err != nil || own[path] {
			return err
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if d.IsDir() {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range s.queue {
		if err := s.queue[i].restore(); err != nil {
			return err
		}
	}
	return nil
}

// realPath is the place of a path in a case: q:X is below the home, /X is as it
// stands, X is in the scratch directory.
func realPath(p string) string {
	if rest, ok := strings.CutPrefix(p, "q:"); ok {
		return home + "/" + rest
	}
	if strings.HasPrefix(p, "/") {
		return p
	}
	return scratch + "/" + p
}

// put makes one file of a case. Files in queue/lock are written over, with
// their mode, others are made anew.
func put(f fileEntry, ids *accounts) error {
	b, err := latin1(f.Path)
	if err != nil {
		return err
	}
	p := realPath(string(b))
	_, err = os.Lstat(p)
	there := err == nil
	lock := strings.HasPrefix(f.Path, "q:queue/lock/")
	s := f.Spec
	if s == nil {
		if there {
			return os.Remove(p)
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		return err
	}
	mode := uint32(0o644)
	switch {
	case bool(s.Dir):
		mode = 0o755
		err = os.MkdirAll(p, 0o755)
	case s.Link != nil:
		return os.Symlink(*s.Link, p)
	case bool(s.FIFO):
		mode = 0o622
		err = syscall.Mkfifo(p, 0o600)
	default:
		err = putContent(p, s, there && !lock)
	}
	if err != nil {
		return err
	}
	return putMeta(p, s, mode, lock, ids)
}

// putContent writes a regular file.
func putContent(p string, s *fileSpec, anew bool) error {
	text := s.C.bytes(time.Now().Unix())
	if s.Z != nil {
		z, err := base64.StdEncoding.DecodeString(*s.Z)
		if err != nil {
			return err
		}
		r, err := zlib.NewReader(bytes.NewReader(z))
		if err != nil {
			return err
		}
		if text, err = io.ReadAll(r); err != nil {
			return err
		}
	}
	if anew {
		if err := os.Remove(p); err != nil {
			return err
		}
	}
	return os.WriteFile(p, text, 0o644)
}

// putMeta sets owner, mode and time.
func putMeta(p string, s *fileSpec, mode uint32, lock bool, ids *accounts) error {
	if s.Own != nil {
		uid, gid, err := ids.find(*s.Own)
		if err != nil {
			return err
		}
		if err := os.Chown(p, uid, gid); err != nil {
			return err
		}
	}
	if s.Mode != nil {
		m, err := strconv.ParseUint(*s.Mode, 8, 32)
		if err != nil {
			return err
		}
		mode = uint32(m)
	}
	if s.Mode != nil || !lock {
		if err := syscall.Chmod(p, mode); err != nil {
			return err
		}
	}
	if s.MT != nil {
		t := time.Unix(*s.MT, 0)
		return os.Chtimes(p, t, t)
	}
	return nil
}

// putAll makes the files of a case. A directory whose mode or time is given
// gets it again at the end, as the files in it change both.
func (t *testCase) putAll(ids *accounts) error {
	var again []fileEntry
	for _, f := range t.Files {
		if err := put(f, ids); err != nil {
			return fmt.Errorf("make %s: %w", f.Path, err)
		}
		if s := f.Spec; s != nil && bool(s.Dir) && (s.Mode != nil || s.MT != nil) {
			again = append(again, f)
		}
	}
	for _, f := range again {
		if err := put(f, ids); err != nil {
			return fmt.Errorf("make %s: %w", f.Path, err)
		}
	}
	return nil
}

// accounts are those of the world.
type accounts struct {
	users, groups       map[string]int // name to number
	userGroup           map[int]int    // a user's number to its group
	userNames, grpNames map[int]string // the first name of a number
}

// readAccounts reads /etc/passwd and /etc/group.
func readAccounts() (*accounts, error) {
	a := &accounts{map[string]int{}, map[string]int{}, map[int]int{}, map[int]string{}, map[int]string{}}
	for path, f := range map[string]func(name string, id int, fields []string){
		"/etc/passwd": func(name string, id int, fields []string) {
			a.users[name] = id
			if _, ok := a.userNames[id]; !ok {
				a.userNames[id] = name
				a.userGroup[id], _ = strconv.Atoi(fields[3])
			}
		},
		"/etc/group": func(name string, id int, _ []string) {
			a.groups[name] = id
			if _, ok := a.grpNames[id]; !ok {
				a.grpNames[id] = name
			}
		},
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Split(strings.TrimSuffix(line, "\n"), ":")
			id, err := strconv.Atoi(fields[2])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			f(fields[0], id, fields)
		}
	}
	return a, nil
}

// find returns the numbers of USER or USER:GROUP; a part may be a number. The
// group of a user alone is that of its passwd line.
func (a *accounts) find(owner string) (uid, gid int, err error) {
	u, g, _ := strings.Cut(owner, ":")
	number := func(s string, m map[string]int) int {
		if n, err := strconv.Atoi(s); err == nil {
			return n
		}
		n, ok := m[s]
		if !ok {
			err = fmt.Errorf("no account %q", s)
		}
		return n
	}
	uid = number(u, a.users)
	if g != "" {
		gid = number(g, a.groups)
		return uid, gid, err
	}
	gid, ok := a.userGroup[uid]
	if !ok && err == nil {
		err = fmt.Errorf("no account with number %d", uid)
	}
	return uid, gid, err
}

// names writes an owner as USER:GROUP, with numbers for what has no name.
func (a *accounts) names(uid, gid int) string {
	u, ok := a.userNames[uid]
	if !ok {
		u = strconv.Itoa(uid)
	}
	g, ok := a.grpNames[gid]
	if !ok {
		g = strconv.Itoa(gid)
	}
	return u + ":" + g
}
