package sys

import (
	"io"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Brief is how long a process that works on something may well wait for the
// process beside it: longer than flushes of a disk take, and than an answer over
// the network usually does.
const Brief = 200 * time.Millisecond

// AwaitBriefly waits until the descriptor is Readable or Writable, or broken, and
// tells whether it is; d is Brief at most. The run-time is not told of the wait:
// no goroutine that shares this one's processor runs meanwhile, and the run-time
// does not take the processor away and give it back, and its watchdog, which it
// wakes then and which looks every 20 microseconds at first, goes on looking every
// 10 milliseconds. That costs more than most of what is waited for. It is for a
// process in which nothing else is to be done; longer waits go on as others do.
func (fd FD) AwaitBriefly(events int16, d time.Duration) (ready bool) {
	p := unix.PollFd{Fd: int32(fd), Events: events}
	left := unix.NsecToTimespec(int64(min(d, Brief)))
	// The signal by which the run-time asks for the processor waits too.
	blocked := uint64(1) << (unix.SIGURG - 1)
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1,
		uintptr(unsafe.Pointer(&left)), uintptr(unsafe.Pointer(&blocked)), unsafe.Sizeof(blocked), 0)
	return errno == 0 && n > 0
}

// ReadReady is Read for such a process, of what AwaitBriefly found Readable.
func (fd FD) ReadReady(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	switch {
	case errno == unix.EINTR || errno == unix.EAGAIN:
		return fd.Read(p)
	case errno != 0:
		return 0, fail("read", "", errno)
	case n == 0:
		return 0, io.EOF
	}
	return int(n), nil
}

// sendNow sends on a socket what it takes at once. As it does not block, the
// run-time need not be told of it either, which counts because it often wakes
// who takes this process's place on the machine's processor.
func (fd FD) sendNow(p []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// WriteAlone is Write to a file, or to a pipe, which usually has room, for a
// process in which nothing else is to be done: see AwaitBriefly.
func (fd FD) WriteAlone(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	switch {
	case errno == unix.EINTR || errno == unix.EAGAIN:
		n = 0
	case errno != 0:
		return 0, fail("write", "", errno)
	case int(n) == len(p):
		return len(p), nil
	}
	m, err := fd.Write(p[n:])
	return int(n) + m, err
}
