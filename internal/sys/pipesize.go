package sys

import "golang.org/x/sys/unix"

// PipeCapacity is how many bytes a pipe holds before a write to it blocks, 0 if
// fd is no pipe or the kernel does not say. What an empty pipe holds can be
// written before anybody reads.
func (fd FD) PipeCapacity() int {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_GETPIPE_SZ, 0)
	if err != nil {
		return 0
	}
	return n
}
