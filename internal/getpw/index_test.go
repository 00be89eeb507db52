package getpw

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"goqmail/internal/role"
)

// search looks names up by an index of a file with the content.
func search(t *testing.T, x *index, content string, names []string) (map[string]role.PasswdEntry, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return x.find(path, names)
}

// FuzzIndex: an index finds what a search through the file finds.
func FuzzIndex(f *testing.F) {
	long := strings.Repeat("x", maxLine)
	for _, s := range []string{
		"", "joe:x:1:2:g:/h:/s\n", "joe:x:1:2:g:/h", " joe:x:1:2:g:/h:/s\njoe:x:9:9:g:/h:/s\n", "joe:bad\njoe:x:3:4::/h:\n",
		"+joe:x:1:2:g:/h:/s\n-ann:x:1:2::/:\n", "ann:x:1:2:" + long + ":/h:/s\njoe:x:1:2:g:/h:/s\n", ":x:1:2::/:\n\n\nann:x:5:6::/a:", "joe\nann",
		"a:" + long + "\n" + long + "joe:x:1:2:g:/h:/s\nann:x:1:1::/:\n",
	} {
		f.Add(s)
	}
	names := []string{"joe", "ann", "a", "", "x"}
	f.Fuzz(func(t *testing.T, content string) {
		// One long line counts for scan only until all names are found, so they
		// are looked for one by one.
		for _, name := range names {
			want, werr := scan(strings.NewReader(content), []string{name})
			var x index
			got, err := search(t, &x, content, []string{name})
			x.close()
			if !errors.Is(err, werr) && (err == nil) != (werr == nil) || err == nil && !maps.Equal(got, want) {
				t.Errorf("%.200q: %q: index %v, %v; scan %v, %v", content, name, got, err, want, werr)
			}
		}
	})
}

// TestIndexChanges: a file that is replaced or written to is read again.
func TestIndexChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "passwd")
	var x index
	defer x.close()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	uid := func() uint32 {
		t.Helper()
		got, err := x.find(path, []string{"joe"})
		if err != nil {
			t.Fatal(err)
		}
		return got["joe"].UID
	}
	write(path, "joe:x:1:1::/:\n")
	if uid() != 1 || uid() != 1 {
		t.Error("not found")
	}
	write(path+".new", "joe:x:2:1::/:\n")
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	if uid() != 2 {
		t.Error("an old file is used")
	}
	write(path, "ann:x:7:7::/home/ann:/bin/sh\njoe:x:3:1::/:\n")
	if uid() != 3 {
		t.Error("a change is not seen")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := x.find(path, []string{"joe"}); err == nil {
		t.Error("a file that is gone is used")
	}
}
