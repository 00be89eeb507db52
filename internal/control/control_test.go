package control

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// home makes a home directory with the given control files; a nil content makes
// a directory of that name.
func home(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "control"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		path := filepath.Join(dir, "control", name)
		if content == "DIR" {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRules(t *testing.T) {
	h := home(t, map[string]string{
		"me": "mx.example.test \t\nsecond\n", "empty": "", "lead": "  x y\r \n", "noeol": "v", "broken": "DIR",
		"int": "12abc\n", "neg": "-1\n", "big": "99999999999999999999\n", "list": "a \n#no\n\n \t\n b\nlast", "three": "3000000000\n",
		"nul": "a\x00b \n\x00c\nd\x00\n",
	})
	r, err := Open(h)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	lines := []struct {
		name, want string
		ok         bool
	}{
		{"me", "mx.example.test", true}, {"empty", "", true}, {"lead", "  x y\r", true}, {"noeol", "v", true}, {"absent", "", false},
	}
	for _, tt := range lines {
		if got, ok, err := r.Line(tt.name); got != tt.want || ok != tt.ok || err != nil {
			t.Errorf("Line(%s) = %q, %v, %v, want %q, %v", tt.name, got, ok, err, tt.want, tt.ok)
		}
	}
	if got, ok, _ := r.LineOrMe("absent", "def"); got != "mx.example.test" || !ok {
		t.Errorf("LineOrMe(absent) = %q, %v", got, ok)
	}
	ints := []struct {
		name string
		want int
	}{{"int", 12}, {"neg", 7}, {"big", MaxInt}, {"three", MaxInt}, {"empty", 7}, {"absent", 7}}
	for _, tt := range ints {
		if got, err := r.Int(tt.name, 7); got != tt.want || err != nil {
			t.Errorf("Int(%s) = %d, %v, want %d", tt.name, got, err, tt.want)
		}
	}
	if got, ok, err := r.List("list"); !reflect.DeepEqual(got, []string{"a", " b", "last"}) || !ok || err != nil {
		t.Errorf("List = %q, %v, %v", got, ok, err)
	}
	if got, ok, err := r.List("nul"); !reflect.DeepEqual(got, []string{"a", "b", "d", ""}) || !ok || err != nil {
		t.Errorf("List with NULs = %q, %v, %v", got, ok, err)
	}
	if _, _, err := r.Line("broken"); err == nil {
		t.Error("a directory counts as absent or empty")
	}
	if _, _, err := r.List("broken"); err == nil {
		t.Error("a directory counts as an empty list")
	}
}

func TestOpenFailures(t *testing.T) {
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a missing control directory is no error")
	}
	if _, err := Open(home(t, map[string]string{"me": "DIR"})); err == nil {
		t.Error("an unreadable me is no error")
	}
	r, err := Open(home(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok, err := r.LineOrMe("absent", "def"); got != "def" || ok || err != nil {
		t.Errorf("LineOrMe without me = %q, %v, %v", got, ok, err)
	}
}

// A directory that can be searched but not listed is enough, as for C.
func TestSearchable(t *testing.T) {
	h := home(t, map[string]string{"me": "mx\n"})
	if err := os.Chmod(filepath.Join(h, "control"), 0o311); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(h, "control"), 0o755) }) // or an ordinary user cannot remove it
	for _, open := range []func(string) (*Reader, error){Open, OpenWithoutMe} {
		r, err := open(h)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok, err := r.Line("me"); got != "mx" || !ok || err != nil {
			t.Errorf("Line(me) = %q, %v, %v", got, ok, err)
		}
		r.Close()
	}
}

func TestMap(t *testing.T) {
	m := NewColonMap([]string{"dup.test:first", "DUP.test:second:x", "none", ":catch", "e:"})
	tests := []struct {
		key, want string
		ok        bool
	}{
		{"Dup.TEST", "second:x", true}, {"none", "", false}, {"", "catch", true}, {"e", "", true}, {"te\xc5\xbft", "", false},
	}
	for _, tt := range tests {
		if got, ok := m.Lookup(tt.key); got != tt.want || ok != tt.ok {
			t.Errorf("Lookup(%q) = %q, %v, want %q, %v", tt.key, got, ok, tt.want, tt.ok)
		}
	}
	if p := NewMap([]string{"A.b"}); !p.Has("a.B") || p.Has("a") || p.Len() != 1 || (Map{}).Has("") {
		t.Error("NewMap is wrong")
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte("a \n#no\n\n \t\n b\nlast"))
	f.Fuzz(func(t *testing.T, b []byte) {
		lines := ParseList(b)
		again := ParseList([]byte(strings.Join(lines, "\n")))
		if len(lines) != len(again) || len(lines) > 0 && !reflect.DeepEqual(lines, again) {
			t.Errorf("ParseList(%q) = %q, of its own lines %q", b, lines, again)
		}
	})
}
