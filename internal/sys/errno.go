package sys

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// An Error is a failed system call: "fsync mess/20/457: out of disk space".
type Error struct {
	Op    string // the call: open, link, fsync, ...
	Name  string // the object, as given by the caller
	Errno unix.Errno
}

func (e *Error) Error() string {
	if e.Name == "" {
		return e.Op + ": " + ErrText(e)
	}
	return e.Op + " " + e.Name + ": " + ErrText(e)
}

// Unwrap gives the error number, so that errors.Is(err, unix.ENOENT) works on
// floor 2.
func (e *Error) Unwrap() error { return e.Errno }

// ErrTimeout is returned when a read or write with a time limit took too long.
var ErrTimeout error = &Error{Op: "wait", Errno: unix.ETIMEDOUT}

// fail makes the error of a system call, nil for nil.
func fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var no unix.Errno
	if !errors.As(err, &no) {
		no = unix.EIO
	}
	return &Error{Op: op, Name: name, Errno: no}
}

// NewError makes the error of a system call done elsewhere on floor 2.
func NewError(op, name string, err error) error { return fail(op, name, err) }

// errno is the error number inside err, or 0.
func errno(err error) unix.Errno {
	var no unix.Errno
	if errors.As(err, &no) {
		return no
	}
	return 0
}

// IsNotExist tells whether err is ENOENT: the only error that means "absent".
func IsNotExist(err error) bool { return errno(err) == unix.ENOENT }

// IsExist tells whether err is EEXIST.
func IsExist(err error) bool { return errno(err) == unix.EEXIST }

// IsAccess tells whether err is EACCES.
func IsAccess(err error) bool { return errno(err) == unix.EACCES }

// IsPerm tells whether err is EPERM.
func IsPerm(err error) bool { return errno(err) == unix.EPERM }

// IsTimeout tells whether err is ETIMEDOUT, ErrTimeout among them.
func IsTimeout(err error) bool { return errno(err) == unix.ETIMEDOUT }

// IsBrokenPipe tells whether err is EPIPE: nobody reads any more.
func IsBrokenPipe(err error) bool { return errno(err) == unix.EPIPE }

// IsWouldBlock tells whether err is EAGAIN, as from a lock that another holds.
func IsWouldBlock(err error) bool { return errno(err) == unix.EAGAIN }

// IsNoMemory tells whether err is ENOMEM.
func IsNoMemory(err error) bool { return errno(err) == unix.ENOMEM }

// Temporary tells whether waiting may cure err: qmail's list of temporary error
// numbers (spec/spawn.md section 5). Everything else, EACCES and ENOENT among
// it, is permanent.
func Temporary(err error) bool {
	switch errno(err) {
	case unix.EINTR, unix.ENOMEM, unix.ETXTBSY, unix.EIO, unix.ETIMEDOUT, unix.EAGAIN, unix.EDEADLK, unix.EBUSY,
		unix.ENFILE, unix.EMFILE, unix.EFBIG, unix.ENOSPC, unix.ENETDOWN, unix.ENETUNREACH, unix.ENETRESET,
		unix.ECONNABORTED, unix.ECONNRESET, unix.ENOBUFS, unix.ETOOMANYREFS, unix.ECONNREFUSED, unix.EHOSTDOWN,
		unix.EHOSTUNREACH, unix.EUSERS, unix.EDQUOT, unix.ESTALE, unix.ENOLCK:
		return true
	}
	return false
}

// errTexts are qmail's own words for error numbers: users see them in reports
// (spec/local.md section 10).
var errTexts = map[unix.Errno]string{
	unix.ENOENT:          "file does not exist",
	unix.EACCES:          "access denied",
	unix.EPERM:           "permission denied",
	unix.EEXIST:          "file already exists",
	unix.EISDIR:          "is a directory",
	unix.ENOTDIR:         "not a directory",
	unix.ENOSPC:          "out of disk space",
	unix.EDQUOT:          "disk quota exceeded",
	unix.EIO:             "input/output error",
	unix.ENOMEM:          "out of memory",
	unix.EROFS:           "read-only file system",
	unix.ETIMEDOUT:       "timed out",
	unix.ECONNREFUSED:    "connection refused",
	unix.ECONNRESET:      "connection reset",
	unix.ECONNABORTED:    "connection aborted",
	unix.EHOSTUNREACH:    "host unreachable",
	unix.EHOSTDOWN:       "host down",
	unix.ENETUNREACH:     "network unreachable",
	unix.ENETDOWN:        "network down",
	unix.EPIPE:           "broken pipe",
	unix.EMFILE:          "process cannot open more files",
	unix.ENFILE:          "system cannot open more files",
	unix.EFBIG:           "file too big",
	unix.ELOOP:           "symbolic link loop",
	unix.ENAMETOOLONG:    "file name too long",
	unix.ETXTBSY:         "text busy",
	unix.EAGAIN:          "temporary failure",
	unix.EINVAL:          "invalid argument",
	unix.EBADF:           "file descriptor not open",
	unix.ENOEXEC:         "exec format error",
	unix.EINTR:           "interrupted system call",
	unix.ESTALE:          "stale NFS file handle",
	unix.EXDEV:           "cross-device link",
	unix.EMLINK:          "too many links",
	unix.ENOLCK:          "no locks available",
	unix.EBUSY:           "device busy",
	unix.E2BIG:           "argument list too long",
	unix.ESPIPE:          "unseekable descriptor",
	unix.ENOTEMPTY:       "directory not empty",
	unix.EADDRINUSE:      "address already used",
	unix.EADDRNOTAVAIL:   "address not available",
	unix.ENOTSOCK:        "not a socket",
	unix.ENOTCONN:        "not connected",
	unix.ENXIO:           "device not configured",
	unix.ENODEV:          "device does not support operation",
	unix.ECHILD:          "no child processes",
	unix.ESRCH:           "no such process",
	unix.EFAULT:          "bad address",
	unix.ENOBUFS:         "out of buffer space",
	unix.EINPROGRESS:     "operation in progress",
	unix.EDEADLK:         "operation would cause deadlock",
	unix.ENOTSUP:         "operation not supported",
	unix.EPROTONOSUPPORT: "protocol not supported",
	unix.EAFNOSUPPORT:    "address family not supported by protocol family",
}

// ErrText is qmail's text for err, without operation and object:
// "file does not exist"; "unknown error" for what is not in its table.
func ErrText(err error) string {
	if err == io.EOF {
		return "end of file"
	}
	if t, ok := errTexts[errno(err)]; ok {
		return t
	}
	return "unknown error"
}
