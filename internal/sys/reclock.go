package sys

import "golang.org/x/sys/unix"

// TryRecordLock takes the lock of fcntl(2) on the whole file, for writing, or
// fails at once; IsWouldBlock tells that another process holds it. The lock goes
// when this process closes any descriptor of the file.
func (fd FD) TryRecordLock() error {
	for {
		err := unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
		switch err {
		case unix.EINTR:
			continue
		case unix.EACCES: // POSIX allows both
			err = unix.EAGAIN
		}
		return fail("lock", "", err)
	}
}

// ProcessExists tells whether there is a process of that number, or this process
// may not know.
func ProcessExists(pid int) bool {
	return unix.Kill(pid, 0) != unix.ESRCH
}
