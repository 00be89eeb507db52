package sys

import "golang.org/x/sys/unix"

// pipeBuf is what a pipe that polls Writable takes without blocking (pipe(7),
// PIPE_BUF).
const pipeBuf = 4096

// WriteSome writes the beginning of p, as much as the kernel takes at once from
// somebody who was told that the descriptor is Writable; 0 without error if that
// is nothing after all. It does not block, not even for an inherited descriptor
// whose flags must not be changed.
func (fd FD) WriteSome(p []byte) (int, error) {
	n, err := unix.SendmsgN(int(fd), p, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	if err == unix.ENOTSOCK {
		n, err = unix.Write(int(fd), p[:min(len(p), pipeBuf)])
	}
	if err == unix.EAGAIN || err == unix.EINTR {
		return 0, nil
	}
	return max(n, 0), fail("write", "", err)
}
