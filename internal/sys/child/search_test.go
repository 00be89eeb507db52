package child

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

func TestStartSearch(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{
		"script": "#!/bin/sh\nexit $1\n",
		"bare":   "exit $1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "data"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"script", "bare", dir + "/bare"} {
		p, err := StartSearch(&Cmd{Path: name, Args: []string{name, "7"}, Files: []sys.FD{0, 1, 2}}, "/nowhere:"+dir)
		if err != nil {
			t.Errorf("StartSearch(%s) = %v", name, err)
			continue
		}
		if st, err := p.Wait(); err != nil || st.Code() != 7 {
			t.Errorf("StartSearch(%s): status %v, %v, want exit 7", name, st, err)
		}
	}
	for name, want := range map[string]error{"absent": unix.ENOENT, "data": unix.EACCES, "": unix.ENOENT} {
		if _, err := StartSearch(&Cmd{Path: name, Args: []string{name}}, dir); !errors.Is(err, want) {
			t.Errorf("StartSearch(%q) = %v, want %v", name, err, want)
		}
	}
}
