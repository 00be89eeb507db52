package role

import (
	"bytes"
	"strconv"
)

// A FileVersion tells whether a file is still the one that was read: device,
// inode, size, and the times of the last changes to content and to the inode,
// in nanoseconds since 1970.
type FileVersion struct {
	Dev, Ino     uint64
	Size         int64
	Mtime, Ctime int64
}

// IDs are the numbers of the suite's accounts, with the versions of the files
// that they were found in. Users/ids has them as text:
//
//	goqmail ids 1
//	passwd DEV INO SIZE MTIME CTIME
//	group DEV INO SIZE MTIME CTIME
//	user NAME UID               one for each account, in the order of conf-users
//	group NAME GID              one for each group, in the order of conf-groups
//	end
//
// "make setup" and qmail-start write it as root, 0644, by rename; programs that
// start use it in the place of a search through files that may be large, if root
// owns it, nobody else may write it, and the versions are those of the files now.
type IDs struct {
	Passwd, Group FileVersion
	UIDs          [len(usersInOrder)]uint32
	GIDs          [groups]uint32
}

// IDsFile is the name of the file below the home directory, IDsMax its largest
// size in bytes.
const (
	IDsFile = "users/ids"
	IDsMax  = 4096
)

// groups is the number of the suite's groups.
const groups = 2

const idsHead, idsEnd = "goqmail ids 1\n", "end\n"

// Append adds the text to b.
func (i IDs) Append(b []byte) []byte {
	b = append(b, idsHead...)
	b = i.Passwd.append(append(b, "passwd"...))
	b = i.Group.append(append(b, "group"...))
	for _, u := range usersInOrder {
		b = appendID(b, "user", u.Name(), i.UIDs[u])
	}
	for g := range groups {
		b = appendID(b, "group", Group(g).Name(), i.GIDs[g])
	}
	return append(b, idsEnd...)
}

func (v FileVersion) append(b []byte) []byte {
	b = strconv.AppendUint(append(b, ' '), v.Dev, 10)
	b = strconv.AppendUint(append(b, ' '), v.Ino, 10)
	for _, n := range [...]int64{v.Size, v.Mtime, v.Ctime} {
		b = strconv.AppendInt(append(b, ' '), n, 10)
	}
	return append(b, '\n')
}

func appendID(b []byte, kind, name string, n uint32) []byte {
	b = append(append(append(append(b, kind...), ' '), name...), ' ')
	return append(strconv.AppendUint(b, uint64(n), 10), '\n')
}

// ParseIDs reads the text; ok is false for anything that Append would not have
// written, with the names that the suite has now.
func ParseIDs(b []byte) (i IDs, ok bool) {
	lines := bytes.Split(b, []byte{'\n'})
	const versions = 3 // lines before the names
	if len(b) > IDsMax || len(lines) < versions+len(usersInOrder)+groups {
		return IDs{}, false
	}
	i.Passwd = parseVersion(lines[1])
	i.Group = parseVersion(lines[2])
	for n := range usersInOrder {
		i.UIDs[n] = lastNumber(lines[versions+n])
	}
	for n := range groups {
		i.GIDs[n] = lastNumber(lines[versions+len(usersInOrder)+n])
	}
	return i, bytes.Equal(i.Append(nil), b)
}

// parseVersion reads the numbers of a version's line; whether it is well formed
// shows when it is written again.
func parseVersion(line []byte) (v FileVersion) {
	f := bytes.Split(line, []byte{' '})
	if len(f) != 6 {
		return v
	}
	v.Dev, _ = strconv.ParseUint(string(f[1]), 10, 64)
	v.Ino, _ = strconv.ParseUint(string(f[2]), 10, 64)
	v.Size, _ = strconv.ParseInt(string(f[3]), 10, 64)
	v.Mtime, _ = strconv.ParseInt(string(f[4]), 10, 64)
	v.Ctime, _ = strconv.ParseInt(string(f[5]), 10, 64)
	return v
}

// lastNumber is the number after the last blank, under the same reservation.
func lastNumber(line []byte) uint32 {
	n, ok := ParseID(string(line[bytes.LastIndexByte(line, ' ')+1:]))
	if !ok {
		return 0
	}
	return n
}
