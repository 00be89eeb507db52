package newfile

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"goqmail/internal/cdb"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// here opens a new directory with an old file "name" in it.
func here(t *testing.T) (*sys.Dir, string) {
	t.Helper()
	path := t.TempDir()
	testkit.Write(t, filepath.Join(path, "name"), "old")
	dir, err := sys.OpenDir(path)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = dir.Close() })
	return dir, path
}

func TestFile(t *testing.T) {
	dir, path := here(t)
	testkit.Must(t, os.WriteFile(path+"/tmp", []byte("leftover of a crash"), 0o600))
	f, err := Create(dir, "tmp", "name")
	testkit.Must(t, err)
	testkit.Must(t, f.Publish())
	_, err = f.Write([]byte("new"))
	testkit.Must(t, err)
	testkit.Must(t, f.Finish())
	if got := testkit.Content(t, path+"/name"); got != "old" {
		t.Errorf("before Move name has %q, want the old content", got)
	}
	testkit.Must(t, f.Move())
	st, err := os.Stat(path + "/name")
	testkit.Must(t, err)
	if got := testkit.Content(t, path+"/name"); got != "new" || st.Mode() != Mode || testkit.Content(t, path+"/tmp") != testkit.Absent {
		t.Errorf("name has %q, mode %v, tmp %q; want new, %o, no tmp", got, st.Mode(), testkit.Content(t, path+"/tmp"), Mode)
	}
}

func TestCDB(t *testing.T) {
	dir, path := here(t)
	c, err := CreateCDB(dir, "tmp", path+"/name") // an absolute name counts as it is
	testkit.Must(t, err)
	testkit.Must(t, c.Put([]byte("k"), []byte("v")))
	testkit.Must(t, c.Finish())
	testkit.Must(t, c.Move())
	b := []byte(testkit.Content(t, path+"/name"))
	db, err := cdb.New(bytes.NewReader(b), int64(len(b)))
	testkit.Must(t, err)
	if v, ok, err := db.Get([]byte("k")); string(v) != "v" || !ok || err != nil {
		t.Errorf("Get(k) = %q, %v, %v", v, ok, err)
	}
}

// TestFailures: each step fails with the old file as it was.
func TestFailures(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(path string)
		step  string // the first that fails
	}{
		{"tmp cannot be made", func(path string) { testkit.Occupied(t, path+"/tmp") }, "create"},
		{"tmp is a FIFO", func(path string) { testkit.Must(t, syscall.Mkfifo(path+"/tmp", 0o600)) }, "create"},
		{"disk full", func(path string) { testkit.Full(t, path+"/tmp") }, "finish"},
		{"name is a directory", func(path string) {
			testkit.Must(t, os.Remove(path+"/name"))
			testkit.Occupied(t, path+"/name")
		}, "move"},
	}
	for _, tt := range tests {
		dir, path := here(t)
		tt.spoil(path)
		step := func() string {
			c, err := CreateCDB(dir, "tmp", "name")
			if err != nil {
				return "create"
			}
			if c.Publish() != nil {
				return "publish"
			}
			if c.Put([]byte("k"), nil) != nil {
				return "put"
			}
			if c.Finish() != nil {
				return "finish"
			}
			if c.Move() != nil {
				return "move"
			}
			return "none"
		}()
		if step != tt.step {
			t.Errorf("%s: fails at %s, want %s", tt.name, step, tt.step)
		}
		if tt.step != "move" && testkit.Content(t, path+"/name") != "old" {
			t.Errorf("%s: name has %q", tt.name, testkit.Content(t, path+"/name"))
		}
	}
	if st, err := os.Stat("/dev/full"); err != nil || st.Mode().Perm() == Mode {
		t.Errorf("/dev/full has mode %v, %v: Publish changed a device", st.Mode(), err)
	}
}

// A directory can be entered but not read: its names cannot be made durable.
func TestMoveWithoutSync(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("no mode stops root")
	}
	dir, path := here(t)
	f, err := Create(dir, "tmp", path+"/name")
	testkit.Must(t, err)
	testkit.Must(t, f.Finish())
	testkit.Must(t, os.Chmod(path, 0o300))
	defer func() { testkit.Must(t, os.Chmod(path, 0o700)) }()
	if err := f.Move(); err == nil {
		t.Error("Move in a directory that cannot be opened for reading succeeded")
	}
}

// Two who make the same file do it one after the other.
func TestLock(t *testing.T) {
	dir, path := here(t)
	first, err := Create(dir, "tmp", "name")
	testkit.Must(t, err)
	if _, err := create(dir, "tmp", "name", 0); !sys.IsTimeout(err) {
		t.Fatalf("a second Create: %v, want ErrTimeout", err)
	}
	made := make(chan error)
	go func() {
		second, err := Create(dir, "tmp", "name")
		if err == nil {
			_, err = second.Write([]byte("2"))
		}
		if err == nil {
			err = second.Finish()
		}
		if err == nil {
			err = second.Move()
		}
		made <- err
	}()
	_, err = first.Write([]byte("first"))
	testkit.Must(t, err)
	testkit.Must(t, first.Finish())
	testkit.Must(t, first.Move())
	testkit.Must(t, <-made)
	if got := testkit.Content(t, path+"/name"); got != "2" || testkit.Content(t, path+"/tmp") != testkit.Absent {
		t.Errorf("name has %q, tmp %q", got, testkit.Content(t, path+"/tmp"))
	}
	// One who gives up leaves tmp to the next.
	third, err := Create(dir, "tmp", "name")
	testkit.Must(t, err)
	_, err = third.Write([]byte("not this, it is longer"))
	testkit.Must(t, err)
	third.Abandon()
	fourth, err := create(dir, "tmp", "name", 0)
	testkit.Must(t, err)
	_, err = fourth.Write([]byte("4"))
	testkit.Must(t, err)
	testkit.Must(t, fourth.Finish())
	testkit.Must(t, fourth.Move())
	if got := testkit.Content(t, path+"/name"); got != "4" {
		t.Errorf("name has %q, want the last content alone", got)
	}
}
