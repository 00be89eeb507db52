package sys

import (
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// alone is set by Alone.
var alone atomic.Bool

// Alone says that this process stays, and does one thing at a time: at most n
// goroutines have anything to do at once, n-1 of them a flush, and each gets a
// processor of the run-time. From then on the run-time is not told of the calls of
// this package that wait for no other process, however long the disk takes for
// them. It would take the processor away from a goroutine whose call takes longer,
// give it back, and have its watchdog look every 20 microseconds meanwhile, which
// costs more than most of the calls. See AwaitBriefly for those that wait.
func Alone(n int) {
	runtime.GOMAXPROCS(n)
	alone.Store(true)
}

// fsync is fsync(2).
func fsync(fd int) error {
	if !alone.Load() {
		return unix.Fsync(fd)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_FSYNC, uintptr(fd), 0, 0)
	return orNil(errno)
}

// closeFD is close(2).
func closeFD(fd int) error {
	if !alone.Load() {
		return unix.Close(fd)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	return orNil(errno)
}

// openat is openat(2).
func openat(dir int, name string, flags int, mode uint32) (int, error) {
	if !alone.Load() {
		return unix.Openat(dir, name, flags, mode)
	}
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return -1, err
	}
	fd, _, errno := unix.RawSyscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(p)),
		uintptr(flags|unix.O_LARGEFILE), uintptr(mode), 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// linkat is linkat(2).
func linkat(oldDir int, old string, newDir int, new string, flags int) error {
	if !alone.Load() {
		return unix.Linkat(oldDir, old, newDir, new, flags)
	}
	o, err := unix.BytePtrFromString(old)
	if err != nil {
		return err
	}
	n, err := unix.BytePtrFromString(new)
	if err != nil {
		return err
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_LINKAT, uintptr(oldDir), uintptr(unsafe.Pointer(o)),
		uintptr(newDir), uintptr(unsafe.Pointer(n)), uintptr(flags), 0)
	return orNil(errno)
}

// unlinkat is unlinkat(2).
func unlinkat(dir int, name string, flags int) error {
	if !alone.Load() {
		return unix.Unlinkat(dir, name, flags)
	}
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return err
	}
	_, _, errno := unix.RawSyscall(unix.SYS_UNLINKAT, uintptr(dir), uintptr(unsafe.Pointer(p)), uintptr(flags))
	return orNil(errno)
}

// orNil is errno as an error.
func orNil(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
