package sock

import (
	"errors"
	"io"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

// A Polled is a connected TCP socket of this process alone: non-blocking, and
// watched by the run-time's poller, so that a goroutine which waits for it holds
// no thread. Its Read and Write wait at most Limit for each single step.
type Polled struct {
	Limit time.Duration
	f     *os.File
}

// DialPolled connects to a TCP port within limit. The errors are those of Dial.
func DialPolled(to netip.AddrPort, limit time.Duration) (*Polled, error) {
	sa, family := sockaddr(to)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, sys.NewError(opSocket, "", err)
	}
	err = unix.Connect(fd, sa)
	c := &Polled{f: os.NewFile(uintptr(fd), "tcp")}
	if err == unix.EINPROGRESS || err == unix.EINTR {
		err = c.connected(limit)
	}
	if err == nil {
		err = NoDelay(sys.FD(fd))
	}
	if err != nil {
		_ = c.f.Close() // nothing was sent
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, sys.ErrTimeout
		}
		return nil, sys.NewError("connect", "", err)
	}
	return c, nil
}

// connected waits for the end of the attempt to connect.
func (c *Polled) connected(limit time.Duration) error {
	if err := c.f.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	raw, err := c.f.SyscallConn()
	if err != nil {
		return err
	}
	no, result := 0, error(nil)
	err = raw.Write(func(fd uintptr) bool {
		// The poller tells of changes only, and may have told of this one already.
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		n, perr := unix.Poll(p, 0)
		for perr == unix.EINTR {
			n, perr = unix.Poll(p, 0)
		}
		if perr == nil && n == 0 {
			return false
		}
		no, result = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		return true
	})
	if err == nil && result == nil && no != 0 {
		result = unix.Errno(no)
	}
	if err == nil {
		err = result
	}
	return err
}

// Read reads what is there, waiting at most the limit: sys.ErrTimeout.
func (c *Polled) Read(p []byte) (int, error) {
	err := c.f.SetReadDeadline(time.Now().Add(c.Limit))
	n := 0
	if err == nil {
		n, err = c.f.Read(p)
	}
	return n, timed("read", err)
}

// Write writes all of p; the limit is for as much as the kernel takes at once.
func (c *Polled) Write(p []byte) (int, error) {
	const step = 64 << 10
	done := 0
	for done < len(p) {
		if err := c.f.SetWriteDeadline(time.Now().Add(c.Limit)); err != nil {
			return done, timed("write", err)
		}
		n, err := c.f.Write(p[done:min(len(p), done+step)])
		done += n
		if err != nil {
			return done, timed("write", err)
		}
	}
	return done, nil
}

// timed turns the run-time's errors into ours.
func timed(op string, err error) error {
	switch {
	case err == nil, err == io.EOF:
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return sys.ErrTimeout
	}
	return sys.NewError(op, "", err)
}

// Silent tells whether there is nothing to read now, and no end either.
func (c *Polled) Silent() bool {
	raw, err := c.f.SyscallConn()
	if err != nil {
		return false
	}
	silent := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		silent = sys.IsWouldBlock(err)
	})
	return err == nil && silent
}

// Close closes the connection at once, without waiting for the peer.
func (c *Polled) Close() error { return sys.NewError("close", "", c.f.Close()) }
