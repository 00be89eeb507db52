package mbox

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// impatient waits for no lock.
func impatient(t *testing.T) Locker {
	return Locker{Limit: 1, Sleep: func(time.Duration) {}}
}

// spool is a directory with an mbox in it.
func spool(t *testing.T) (dir *sys.Dir, path func(string) string) {
	t.Helper()
	top := t.TempDir()
	if err := os.WriteFile(filepath.Join(top, "mbox"), []byte(F+"a\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir, err := sys.OpenDir(top)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	return dir, func(name string) string { return filepath.Join(top, name) }
}

func TestTake(t *testing.T) {
	dir, path := spool(t)
	m, err := Locker{}.Take(dir, "mbox")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path("mbox.lock")); string(b) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("lock file: %q, %v", b, err)
	}
	other, err := dir.Open("mbox", sys.ReadWrite, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.TryLock(); !sys.IsWouldBlock(err) {
		t.Errorf("the flock is free: %v", err)
	}
	for range 2 {
		if b, err := io.ReadAll(m); string(b) != F+"a\n\n" || err != nil {
			t.Errorf("read %q, %v", b, err)
		}
		if err := m.Rewind(); err != nil {
			t.Error(err)
		}
	}
	if size, err := m.Size(); size != m.Info().Size || size != int64(len(F)+3) || err != nil {
		t.Errorf("size %d, %v, was %d", size, err, m.Info().Size)
	}
	if err := m.Empty(); err != nil {
		t.Error(err)
	}
	m.Release()
	if err := other.TryLock(); err != nil {
		t.Errorf("the flock stays: %v", err)
	}
	_ = other.Close()
	if _, err := os.Stat(path("mbox.lock")); !os.IsNotExist(err) {
		t.Errorf("the lock file stays: %v", err)
	}
	if b, err := os.ReadFile(path("mbox")); len(b) > 0 || err != nil {
		t.Errorf("left in the mbox: %q, %v", b, err)
	}
}

func TestTakeLocked(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		lock func(t *testing.T, dir *sys.Dir, path func(string) string)
		want Stage // 0: it is taken
	}{
		{"flock", func(t *testing.T, dir *sys.Dir, path func(string) string) {
			fd, err := dir.Open("mbox", sys.ReadWrite, 0)
			if err == nil {
				err = fd.LockExclusive()
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = fd.Close() })
		}, Lock},
		{"lock file of a process", func(t *testing.T, dir *sys.Dir, path func(string) string) {
			_ = os.WriteFile(path("mbox.lock"), []byte("1\n"), 0o644)
		}, Lock},
		{"lock file without a number", func(t *testing.T, dir *sys.Dir, path func(string) string) {
			_ = os.WriteFile(path("mbox.lock"), []byte("\n"), 0o644)
		}, Lock},
		{"lock file that cannot be read", func(t *testing.T, dir *sys.Dir, path func(string) string) {
			testkit.Occupied(t, path("mbox.lock"))
		}, Lock},
		{"lock file of no process", func(t *testing.T, dir *sys.Dir, path func(string) string) {
			_ = os.WriteFile(path("mbox.lock"), []byte(strconv.Itoa(ended.Process.Pid)+"\n"), 0o644)
		}, 0},
		{"no lock file can be made", func(t *testing.T, dir *sys.Dir, path func(string) string) {
			testkit.Looping(t, path("mbox.lock")) // exists, but ...
			_ = os.Remove(path("mbox.lock"))
			if !testkit.ReadOnly(t, path(".")) {
				t.Log("root can make every file")
			}
		}, 0},
		{"absent", func(t *testing.T, dir *sys.Dir, path func(string) string) { _ = os.Remove(path("mbox")) }, Open},
		{"directory", func(t *testing.T, dir *sys.Dir, path func(string) string) {
			_ = os.Remove(path("mbox"))
			testkit.Occupied(t, path("mbox"))
		}, Open},
		{"FIFO", func(t *testing.T, dir *sys.Dir, path func(string) string) {
			_ = os.Remove(path("mbox"))
			_ = syscall.Mkfifo(path("mbox"), 0o600)
		}, Open},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, path := spool(t)
			tt.lock(t, dir, path)
			m, err := impatient(t).Take(dir, "mbox")
			var e *Error
			switch {
			case err == nil:
				m.Release()
				if tt.want != 0 {
					t.Error("taken")
				}
			case !errors.As(err, &e) || e.Stage != tt.want:
				t.Errorf("Take: %v, want stage %d", err, tt.want)
			case tt.want == Lock && !sys.IsTimeout(err):
				t.Errorf("Take: %v, want a time-out", err)
			case tt.name == "FIFO" && !errors.Is(err, ErrNotFile):
				t.Errorf("Take: %v, want ErrNotFile", err)
			}
		})
	}
}

// An mbox that somebody replaces while we wait for its lock is not the mbox any
// more.
func TestTakeReplaced(t *testing.T) {
	dir, path := spool(t)
	fd, err := dir.Open("mbox", sys.ReadWrite, 0)
	if err == nil {
		err = fd.LockExclusive()
	}
	if err != nil {
		t.Fatal(err)
	}
	k := Locker{Sleep: func(time.Duration) {
		if fd < 0 {
			return
		}
		err := os.WriteFile(path("new"), []byte(F+"b\n\n"), 0o600)
		if err == nil {
			err = os.Rename(path("new"), path("mbox"))
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = fd.Close()
		fd = -1
	}}
	m, err := k.Take(dir, "mbox")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Release()
	if b, err := io.ReadAll(m); string(b) != F+"b\n\n" || err != nil {
		t.Errorf("read %q, %v, want the new mbox", b, err)
	}
}
