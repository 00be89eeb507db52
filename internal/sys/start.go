package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

// WasClosed tells whether the descriptor was closed when the program started.
// The Go run-time then opens /dev/null for reading and writing in its place, so
// that a program which reads its input would see an empty one. A caller who
// really gave /dev/null opened for both cannot be told from one who gave
// nothing.
func (fd FD) WasClosed() bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return err == unix.EBADF
	}
	var st unix.Stat_t
	return flags&unix.O_ACCMODE == unix.O_RDWR && unix.Fstat(int(fd), &st) == nil &&
		st.Mode&unix.S_IFMT == unix.S_IFCHR && uint64(st.Rdev) == unix.Mkdev(1, 3)
}

// ErrWasClosed is what a program that needs its input fails with when WasClosed
// says so: "file descriptor not open".
var ErrWasClosed error = &Error{Op: "read", Errno: unix.EBADF}

// ToNull makes the descriptor one of /dev/null for writing.
func (fd FD) ToNull() error {
	null, err := Cwd().Open("/dev/null", WriteOnly, 0)
	if err != nil {
		return err
	}
	err = null.DupTo(fd)
	_ = null.Close() // nothing was written
	return err
}

// OpenSearchDir opens a directory below d for looking names up in it, as chdir
// does: it needs the right to search it, not the right to list it.
func (d *Dir) OpenSearchDir(name string) (*Dir, error) {
	// The final dot makes the kernel check the right that O_PATH alone does not ask for.
	fd, err := d.Open(name+"/.", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	return &Dir{int(fd)}, nil
}

// StartWriteback has the kernel begin to write a file's data to disk, and waits
// for nothing. It promises nothing either; Sync does, and has less to do then.
func (fd FD) StartWriteback() {
	_ = unix.SyncFileRange(int(fd), 0, 0, unix.SYNC_FILE_RANGE_WRITE) // only a hint
}

// ReadyWithin tells whether the descriptor can be read, or be found broken,
// without waiting longer than d. What cannot be waited for counts as ready.
func (fd FD) ReadyWithin(d time.Duration) bool {
	ready, err := wait(int(fd), unix.POLLIN, d)
	return ready || err != nil
}
