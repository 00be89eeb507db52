package maildir

import (
	"cmp"
	"slices"
	"strings"

	"goqmail/internal/sys"
)

// An Entry is a message in a Maildir.
type Entry struct {
	Name  string // below the Maildir: "new/..." or "cur/..."
	Mtime int64  // when it was delivered, in Unix seconds
	Size  int64  // bytes
}

// Clean removes what deliveries have left in tmp: files that nobody has read for
// TmpAge seconds. Names with a dot in front stay. What cannot be looked at or
// removed is left alone.
func Clean(dir *sys.Dir, now int64) {
	names, _ := dir.Names(Tmp) // what there is of them
	for _, name := range names {
		path := Tmp + "/" + name
		if st, err := dir.Stat(path); name[0] != '.' && err == nil && now > st.Atime+TmpAge {
			_ = dir.Unlink(path) // the next reader tries again
		}
	}
}

// Scan lists the messages in new and cur, the oldest first; of messages with one
// time the one whose name sorts first. Names with a dot in front are none. A
// message of the current second, or of a later one, is left for the next reader:
// another may still come that belongs before it. On an error failed is the
// subdirectory that cannot be read.
func Scan(dir *sys.Dir, now int64) (list []Entry, failed string, err error) {
	return scan(dir, now, New, Cur)
}

// ScanNew is Scan for the messages in new only.
func ScanNew(dir *sys.Dir, now int64) (list []Entry, failed string, err error) {
	return scan(dir, now, New)
}

func scan(dir *sys.Dir, now int64, subs ...string) (list []Entry, failed string, err error) {
	var paths arena
	for _, sub := range subs {
		err := eachFile(dir, sub, func(name string, st sys.Info) {
			if st.Mtime < now {
				list = append(list, Entry{paths.join(sub, name), st.Mtime, st.Size})
			}
		})
		if err != nil {
			return nil, sub, err
		}
	}
	slices.SortStableFunc(list, func(a, b Entry) int {
		if c := cmp.Compare(a.Mtime, b.Mtime); c != 0 {
			return c
		}
		return strings.Compare(a.Name[len(New):], b.Name[len(Cur):])
	})
	return list, "", nil
}

// eachFile calls f with what is in a subdirectory, but for names with a dot in
// front, one at a time: of 100,000 names no second list is kept.
func eachFile(dir *sys.Dir, sub string, f func(name string, st sys.Info)) error {
	in, err := dir.OpenDir(sub)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // read only
	return in.EachName(".", func(name string) bool {
		// Another reader may have moved or removed it by now.
		if st, err := in.Stat(name); name[0] != '.' && err == nil {
			f(name, st)
		}
		return true
	})
}

// arenaSize is how many bytes an arena takes from the run-time at once.
const arenaSize = 32 << 10

// An arena makes strings that stay, many to one piece of memory: a list of
// 100,000 names takes little more than their bytes.
type arena struct{ b strings.Builder }

// join is the path of a name in a subdirectory.
func (a *arena) join(sub, name string) string {
	n := len(sub) + len("/") + len(name)
	if a.b.Cap()-a.b.Len() < n {
		a.b.Reset() // what was made keeps the old piece
		a.b.Grow(max(n, arenaSize))
	}
	start := a.b.Len()
	_, _ = a.b.WriteString(sub) // a Builder does not fail
	_ = a.b.WriteByte('/')
	_, _ = a.b.WriteString(name)
	return a.b.String()[start:]
}
