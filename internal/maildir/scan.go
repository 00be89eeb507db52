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
	for _, sub := range [...]string{New, Cur} {
		// One at a time: of 100,000 names no second list is kept.
		err := dir.EachName(sub, func(name string) bool {
			path := sub + "/" + name
			// Another reader may have moved or removed it by now.
			if st, err := dir.Stat(path); name[0] != '.' && err == nil && st.Mtime < now {
				list = append(list, Entry{path, st.Mtime, st.Size})
			}
			return true
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
