// Package sock opens sockets: one of the keys of the suite
// (docs/ARCHITECTURE.md). It connects and listens by TCP, exchanges datagrams,
// and tells the addresses of this host, of IPv4 and IPv6 alike.
//
// It speaks to the kernel directly and not through package net, whose linking
// and poller a program that runs once for each message would pay for. The
// sockets are blocking and close-on-exec, so that they can be handed to other
// programs as they are; time limits are kept by poll (sys.Timed).
package sock

import (
	"errors"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

// A Conn is a connected TCP socket. Its Read and Write wait at most Limit for
// each single step; zero means for ever.
type Conn struct{ sys.Timed }

// Close closes the connection at once, without waiting for the peer.
func (c *Conn) Close() error { return c.FD.Close() }

// Dial connects to a TCP port within limit (zero or less: as long as the
// kernel tries). from, if valid, is the local address to use. Small writes are
// sent at once: callers write whole commands and blocks.
//
// The error is sys.IsTimeout if limit passed or the kernel gave up waiting, and
// NoSocket if no socket could be made.
func Dial(to netip.AddrPort, from netip.Addr, limit time.Duration) (*Conn, error) {
	c, err := DialFrom(to, netip.AddrPortFrom(from, 0), limit)
	if err != nil {
		return nil, err
	}
	if err := NoDelay(c.FD); err != nil {
		_ = c.Close() // nothing was sent
		return nil, err
	}
	return c, nil
}

// DialFrom is Dial with a local port, 0 for any, too, and with TCP free to
// collect small writes. NotBound tells when the local side cannot be had.
func DialFrom(to, from netip.AddrPort, limit time.Duration) (*Conn, error) {
	sa, family := sockaddr(to)
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, sys.NewError(opSocket, "", err)
	}
	c := &Conn{sys.Timed{FD: sys.FD(fd)}}
	if err := c.connect(sa, family, from, limit); err != nil {
		_ = c.Close() // nothing was sent
		return nil, err
	}
	return c, nil
}

// connect is DialFrom after the socket is there.
func (c *Conn) connect(sa unix.Sockaddr, family int, from netip.AddrPort, limit time.Duration) error {
	fd := int(c.FD)
	if !from.Addr().IsValid() && from.Port() != 0 {
		any := netip.IPv6Unspecified()
		if family == unix.AF_INET {
			any = netip.IPv4Unspecified()
		}
		from = netip.AddrPortFrom(any, from.Port())
	}
	if from.Addr().IsValid() {
		local, f := sockaddr(from)
		if f != family {
			return sys.NewError(opBind, "", unix.EAFNOSUPPORT)
		}
		if err := unix.Bind(fd, local); err != nil {
			return sys.NewError(opBind, "", err)
		}
	}
	if err := unix.Connect(fd, sa); err == unix.EINPROGRESS || err == unix.EINTR {
		if limit <= 0 {
			limit = -1
		}
		ready, err := c.FD.Wait(sys.Writable, limit)
		if err != nil {
			return err
		}
		if !ready {
			return sys.ErrTimeout
		}
		no, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil {
			return sys.NewError("connect", "", err)
		}
		if no != 0 {
			return sys.NewError("connect", "", unix.Errno(no))
		}
	} else if err != nil {
		return sys.NewError("connect", "", err)
	}
	return sys.NewError("fcntl", "", unix.SetNonblock(fd, false))
}

// NoDelay sends small writes at once instead of collecting them.
func NoDelay(fd sys.FD) error {
	return sys.NewError("setsockopt", "", unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
}

// Steps that callers ask for.
const (
	opSocket = "socket"
	opBind   = "bind"
)

// NoSocket tells whether err says that no socket could be made, which is this
// host's trouble and not the peer's.
func NoSocket(err error) bool {
	var e *sys.Error
	return errors.As(err, &e) && e.Op == opSocket
}

// NotBound tells whether err says that the local address or port could not be
// taken, which no other peer changes.
func NotBound(err error) bool {
	var e *sys.Error
	return errors.As(err, &e) && e.Op == opBind
}

// sockaddr is a in the kernel's form, and its address family. IPv4-mapped
// addresses are of IPv6. The zone of an IPv6 address is an interface number in
// decimal.
func sockaddr(a netip.AddrPort) (unix.Sockaddr, int) {
	if ip := a.Addr(); ip.Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: ip.As4()}, unix.AF_INET
	}
	sa := &unix.SockaddrInet6{Port: int(a.Port())}
	if a.Addr().IsValid() {
		sa.Addr = a.Addr().As16()
		n, _ := strconv.ParseUint(a.Addr().Zone(), 10, 32)
		sa.ZoneId = uint32(n)
	}
	return sa, unix.AF_INET6
}

// addrPort is the reverse of sockaddr; ok is false for other families.
func addrPort(sa unix.Sockaddr) (a netip.AddrPort, ok bool) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), true
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 && !ip.Is4In6() {
			ip = ip.WithZone(strconv.FormatUint(uint64(sa.ZoneId), 10))
		}
		return netip.AddrPortFrom(ip, uint16(sa.Port)), true
	}
	return netip.AddrPort{}, false
}

// LocalName is the local address and port of a connected or listening socket,
// as the kernel has it: IPv4 peers of an IPv6 socket are IPv4-mapped.
func LocalName(fd sys.FD) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(int(fd))
	return name("getsockname", sa, err)
}

// PeerName is the other side's address and port of a connected socket.
func PeerName(fd sys.FD) (netip.AddrPort, error) {
	sa, err := unix.Getpeername(int(fd))
	return name("getpeername", sa, err)
}

func name(op string, sa unix.Sockaddr, err error) (netip.AddrPort, error) {
	if err != nil {
		return netip.AddrPort{}, sys.NewError(op, "", err)
	}
	a, ok := addrPort(sa)
	if !ok {
		return a, sys.NewError(op, "", unix.EAFNOSUPPORT)
	}
	return a, nil
}
