package sock

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

// maxStray is how many datagrams that are not the answer Exchange reads before
// it gives up: somebody is guessing.
const maxStray = 200

// Exchange sends one datagram to a server and waits, at most limit, for one
// that accept takes; it is in buf. The socket is new, so the kernel chooses the
// port at random, and connected, so that only the server's own address and port
// are heard. sys.ErrTimeout: no answer came.
func Exchange(to netip.AddrPort, query, buf []byte, limit time.Duration, accept func(answer []byte) bool) (int, error) {
	sa, family := sockaddr(to)
	n, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, sys.NewError(opSocket, "", err)
	}
	fd := sys.FD(n)
	defer func() { _ = fd.Close() }() // a datagram socket holds nothing back
	if err := unix.Connect(n, sa); err != nil {
		return 0, sys.NewError("connect", "", err)
	}
	if _, err := unix.Write(n, query); err != nil {
		return 0, sys.NewError("send", "", err)
	}
	end := time.Now().Add(limit)
	for range maxStray {
		ready, err := fd.Wait(sys.Readable, max(time.Until(end), 0))
		if err != nil {
			return 0, err
		}
		if !ready {
			return 0, sys.ErrTimeout
		}
		// Without waiting: a datagram with a wrong checksum was readable and is gone.
		got, err := recv(n, buf)
		if err == unix.EAGAIN {
			continue
		}
		if err != nil {
			return 0, sys.NewError("receive", "", err)
		}
		if accept(buf[:got]) {
			return got, nil
		}
	}
	return 0, sys.ErrTimeout
}

// recv takes a datagram that is there, EAGAIN if none is.
func recv(fd int, buf []byte) (int, error) {
	for {
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// Random is an unpredictable number, for the marks by which an answer is known
// to belong to a question.
func Random() (uint64, error) {
	var b [8]byte
	for {
		n, err := unix.Getrandom(b[:], 0)
		if err == unix.EINTR {
			continue
		}
		if err == nil && n < len(b) {
			err = unix.EIO
		}
		var v uint64
		for _, c := range b {
			v = v<<8 | uint64(c)
		}
		return v, sys.NewError("getrandom", "", err)
	}
}
