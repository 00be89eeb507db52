// Package control reads the files in control/ by the four rules that qmail's
// programs share: line, line-or-me, int and list; and looks lists up without
// regard to ASCII case. Absent is exactly ENOENT; any other error is returned
// and never taken for "absent". Spec: spec/control.md section 1,
// spec/send.md section 3.
package control

import (
	"bytes"
	"strings"

	"goqmail/internal/address"
	"goqmail/internal/sys"
)

// MaxFile is the largest control file that is read, in bytes; a larger one is
// an error (EFBIG).
const MaxFile = 64 << 20

// A Reader reads the control files below one home directory.
type Reader struct {
	dir  *sys.Dir
	me   string
	meOK bool
}

// Open opens home/control and reads the file me, which most programs fall back
// on. A missing control directory is an error; a missing me is not.
func Open(home string) (*Reader, error) {
	r, err := OpenWithoutMe(home)
	if err != nil {
		return nil, err
	}
	if r.me, r.meOK, err = r.Line("me"); err != nil {
		r.Close() // the first error counts
		return nil, err
	}
	return r, nil
}

// OpenWithoutMe is Open for a program that knows me already: the file is not
// read, and counts as absent.
func OpenWithoutMe(home string) (*Reader, error) {
	dir, err := sys.Cwd().OpenSearchDir(home + "/control")
	if err != nil {
		return nil, err
	}
	return &Reader{dir: dir}, nil
}

// Close gives the directory back.
func (r *Reader) Close() { _ = r.dir.Close() } // read only

// Me is the content of control/me when the Reader was opened.
func (r *Reader) Me() (name string, ok bool) { return r.me, r.meOK }

// Dir is the open control directory.
func (r *Reader) Dir() *sys.Dir { return r.dir }

// read reads a whole file; ok is false when it is absent.
func (r *Reader) read(name string) (b []byte, ok bool, err error) {
	b, err = r.dir.ReadFile(name, MaxFile)
	if sys.IsNotExist(err) {
		return nil, false, nil
	}
	return b, err == nil, err
}

// Line is the first line of a file with blanks, tabs and newlines taken off its
// end. An existing empty file gives "" and ok.
func (r *Reader) Line(name string) (value string, ok bool, err error) {
	b, ok, err := r.read(name)
	if !ok {
		return "", false, err
	}
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		b = b[:i]
	}
	return string(trimRight(b)), true, nil
}

// LineOrMe is Line, else the content of me, else def; ok is false when the
// value is def.
func (r *Reader) LineOrMe(name, def string) (value string, ok bool, err error) {
	value, ok, err = r.Line(name)
	if ok || err != nil {
		return value, ok, err
	}
	if r.meOK {
		return r.me, true, nil
	}
	return def, false, nil
}

// MaxInt is the largest value Int returns; larger ones are cut to it and never
// wrap as in C.
const MaxInt = 1<<31 - 1

// Int is the leading decimal digits of the first line; def when the file is
// absent or its first line does not begin with a digit.
func (r *Reader) Int(name string, def int) (int, error) {
	s, ok, err := r.Line(name)
	if !ok {
		return def, err
	}
	if n, ok := LeadingInt(s); ok {
		return n, nil
	}
	return def, nil
}

// LeadingInt is the number that s begins with, decimal digits, or MaxInt if it is
// larger; ok is false when there is no digit.
func LeadingInt(s string) (n int, ok bool) {
	u, digits := uint64(0), 0
	for ; digits < len(s) && s[digits] >= '0' && s[digits] <= '9'; digits++ {
		u = min(u*10+uint64(s[digits]-'0'), MaxInt)
	}
	return int(u), digits > 0
}

// List is every line with blanks and tabs taken off its end; empty lines and
// lines that begin with # are left out. ok is false when the file is absent.
//
// C qmail: a NUL in a line ends an entry, and a line that begins with one is
// left out. Names with a NUL would break the records they are put into.
func (r *Reader) List(name string) (lines []string, ok bool, err error) {
	b, ok, err := r.read(name)
	if !ok {
		return nil, false, err
	}
	for _, line := range ParseList(b) {
		if line[0] != 0 {
			lines = append(lines, strings.Split(line, "\x00")...)
		}
	}
	return lines, true, nil
}

// ParseList applies List's rule to the content of a file, but that of NULs.
func ParseList(b []byte) []string {
	var lines []string
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
		} else {
			b = nil
		}
		if line = trimRight(line); len(line) > 0 && line[0] != '#' {
			lines = append(lines, string(line))
		}
	}
	return lines
}

// trimRight takes blanks, tabs and newlines off the end.
func trimRight(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t' || b[len(b)-1] == '\n') {
		b = b[:len(b)-1]
	}
	return b
}

// A Map looks up lines of a list without regard to ASCII case ("constmap").
// Of two equal keys the later line wins. The zero Map is empty.
type Map struct{ m map[string]string }

// NewMap makes a Map whose keys are whole lines; values are empty.
func NewMap(lines []string) Map {
	m := Map{make(map[string]string, len(lines))}
	for _, l := range lines {
		m.m[address.Lower(l)] = ""
	}
	return m
}

// NewColonMap makes a Map from lines KEY:VALUE, cut at the first colon; lines
// without a colon are ignored.
func NewColonMap(lines []string) Map {
	m := Map{make(map[string]string, len(lines))}
	for _, l := range lines {
		for i := 0; i < len(l); i++ {
			if l[i] == ':' {
				m.m[address.Lower(l[:i])] = l[i+1:]
				break
			}
		}
	}
	return m
}

// Lookup finds a key, ASCII case aside.
func (m Map) Lookup(key string) (value string, ok bool) {
	if len(m.m) == 0 {
		return "", false
	}
	value, ok = m.m[address.Lower(key)]
	return value, ok
}

// Has tells whether the key is there.
func (m Map) Has(key string) bool {
	_, ok := m.Lookup(key)
	return ok
}

// Len is the number of different keys.
func (m Map) Len() int { return len(m.m) }
