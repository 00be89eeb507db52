package sys

import "golang.org/x/sys/unix"

// NoCTTY is the flag for Open that keeps a terminal from becoming the process's
// controlling one.
const NoCTTY = unix.O_NOCTTY

// IsCharDevice tells whether the file is a character device, as terminals are.
func (i Info) IsCharDevice() bool { return i.Mode&unix.S_IFMT == unix.S_IFCHR }

// IsTerminal tells whether the descriptor is a terminal.
func (fd FD) IsTerminal() bool {
	_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
	return err == nil
}
