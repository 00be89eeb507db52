package testkit

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The functions below make one system call fail at one name, for every user,
// so that a table of failures needs neither root nor a replaced kernel. Each
// makes the directories that path is in, and removes nothing that is there
// already: a test that calls one on an existing file fails.

// Occupied puts a directory with a file in it at path. Then
//
//	open for writing      EISDIR
//	open O_CREAT|O_EXCL   EEXIST
//	link or mkdir there   EEXIST
//	rename a file to it   EISDIR
//	unlink                EISDIR (EPERM on some file systems)
//	rmdir                 ENOTEMPTY
func Occupied(t testing.TB, path string) {
	t.Helper()
	Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	Must(t, os.Mkdir(path, 0o755))
	Must(t, os.WriteFile(filepath.Join(path, "occupied"), nil, 0o644))
}

// NotDir puts an empty file at path, where a directory is wanted: opening
// anything below it fails with ENOTDIR.
func NotDir(t testing.TB, path string) {
	t.Helper()
	Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	Must(t, err)
	Must(t, f.Close())
}

// Looping puts a symbolic link to itself at path: opening it, or anything below
// it, fails with ELOOP, which is neither "not there" nor temporary.
func Looping(t testing.TB, path string) {
	t.Helper()
	Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	Must(t, os.Symlink(filepath.Base(path), path))
}

// Full puts a symbolic link to /dev/full at path: it opens, and every write to
// it fails with ENOSPC.
func Full(t testing.TB, path string) {
	t.Helper()
	Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	Must(t, os.Symlink("/dev/full", path))
}

// Unreadable puts a file at path that this user cannot open: EACCES. For root,
// whom no mode stops, it puts a link to itself there instead (ELOOP). Both
// count as "there, but not readable".
func Unreadable(t testing.TB, path, content string) {
	t.Helper()
	if os.Geteuid() == 0 {
		Looping(t, path)
		return
	}
	NotDir(t, path)
	Must(t, os.WriteFile(path, []byte(content), 0o644))
	Must(t, os.Chmod(path, 0))
}

// ReadOnly takes the write permission from a directory until the test ends:
// making, linking and unlinking names in it fails with EACCES. Root is not
// stopped by a mode; there ReadOnly reports false and does nothing, and the
// test should use ReadOnlyMount in a world.
func ReadOnly(t testing.TB, dir string) bool {
	t.Helper()
	if os.Geteuid() == 0 {
		return false
	}
	fi, err := os.Stat(dir)
	Must(t, err)
	Must(t, os.Chmod(dir, 0o555))
	t.Cleanup(func() { Must(t, os.Chmod(dir, fi.Mode().Perm())) })
	return true
}

// FileSizeLimit limits the files that this process and its later children write
// to n bytes, until the test ends: a write beyond fails with EFBIG when SIGXFSZ
// is ignored. Tests that run beside this one are affected.
func FileSizeLimit(t testing.TB, n uint64) {
	t.Helper()
	var old syscall.Rlimit
	Must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old))
	Must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: old.Max}))
	t.Cleanup(func() { Must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old)) })
}

// BrokenPipe returns the write end of a pipe that nobody reads: writing fails
// with EPIPE, when SIGPIPE is ignored.
func BrokenPipe(t testing.TB) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	Must(t, err)
	Must(t, r.Close())
	t.Cleanup(func() {
		if err := w.Close(); !errors.Is(err, os.ErrClosed) {
			Must(t, err)
		}
	})
	return w
}

// SmallDisk mounts a file system of size bytes, in memory, on a directory that it
// makes: what does not fit fails with ENOSPC. It needs a world.
func SmallDisk(t testing.TB, dir string, size int64) {
	t.Helper()
	needWorld(t)
	Must(t, os.MkdirAll(dir, 0o755))
	Must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755,size="+strconv.FormatInt(size, 10)))
}

// ReadOnlyMount makes a directory and all below it read-only until the test
// ends, for root too: writing fails with EROFS. It needs a world.
func ReadOnlyMount(t testing.TB, dir string) {
	t.Helper()
	needWorld(t)
	Must(t, unix.Mount(dir, dir, "", unix.MS_BIND, ""))
	Must(t, unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	t.Cleanup(func() { Must(t, unix.Unmount(dir, unix.MNT_DETACH)) })
}

// needWorld fails a test that would change the machine it runs on.
func needWorld(t testing.TB) {
	t.Helper()
	if !inside {
		t.Fatal("not in a world of its own (see InWorld)")
	}
}
