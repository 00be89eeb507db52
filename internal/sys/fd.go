// Package sys is the suite's border to the operating system: descriptors,
// files below an open directory, durable writes, locks, FIFOs, time limits.
// Below it lie the keys: sys/child, sys/creds, sys/sock.
//
// Descriptors are used raw and blocking. Inherited ones share their flags with
// other processes, so O_NONBLOCK is never set on them, and the Go runtime's
// poller never sees them. Errors are *Error.
package sys

import (
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// An FD is an open descriptor. Its methods retry after EINTR.
type FD int

// Close closes the descriptor; the error matters for files we keep.
func (fd FD) Close() error { return fail("close", "", closeFD(int(fd))) }

// Read reads at most len(p) bytes; the end of the file is io.EOF.
func (fd FD) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, err := fd.readOnce(p)
		if err == nil || !IsWouldBlock(err) {
			return n, err
		}
		// Somebody made it non-blocking: wait, do not spin.
		if _, err := wait(int(fd), unix.POLLIN, -1); err != nil {
			return 0, err
		}
	}
}

// readOnce is Read that does not wait where the descriptor is non-blocking.
func (fd FD) readOnce(p []byte) (int, error) {
	for {
		n, err := unix.Read(int(fd), p)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, fail("read", "", err)
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// Write writes all of p, or returns how much was written before the error.
func (fd FD) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Write(int(fd), p[done:])
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			if _, err := wait(int(fd), unix.POLLOUT, -1); err != nil {
				return done, err
			}
			continue
		case err != nil:
			return done, fail("write", "", err)
		}
		done += n
	}
	return done, nil
}

// WriteString writes all of s.
func (fd FD) WriteString(s string) (int, error) { return fd.Write([]byte(s)) }

// ReadAt reads at an offset, as io.ReaderAt: fewer bytes than len(p) only with
// an error, io.EOF at the end.
func (fd FD) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Pread(int(fd), p[done:], off+int64(done))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return done, fail("read", "", err)
		case n == 0:
			return done, io.EOF
		}
		done += n
	}
	return done, nil
}

// WriteAt writes all of p at an offset.
func (fd FD) WriteAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Pwrite(int(fd), p[done:], off+int64(done))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return done, fail("write", "", err)
		}
		done += n
	}
	return done, nil
}

// Seek moves the offset; whence as in package io.
func (fd FD) Seek(off int64, whence int) (int64, error) {
	n, err := unix.Seek(int(fd), off, whence)
	return n, fail("seek", "", err)
}

// Sync flushes the file to disk. A failure is final for that file: the data may
// have left the page cache, so a second call that succeeds proves nothing.
func (fd FD) Sync() error {
	for {
		err := fsync(int(fd))
		if err != unix.EINTR {
			return fail("fsync", "", err)
		}
	}
}

// Truncate cuts the file to size bytes.
func (fd FD) Truncate(size int64) error { return fail("truncate", "", unix.Ftruncate(int(fd), size)) }

// Chmod sets the file's mode bits.
func (fd FD) Chmod(mode uint32) error { return fail("chmod", "", unix.Fchmod(int(fd), mode)) }

// Chown sets owner and group; -1 leaves one as it is.
func (fd FD) Chown(uid, gid int) error { return fail("chown", "", unix.Fchown(int(fd), uid, gid)) }

// Stat describes the open file.
func (fd FD) Stat() (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(fd), &st); err != nil {
		return Info{}, fail("stat", "", err)
	}
	return info(&st), nil
}

// LockExclusive takes the flock, waiting for it.
func (fd FD) LockExclusive() error {
	for {
		err := unix.Flock(int(fd), unix.LOCK_EX)
		if err != unix.EINTR {
			return fail("lock", "", err)
		}
	}
}

// TryLock takes the flock or fails at once; IsWouldBlock tells that another
// holds it.
func (fd FD) TryLock() error {
	return fail("lock", "", unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB))
}

// LockExclusiveWithin takes the flock, giving up with ErrTimeout after d. The
// waiting is done by trying again, first every 10 ms, later every 100 ms.
func (fd FD) LockExclusiveWithin(d time.Duration) error {
	end := time.Now().Add(d)
	pause := 10 * time.Millisecond
	for {
		err := fd.TryLock()
		if err == nil || !IsWouldBlock(err) {
			return err
		}
		left := time.Until(end)
		if left <= 0 {
			return ErrTimeout
		}
		time.Sleep(min(pause, left))
		if pause < 100*time.Millisecond {
			pause *= 2
		}
	}
}

// Unlock gives the flock back.
func (fd FD) Unlock() error { return fail("unlock", "", unix.Flock(int(fd), unix.LOCK_UN)) }

// CloseOnExec sets or clears the flag that closes the descriptor in programs
// started from here.
func (fd FD) CloseOnExec(on bool) error {
	v := 0
	if on {
		v = unix.FD_CLOEXEC
	}
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, v)
	return fail("fcntl", "", err)
}

// IsOpen tells whether the descriptor is open.
func (fd FD) IsOpen() bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// Dup makes a copy with a number of at least from, close-on-exec.
func (fd FD) Dup(from int) (FD, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, from)
	return FD(n), fail("dup", "", err)
}

// DupTo makes to a copy of fd that programs started from here keep.
func (fd FD) DupTo(to FD) error {
	if fd == to {
		return fd.CloseOnExec(false)
	}
	return fail("dup", "", unix.Dup3(int(fd), int(to), 0))
}

// Pipe makes a pipe; both ends are close-on-exec and blocking.
func Pipe() (r, w FD, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, fail("pipe", "", err)
	}
	return FD(p[0]), FD(p[1]), nil
}

// CloseOnExecFrom marks every descriptor from first on close-on-exec, so that
// nothing inherited from outside leaks into programs started from here.
func CloseOnExecFrom(first int) error {
	err := unix.CloseRange(uint(first), uint(^uint32(0)), unix.CLOSE_RANGE_CLOEXEC)
	if err != unix.ENOSYS && err != unix.EINVAL {
		return fail("close_range", "", err)
	}
	d, err := OpenDir("/proc/self/fd")
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }() // read only
	names, err := d.Names(".")
	for _, n := range names {
		if k, ok := decimal(n); ok && k >= first {
			_ = FD(k).CloseOnExec(true) // fails only for the listing's own descriptor
		}
	}
	return err
}

// decimal reads a small decimal number.
func decimal(s string) (n int, ok bool) {
	if s == "" || len(s) > 9 {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// Inherited lists the open descriptors from first on that programs started
// from here would keep.
func Inherited(first int) ([]FD, error) {
	names, err := Cwd().Names("/proc/self/fd")
	var out []FD
	for _, n := range names {
		k, ok := decimal(n)
		if !ok || k < first {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(k), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			out = append(out, FD(k))
		}
	}
	return out, err
}

// WriteOnce writes p in one call and does not wait or try again, for
// descriptors that must never block.
func (fd FD) WriteOnce(p []byte) (int, error) {
	n, err := unix.Write(int(fd), p)
	return max(n, 0), fail("write", "", err)
}
