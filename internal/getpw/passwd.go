package getpw

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"

	"goqmail/internal/pipe"
	"goqmail/internal/role"
)

// maxLine is the length of the longest line of /etc/passwd that is read, in
// bytes; it is also the memory that the search takes, however large the file.
const maxLine = 1 << 16

// errLongLine: the line of a user who was asked for is longer than maxLine.
var errLongLine = errors.New("line of a passwd file is too long")

// nughde makes the six fields for an account.
func nughde(e role.PasswdEntry, dash, ext string) pipe.Nughde {
	id := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	return pipe.Nughde{User: e.Name, UID: id(e.UID), GID: id(e.GID), Home: e.Home, Dash: dash, Ext: ext}
}

// scan reads a passwd file once, to its end or until all names are found, and
// returns the first sound line of each name that has one. Blanks before a name
// do not count, as for the C library.
func scan(r io.Reader, names []string) (map[string]role.PasswdEntry, error) {
	missing := make(map[string]bool, len(names))
	var first [256]bool // bytes that the names begin with: most lines need no more
	for _, name := range names {
		if name != "" {
			missing[name], first[name[0]] = true, true
		}
	}
	found := make(map[string]role.PasswdEntry, len(names))
	in := bufio.NewReaderSize(r, maxLine)
	for len(missing) > 0 {
		line, err := in.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return nil, err
		}
		line = trimLeft(line)
		if len(line) > 0 && first[line[0]] {
			if name, ok := wanted(line, missing); ok {
				if err == bufio.ErrBufferFull {
					return nil, errLongLine
				}
				if e, ok := role.ParsePasswd(bytes.TrimSuffix(line, []byte{'\n'})); ok {
					found[name] = e
					delete(missing, name)
				}
			}
		}
		for err == bufio.ErrBufferFull {
			_, err = in.ReadSlice('\n') // the rest of a line nobody asked for
		}
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// wanted is the name of the line, if it is one of names. As for the C library,
// a line that begins with + or - is no account.
func wanted(line []byte, names map[string]bool) (name string, ok bool) {
	i := bytes.IndexByte(line, ':')
	if i < 0 || !names[string(line[:i])] || line[0] == '+' || line[0] == '-' {
		return "", false
	}
	return string(line[:i]), true
}
