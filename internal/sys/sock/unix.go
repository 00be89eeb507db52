package sock

import (
	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

// DialUnix connects to a Unix socket that takes datagrams, such as /dev/log.
// The descriptor is blocking and close-on-exec; each write is one datagram.
func DialUnix(path string) (sys.FD, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, sys.NewError("socket", "", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		_ = unix.Close(fd) // never used
		return -1, sys.NewError("connect", path, err)
	}
	return sys.FD(fd), nil
}
