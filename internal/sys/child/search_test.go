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

// What ExecSearch cannot become. That it becomes what it can is tested where
// programs do so.
func TestExecSearch(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"data": 0o644, "bare": 0o755} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]error{
		"": unix.EACCES, "absent": unix.ENOENT, "data": unix.EACCES, "bare": unix.ENOEXEC, dir: unix.EACCES, dir + "/absent": unix.ENOENT,
	} {
		if err := ExecSearch(name, []string{name}, []string{"PATH=" + dir, "PATH=/bin"}); !errors.Is(err, want) {
			t.Errorf("ExecSearch(%q) = %v, want %v", name, err, want)
		}
	}
	if err := ExecSearch("data", []string{"data"}, nil); !errors.Is(err, unix.ENOENT) {
		t.Errorf("ExecSearch without PATH = %v, want ENOENT", err)
	}
}

// StartSelf starts this test, which says so, and leaves the descriptors alone
// that another program would inherit.
func TestStartSelf(t *testing.T) {
	if os.Getenv("CHILD_TEST_SELF") != "" {
		os.Exit(7)
	}
	kept, err := sys.FD(0).Dup(3)
	if err == nil {
		err = kept.CloseOnExec(false)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kept.Close() }()
	p, err := StartSelf(&Cmd{Path: "no such", Args: []string{"self", "-test.run=TestStartSelf"}, Env: []string{"CHILD_TEST_SELF=1"}, Files: []sys.FD{0, 1, 2}}, "/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	if st, err := p.Wait(); err != nil || st.Code() != 7 {
		t.Errorf("StartSelf: status %v, %v, want exit 7", st, err)
	}
	if list, err := sys.Inherited(int(kept)); err != nil || len(list) == 0 || list[0] != kept {
		t.Errorf("Inherited(%d) = %v, %v afterwards", kept, list, err)
	}
}
