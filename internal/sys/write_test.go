package sys

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestFileWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	fd, err := Cwd().Open(path, WriteOnly|Create, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	w := &FileWriter{FD: fd, Limit: 5}
	if n, err := w.Write([]byte("abc")); n != 3 || err != nil || w.Pos != 3 {
		t.Errorf("Write(abc) = %d, %v, position %d", n, err, w.Pos)
	}
	if n, err := w.Write([]byte("def")); n != 0 || !errors.Is(err, unix.EFBIG) {
		t.Errorf("Write beyond the limit = %d, %v; want 0, EFBIG", n, err)
	}
	if _, err := w.Write([]byte("de")); err != nil {
		t.Errorf("Write up to the limit: %v", err)
	}
	if err := fd.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := (&FileWriter{FD: fd, Limit: 10}).Write([]byte("x")); !errors.Is(err, unix.EBADF) {
		t.Errorf("Write to a closed file: %v, want EBADF", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "abcde" {
		t.Errorf("file = %q, want abcde", b)
	}
	full, err := Cwd().Open("/dev/full", WriteOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	if _, err := (&FileWriter{FD: full, Limit: 10}).Write([]byte("x")); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Write to /dev/full: %v, want ENOSPC", err)
	}
}

func TestFileSizeLimit(t *testing.T) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &l); err != nil {
		t.Fatal(err)
	}
	want := int64(math.MaxInt64)
	if uint64(l.Cur) <= math.MaxInt64 {
		want = int64(l.Cur)
	}
	if got := FileSizeLimit(); got != want {
		t.Errorf("FileSizeLimit() = %d, want %d", got, want)
	}
}

func TestChildPipe(t *testing.T) {
	r, w, err := ChildPipe()
	if err != nil {
		t.Fatal(err)
	}
	flags, err := unix.FcntlInt(uintptr(w), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("write end: flags %#x, %v; want a blocking one", flags, err)
	}
	if flags, err := unix.FcntlInt(uintptr(w), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("write end is not close-on-exec: %#x, %v", flags, err)
	}
	got := make(chan []byte)
	go func() {
		b, err := io.ReadAll(r)
		if err != nil {
			t.Error(err)
		}
		got <- b
	}()
	for _, s := range []string{"a", "bc"} {
		if _, err := w.WriteString(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case b := <-got:
		if string(b) != "abc" {
			t.Errorf("read %q, want abc", b)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("no end of file")
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(make([]byte, 1)); err == nil {
		t.Error("Read after Close: no error")
	}
}
