package sys

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func open(t *testing.T, dir string) *Dir {
	t.Helper()
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestDirFiles(t *testing.T) {
	d := open(t, t.TempDir())
	fd, err := d.Open("a", WriteOnly|Create|Exclusive, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fd.WriteString("hello"); err != nil {
		t.Fatal(err)
	}
	if err := fd.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := fd.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open("a", WriteOnly|Create|Exclusive, 0o644); !IsExist(err) {
		t.Errorf("second exclusive open: %v", err)
	}
	if err := d.Link("a", "b"); err != nil {
		t.Fatal(err)
	}
	if st, err := d.Stat("b"); err != nil || st.Nlink != 2 || st.Size != 5 || !st.IsRegular() {
		t.Errorf("Stat(b) = %+v, %v", st, err)
	}
	if err := d.Link("a", "b"); !IsExist(err) {
		t.Errorf("link over a name: %v", err)
	}
	if err := d.Chtimes("a", 1000, 2000); err != nil {
		t.Fatal(err)
	}
	if st, _ := d.Stat("b"); st.Atime != 1000 || st.Mtime != 2000 {
		t.Errorf("times = %d %d", st.Atime, st.Mtime)
	}
	const far int64 = 10_000_000_000 // beyond what nanoseconds in 64 bits can say
	if err := d.Chtimes("a", far, far); err != nil {
		t.Fatal(err)
	}
	if st, _ := d.Stat("b"); st.Mtime < 1<<31-1 { // a file system may not know later times
		t.Errorf("mtime = %d, want %d", st.Mtime, far)
	}
	if b, err := d.ReadFile("b", 5); string(b) != "hello" || err != nil {
		t.Errorf("ReadFile = %q, %v", b, err)
	}
	if _, err := d.ReadFile("b", 4); err == nil {
		t.Error("ReadFile beyond its limit is no error")
	}
	if names, err := d.Names("."); err != nil || strings.Join(names, " ") != "a b" {
		t.Errorf("Names = %q, %v", names, err)
	}
	if err := d.Unlink("x"); !IsNotExist(err) || Temporary(err) || ErrText(err) != "file does not exist" {
		t.Errorf("Unlink(x) = %v", err)
	}
	if err := d.SyncDir("."); err != nil {
		t.Error(err)
	}
}

func TestWriteFileDurable(t *testing.T) {
	d := open(t, t.TempDir())
	for _, content := range []string{"one", "two"} {
		if err := d.WriteFileDurable("f", "f.tmp", []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		if b, _ := d.ReadFile("f", 100); string(b) != content {
			t.Errorf("f = %q, want %q", b, content)
		}
	}
	if st, _ := d.Stat("f"); st.Perm() != 0o640 {
		t.Errorf("mode = %o", st.Perm())
	}
	if err := d.Mkdir("dir", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteFileDurable("dir", "dir.tmp", nil, 0o644); err == nil {
		t.Error("a directory was replaced by a file")
	}
	if _, err := d.Stat("dir.tmp"); !IsNotExist(err) {
		t.Error("the temporary file of a failure stays")
	}
}

func TestPipeAndTimes(t *testing.T) {
	r, w, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	timed := Timed{FD: r, Limit: time.Millisecond}
	if _, err := timed.Read(make([]byte, 1)); err != ErrTimeout || !IsTimeout(err) || !Temporary(err) {
		t.Errorf("read of an empty pipe: %v", err)
	}
	full := Timed{FD: w, Limit: time.Millisecond}
	if n, err := full.Write(make([]byte, 1<<20)); err != ErrTimeout || n == 0 {
		t.Errorf("write to a full pipe = %d, %v", n, err)
	}
	_ = r.Close()
	if _, err := w.WriteString("x"); ErrText(err) != "broken pipe" {
		t.Errorf("write without a reader: %v", err)
	}
	_ = w.Close()
}

func TestEOFAndReadAt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := Cwd().Open(path, ReadWrite, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = fd.Close() }()
	b := make([]byte, 8)
	if n, err := fd.ReadAt(b, 1); n != 2 || err != io.EOF {
		t.Errorf("ReadAt = %d, %v", n, err)
	}
	if _, err := fd.WriteAt([]byte("X"), 1); err != nil {
		t.Error(err)
	}
	if n, _ := fd.Read(b); string(b[:n]) != "aXc" {
		t.Errorf("content = %q", b[:n])
	}
	if n, err := fd.Read(b); n != 0 || err != io.EOF {
		t.Errorf("Read at the end = %d, %v", n, err)
	}
}

func TestLocks(t *testing.T) {
	d := open(t, t.TempDir())
	a, err := d.Open("lock", WriteOnly|Create, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	b, err := d.Open("lock", WriteOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.TryLock(); err != nil {
		t.Fatal(err)
	}
	if err := b.TryLock(); !IsWouldBlock(err) {
		t.Errorf("second lock: %v", err)
	}
	if err := b.LockExclusiveWithin(time.Millisecond); err != ErrTimeout {
		t.Errorf("LockExclusiveWithin = %v", err)
	}
	if err := a.Unlock(); err != nil {
		t.Error(err)
	}
	if err := b.LockExclusiveWithin(time.Second); err != nil {
		t.Errorf("lock after unlock: %v", err)
	}
}

func TestErrorTable(t *testing.T) {
	tests := []struct {
		no   unix.Errno
		temp bool
		text string
	}{
		{unix.ENOSPC, true, "out of disk space"}, {unix.EACCES, false, "access denied"}, {unix.EPERM, false, "permission denied"},
		{unix.ELOOP, false, "symbolic link loop"}, {unix.EROFS, false, "read-only file system"}, {unix.ENOMEM, true, "out of memory"},
		{unix.ESTALE, true, "stale NFS file handle"}, {unix.E2BIG, false, "argument list too long"}, {unix.EXFULL, false, "unknown error"},
	}
	for _, tt := range tests {
		err := NewError("op", "x", tt.no)
		if Temporary(err) != tt.temp || ErrText(err) != tt.text {
			t.Errorf("%v: temporary %v, text %q", tt.no, Temporary(err), ErrText(err))
		}
	}
	if got := NewError("fsync", "mess/20/457", unix.ENOSPC).Error(); got != "fsync mess/20/457: out of disk space" {
		t.Errorf("Error() = %q", got)
	}
}

func TestNonBlockingIsWaitedFor(t *testing.T) {
	r, w, err := Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if err := unix.SetNonblock(int(r), true); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = w.WriteString("late")
		_ = w.Close()
	}()
	if b, err := r.ReadAll(100); string(b) != "late" || err != nil {
		t.Errorf("ReadAll = %q, %v", b, err)
	}
}

// A FIFO in a file's place does not make the reader wait.
func TestReadFileFIFO(t *testing.T) {
	d := open(t, t.TempDir())
	if err := d.Mkfifo("fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := d.ReadFile("fifo", 10); len(b) != 0 || err != nil {
		t.Errorf("nobody writes: %q, %v, want nothing", b, err)
	}
	w, err := d.Open("fifo", ReadWrite, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	if b, err := d.ReadFile("fifo", 10); !IsWouldBlock(err) {
		t.Errorf("somebody may write: %q, %v, want an error", b, err)
	}
	if b, err := d.ReadFile("/dev/null", 10); len(b) != 0 || err != nil {
		t.Errorf("/dev/null: %q, %v, want nothing", b, err)
	}
}
