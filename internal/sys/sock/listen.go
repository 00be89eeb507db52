package sock

import (
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

// Listen makes a TCP socket that takes connections at an address and port; port
// 0 lets the kernel choose (LocalName tells). An IPv6 socket takes IPv4
// connections too, at the unspecified address and at IPv4-mapped ones. backlog
// is how many connections the kernel keeps waiting.
//
// The error's Op tells which step failed: socket, bind, listen.
func Listen(at netip.AddrPort, backlog int) (sys.FD, error) {
	sa, family := sockaddr(at)
	n, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, sys.NewError(opSocket, "", err)
	}
	fd := sys.FD(n)
	if err := listen(n, sa, family, backlog); err != nil {
		_ = fd.Close() // nobody has used it
		return -1, err
	}
	return fd, nil
}

func listen(fd int, sa unix.Sockaddr, family, backlog int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return sys.NewError("setsockopt", "", err)
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0); err != nil {
			return sys.NewError("setsockopt", "", err)
		}
	}
	if err := unix.Bind(fd, sa); err != nil {
		return sys.NewError(opBind, "", err)
	}
	return sys.NewError("listen", "", unix.Listen(fd, backlog))
}

// Accept waits for a connection. The new socket is blocking and close-on-exec.
// An error does not mean that the next call fails: sys.Temporary tells.
func Accept(listener sys.FD) (sys.FD, netip.AddrPort, error) {
	for {
		n, sa, err := unix.Accept4(int(listener), unix.SOCK_CLOEXEC)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, netip.AddrPort{}, sys.NewError("accept", "", err)
		}
		peer, ok := addrPort(sa)
		if !ok {
			_ = sys.FD(n).Close() // not ours to serve
			return -1, netip.AddrPort{}, sys.NewError("accept", "", unix.EAFNOSUPPORT)
		}
		return sys.FD(n), peer, nil
	}
}

// IsListening says whether a descriptor that somebody else opened is a TCP socket
// that takes connections, of IPv4 or IPv6 (multipath TCP counts).
func IsListening(fd sys.FD) bool {
	option := func(name int) int {
		v, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, name)
		if err != nil {
			return -1
		}
		return v
	}
	family := option(unix.SO_DOMAIN)
	return (family == unix.AF_INET || family == unix.AF_INET6) &&
		option(unix.SO_TYPE) == unix.SOCK_STREAM && option(unix.SO_ACCEPTCONN) == 1
}

// Gone tells whether an error of Accept is that of a connection which broke
// before it was taken: the next one may be fine (accept(2)).
func Gone(err error) bool {
	var e *sys.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Errno {
	case unix.ECONNABORTED, unix.EPROTO, unix.ENOPROTOOPT, unix.ENONET, unix.EOPNOTSUPP, unix.EPERM,
		unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTDOWN, unix.EHOSTUNREACH:
		return true
	}
	return false
}

// StopListening frees the port: connections that wait are dropped, and an
// Accept under way fails. The descriptor stays open.
func StopListening(listener sys.FD) {
	_ = unix.Shutdown(int(listener), unix.SHUT_RDWR) // fails only if it did not listen
}

// DropOptions makes the kernel forget the IP options that an IPv4 peer set on
// the connection, source routes among them. Sockets without any do not fail.
func DropOptions(fd sys.FD) error {
	return sys.NewError("setsockopt", "", unix.SetsockoptString(int(fd), unix.IPPROTO_IP, unix.IP_OPTIONS, ""))
}
