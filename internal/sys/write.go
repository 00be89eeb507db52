package sys

import (
	"math"

	"golang.org/x/sys/unix"
)

// FileSizeLimit is how large a file this process may write (ulimit -f), in
// bytes; math.MaxInt64 when there is no limit.
func FileSizeLimit() int64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_FSIZE, &l) != nil || uint64(l.Cur) > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(l.Cur)
}

// A FileWriter writes to a file that we keep, from Pos on. A write that would
// go beyond Limit fails with EFBIG before the kernel sends SIGXFSZ, which would
// end a Go program by a crash. A descriptor that is non-blocking and full gives
// EAGAIN instead of waiting.
type FileWriter struct {
	FD    FD
	Pos   int64 // where the next byte goes; kept up to date
	Limit int64 // as FileSizeLimit gives it
}

// Write writes all of p or fails.
func (w *FileWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > w.Limit-w.Pos {
		return 0, fail("write", "", unix.EFBIG)
	}
	done := 0
	for done < len(p) {
		n, err := unix.Write(int(w.FD), p[done:])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return done, fail("write", "", err)
		}
		done += n
		w.Pos += int64(n)
	}
	return done, nil
}
