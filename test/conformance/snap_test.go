//go:build e2e

package conformance

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"syscall"
)

// A snapshot records files after a case, under their normalised names.
type snapshot struct {
	norm  *normaliser
	ids   *accounts
	stat  bool
	files map[string]any
	more  map[string][]any // further files with the same normalised name
}

// capture records the trees named by paths. A path that is not there is nil.
// Without stat a directory is recorded only when it is empty.
func capture(paths []string, norm *normaliser, ids *accounts, stat bool) (map[string]any, error) {
	s := &snapshot{norm, ids, stat, map[string]any{}, map[string][]any{}}
	for _, p := range paths {
		b, err := latin1(p)
		if err != nil {
			return nil, err
		}
		if err := s.walk(b, realPath(string(b)), p); err != nil {
			return nil, err
		}
	}
	for name, rest := range s.more {
		all := append([]any{s.files[name]}, rest...)
		delete(s.files, name)
		sort.Slice(all, func(i, j int) bool { return ordered(all[i]) < ordered(all[j]) })
		for i, v := range all {
			s.files[fmt.Sprintf("%s #%d", name, i+1)] = v
		}
	}
	return s.files, nil
}

// walk records the file at path, and what is below it, as name.
func (s *snapshot) walk(name []byte, path, top string) error {
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		if top != "" && err == syscall.ENOENT {
			s.files[top] = nil
			return nil
		}
		return fmt.Errorf("lstat %s: %w", path, err)
	}
	var value any
	kind := ""
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		entries, err := os.ReadDir(path)
		if err != nil {
			return err
		}
		for _, e := range entries {
			sub := append(append(bytes.Clone(name), '/'), e.Name()...)
			if err := s.walk(sub, path+"/"+e.Name(), ""); err != nil {
				return err
			}
		}
		if len(entries) > 0 && !s.stat {
			return nil
		}
		value, kind = "", "dir"
	case syscall.S_IFLNK:
		to, err := os.Readlink(path)
		if err != nil {
			return err
		}
		value, kind = unlatin1([]byte(to)), "link"
	case syscall.S_IFIFO:
		value, kind = "", "fifo"
	default:
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		value = textValue(s.norm.bytes(text))
	}
	if kind != "" || s.stat {
		v := map[string]any{"v": value}
		if kind != "" {
			v["k"] = kind
		}
		if s.stat {
			v["s"] = fmt.Sprintf("%04o %s", st.Mode&0o7777, s.ids.names(int(st.Uid), int(st.Gid)))
		}
		value = v
	}
	s.add(unlatin1(s.norm.standard(name)), value)
	return nil
}

func (s *snapshot) add(name string, value any) {
	if _, ok := s.files[name]; ok {
		s.more[name] = append(s.more[name], value)
		return
	}
	s.files[name] = value
}

// reOrigin is the beginning of an envelope file, with a process id in it.
var reOrigin = regexp.MustCompile(`\Au(\d+)\x00p\d+\x00`)

// A queueFile is a file found in the queue.
type queueFile struct {
	dir, name string // below the queue
	st        syscall.Stat_t
	content   []byte
}

// isNumber reports whether a name is made of digits.
func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// captureQueue records the whole queue but for lock/. Unless raw is set, the
// messages in mess/ get the names N1, N2, ... in the order of size and content;
// the split directory becomes S if it is the right one; a file in pid/ becomes
// PIDFILE; intd/N without todo/N has content that depends on buffers.
func captureQueue(norm *normaliser, ids *accounts, raw bool) (map[string]any, error) {
	found, err := readQueue()
	if err != nil {
		return nil, err
	}
	subs, err := os.ReadDir(home + "/queue/mess")
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	todo := map[string]bool{}
	var messages []queueFile
	for _, f := range found {
		if strings.HasPrefix(f.dir, "mess/") && isNumber(f.name) && names[f.name] == "" && !raw {
			names[f.name] = "?"
			messages = append(messages, f)
		}
		if f.dir == "todo" {
			todo[f.name] = true
		}
	}
	sort.SliceStable(messages, func(i, j int) bool {
		a, b := messages[i], messages[j]
		if a.st.Size != b.st.Size {
			return a.st.Size < b.st.Size
		}
		return bytes.Compare(a.content, b.content) < 0
	})
	for i, m := range messages {
		names[m.name] = "N" + strconv.Itoa(i+1)
	}
	out := map[string]any{}
	for _, f := range found {
		top, sub, _ := strings.Cut(f.dir, "/")
		name, note := f.name, ""
		if n, ok := names[f.name]; ok {
			name = n
			if sub != "" && !rightSplit(sub, f.name, len(subs)) {
				sub = "WRONGSPLIT"
			} else if sub != "" {
				sub = "S"
			}
			if top == "mess" && strconv.FormatUint(f.st.Ino, 10) != f.name {
				note = " INODE-MISMATCH"
			}
		}
		if top == "pid" && !raw {
			name = "PIDFILE"
		}
		text := reOrigin.ReplaceAll(norm.bytes(f.content), []byte("u${1}\x00p<PID>\x00"))
		if top == "intd" && !todo[f.name] && !raw {
			text = []byte("<partial envelope>")
		}
		if sub != "" {
			name = sub + "/" + name
		}
		out[unlatin1([]byte("queue/"+top+"/"+name))] = map[string]any{
			"v": textValue(text),
			"s": fmt.Sprintf("%04o %s links=%d%s", f.st.Mode&0o7777, ids.names(int(f.st.Uid), int(f.st.Gid)), f.st.Nlink, note),
		}
	}
	return out, nil
}

// rightSplit reports whether sub is the split directory of a message number.
func rightSplit(sub, number string, split int) bool {
	rest := 0
	for _, d := range []byte(number) { // may be longer than any integer
		rest = (rest*10 + int(d-'0')) % split
	}
	return sub == strconv.Itoa(rest)
}

// readQueue reads all files of the queue but those in lock/, in the order of
// their names.
func readQueue() ([]queueFile, error) {
	var found []queueFile
	base := home + "/queue"
	err := filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == base+"/lock":
			return filepath.SkipDir
		case d.IsDir():
			return nil
		}
		rel := strings.TrimPrefix(path, base+"/")
		f := queueFile{dir: filepath.Dir(rel), name: filepath.Base(rel)}
		if err := syscall.Lstat(path, &f.st); err != nil {
			return err
		}
		f.content, err = os.ReadFile(path)
		found = append(found, f)
		return err
	})
	sort.Slice(found, func(i, j int) bool {
		a, b := found[i], found[j]
		if a.dir != b.dir {
			return a.dir < b.dir
		}
		return a.name < b.name
	})
	return found, err
}
