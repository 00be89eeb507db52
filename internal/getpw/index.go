package getpw

import (
	"bufio"
	"bytes"
	"io"

	"goqmail/internal/role"
	"goqmail/internal/sys"
)

// An index tells where in a passwd file each account's line is, so that a
// look-up costs the same whatever the size of the file. It is made anew when the
// file is another one, or was changed. The zero index has looked at no file.
type index struct {
	of  sys.Version
	fd  sys.FD
	at  map[string]int64 // offset of the first sound line of each name
	bad map[string]bool  // names whose first line is too long to be read
	buf []byte           // for a line
}

// find returns the entries of those of names that are accounts in the file.
func (x *index) find(path string, names []string) (map[string]role.PasswdEntry, error) {
	st, err := sys.Cwd().Stat(path)
	if err != nil {
		return nil, err
	}
	if x.at == nil || st.Version() != x.of {
		if err := x.make(path); err != nil {
			x.close()
			return nil, err
		}
	}
	found := make(map[string]role.PasswdEntry, len(names))
	for _, name := range names {
		if x.bad[name] {
			return nil, errLongLine
		}
		at, ok := x.at[name]
		if !ok {
			continue
		}
		e, err := x.entry(at)
		if err != nil {
			x.close()
			return nil, err
		}
		found[name] = e
	}
	return found, nil
}

// make reads the whole file.
func (x *index) make(path string) error {
	x.close()
	fd, err := sys.Cwd().Open(path, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return err
	}
	x.fd, x.at, x.bad = fd, map[string]int64{}, map[string]bool{}
	st, err := fd.Stat()
	if err != nil {
		return err
	}
	x.of = st.Version()
	in := bufio.NewReaderSize(fd, maxLine)
	for offset := int64(0); ; {
		line, err := in.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return err
		}
		x.add(line, offset, err == bufio.ErrBufferFull)
		offset += int64(len(line))
		for err == bufio.ErrBufferFull {
			line, err = in.ReadSlice('\n')
			offset += int64(len(line))
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// add notes a line, by the rules of scan. cut says that only its beginning is
// there.
func (x *index) add(line []byte, offset int64, cut bool) {
	text := trimLeft(line)
	i := bytes.IndexByte(text, ':')
	if i <= 0 || text[0] == '+' || text[0] == '-' {
		return
	}
	name := string(text[:i])
	if _, known := x.at[name]; known || x.bad[name] {
		return
	}
	if cut {
		x.bad[name] = true
		return
	}
	if _, ok := role.ParsePasswd(bytes.TrimSuffix(text, []byte{'\n'})); ok {
		x.at[name] = offset
	}
}

// entry reads the line at an offset.
func (x *index) entry(at int64) (role.PasswdEntry, error) {
	if x.buf == nil {
		x.buf = make([]byte, maxLine)
	}
	n, err := x.fd.ReadAt(x.buf, at)
	if err != nil && err != io.EOF {
		return role.PasswdEntry{}, err
	}
	line, _, _ := bytes.Cut(x.buf[:n], []byte{'\n'})
	e, ok := role.ParsePasswd(trimLeft(line))
	if !ok {
		return e, errDown // the file was changed just now
	}
	return e, nil
}

// close forgets the file.
func (x *index) close() {
	if x.at != nil {
		_ = x.fd.Close() // read only
	}
	*x = index{buf: x.buf}
}
