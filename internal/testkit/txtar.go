package testkit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// An Archive is a txtar text: a comment, then files.
//
//	the comment: any lines before the first marker
//	-- NAME --
//	lines of the file
//	-- OTHER NAME --
//	...
//
// A marker line is "-- ", a name without blanks at its ends, " --" and a
// newline. It cannot be quoted: no line of a file can look like a marker, and
// every file that is not empty ends in a newline. Bytes are kept as they are.
type Archive struct {
	Comment []byte
	Files   []ArchiveFile
}

// An ArchiveFile is one file of an Archive.
type ArchiveFile struct {
	Name string // never empty, no newline, no blank at either end
	Data []byte // empty, or ends in a newline
}

// ParseArchive splits a txtar text. The last file gets a newline when it lacks
// one. It fails on a name that occurs twice.
func ParseArchive(text []byte) (*Archive, error) {
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(bytes.Clone(text), '\n')
	}
	a := &Archive{}
	dst := &a.Comment
	seen := map[string]bool{}
	for len(text) > 0 {
		n := bytes.IndexByte(text, '\n') + 1
		line := text[:n]
		text = text[n:]
		name, ok := marker(line)
		if !ok {
			*dst = append(*dst, line...)
			continue
		}
		if seen[name] {
			return nil, fmt.Errorf("txtar: two files are named %q", name)
		}
		seen[name] = true
		a.Files = append(a.Files, ArchiveFile{Name: name})
		dst = &a.Files[len(a.Files)-1].Data
	}
	return a, nil
}

// marker returns the name in a marker line, which must end in a newline.
func marker(line []byte) (string, bool) {
	s := strings.TrimSuffix(string(line), "\n")
	if len(s) < len("-- x --") || !strings.HasPrefix(s, "-- ") || !strings.HasSuffix(s, " --") {
		return "", false
	}
	name := s[3 : len(s)-3]
	if name != strings.Trim(name, " \t\r") {
		return "", false
	}
	return name, true
}

// Format writes the archive so that ParseArchive gives it back. It fails on
// what the format cannot hold.
func (a *Archive) Format() ([]byte, error) {
	var out []byte
	add := func(data []byte) error {
		if len(data) > 0 && data[len(data)-1] != '\n' {
			return errors.New("txtar: text does not end in a newline")
		}
		for line := range bytes.Lines(data) {
			if _, ok := marker(line); ok {
				return fmt.Errorf("txtar: text has the marker line %q", line)
			}
		}
		out = append(out, data...)
		return nil
	}
	if err := add(a.Comment); err != nil {
		return nil, err
	}
	for _, f := range a.Files {
		line := "-- " + f.Name + " --\n"
		if got, ok := marker([]byte(line)); !ok || got != f.Name || strings.Contains(f.Name, "\n") {
			return nil, fmt.Errorf("txtar: bad file name %q", f.Name)
		}
		out = append(out, line...)
		if err := add(f.Data); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// File returns the data of the file with that name, and whether there is one.
func (a *Archive) File(name string) ([]byte, bool) {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data, true
		}
	}
	return nil, false
}

// ReadArchive reads a txtar file of the package's testdata. Failures end the
// test.
func ReadArchive(t testing.TB, path string) *Archive {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := ParseArchive(text)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return a
}
