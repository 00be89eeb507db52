package testkit

import (
	"bytes"
	"reflect"
	"testing"
)

var archives = []struct {
	text    string
	comment string
	files   []ArchiveFile
}{
	{"", "", nil},
	{"only a comment", "only a comment\n", nil},
	{"c\n-- a --\n", "c\n", []ArchiveFile{{Name: "a"}}},
	{"-- a/b c --\nx\n\ny\n-- d --\nz", "", []ArchiveFile{{"a/b c", []byte("x\n\ny\n")}, {"d", []byte("z\n")}}},
	{"-- a --\n--  --\n-- b\n-- --\n--  b --\n", "", []ArchiveFile{{"a", []byte("--  --\n-- b\n-- --\n--  b --\n")}}},
	{"-- a --\nx\r\n\x00\xff\n", "", []ArchiveFile{{"a", []byte("x\r\n\x00\xff\n")}}},
}

func TestParseArchive(t *testing.T) {
	for _, tt := range archives {
		a, err := ParseArchive([]byte(tt.text))
		if err != nil {
			t.Errorf("ParseArchive(%q): %v", tt.text, err)
			continue
		}
		if string(a.Comment) != tt.comment || !reflect.DeepEqual(a.Files, tt.files) {
			t.Errorf("ParseArchive(%q) = %q %q, want %q %q", tt.text, a.Comment, a.Files, tt.comment, tt.files)
		}
	}
	if _, err := ParseArchive([]byte("-- a --\n-- a --\n")); err == nil {
		t.Error("ParseArchive with a name twice: no error")
	}
}

func TestFormatRefuses(t *testing.T) {
	for _, a := range []*Archive{
		{Comment: []byte("no newline")},
		{Comment: []byte("-- a --\n")},
		{Files: []ArchiveFile{{Name: ""}}},
		{Files: []ArchiveFile{{Name: " a"}}},
		{Files: []ArchiveFile{{Name: "a\nb"}}},
		{Files: []ArchiveFile{{Name: "a", Data: []byte("x")}}},
	} {
		if out, err := a.Format(); err == nil {
			t.Errorf("Format(%q) = %q, want an error", a, out)
		}
	}
}

// What parses is written back as the same bytes, but for a last newline.
func FuzzArchive(f *testing.F) {
	for _, tt := range archives {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := ParseArchive(text)
		if err != nil {
			return
		}
		out, err := a.Format()
		if err != nil {
			t.Fatalf("Format(ParseArchive(%q)): %v", text, err)
		}
		if !bytes.Equal(bytes.TrimSuffix(out, []byte("\n")), bytes.TrimSuffix(text, []byte("\n"))) {
			t.Errorf("Format(ParseArchive(%q)) = %q", text, out)
		}
	})
}
