package sock

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

// Addresses is a set of this host's own addresses.
type Addresses []netip.Addr

// Contains tells whether a is in the set; an IPv4-mapped address counts as the
// IPv4 one.
func (s Addresses) Contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, b := range s {
		if a == b {
			return true
		}
	}
	return false
}

// LocalAddresses lists the addresses of this host: those of the interfaces that
// are up, IPv4 first, and the two unspecified ones, 0.0.0.0 and ::, which reach
// this host too. IPv6 zones are left out.
func LocalAddresses() (Addresses, error) {
	up, err := interfacesUp()
	if err != nil {
		return nil, err
	}
	msgs, err := dump(unix.RTM_GETADDR)
	if err != nil {
		return nil, err
	}
	v4 := Addresses{netip.IPv4Unspecified()}
	v6 := Addresses{netip.IPv6Unspecified()}
	for _, m := range msgs {
		if m.Header.Type != unix.RTM_NEWADDR || len(m.Data) < unix.SizeofIfAddrmsg {
			continue
		}
		// struct ifaddrmsg: family, prefixlen, flags, scope (a byte each), index.
		if !up[index(m.Data[4:8])] {
			continue
		}
		a, ok := address(m)
		if !ok {
			continue
		}
		if a.Is4() {
			v4 = append(v4, a)
		} else {
			v6 = append(v6, a)
		}
	}
	return append(v4, v6...), nil
}

// address is the interface's own address in an RTM_NEWADDR message: IFA_LOCAL,
// which on a point-to-point link is not IFA_ADDRESS, or else that.
func address(m syscall.NetlinkMessage) (a netip.Addr, ok bool) {
	attrs, err := syscall.ParseNetlinkRouteAttr(&m)
	if err != nil {
		return a, false
	}
	for _, at := range attrs {
		if at.Attr.Type != unix.IFA_LOCAL && (at.Attr.Type != unix.IFA_ADDRESS || ok) {
			continue
		}
		if v, good := netip.AddrFromSlice(at.Value); good {
			a, ok = v, true
			if at.Attr.Type == unix.IFA_LOCAL {
				break
			}
		}
	}
	return a, ok
}

// interfacesUp has the numbers of the interfaces that are up.
func interfacesUp() (map[uint32]bool, error) {
	msgs, err := dump(unix.RTM_GETLINK)
	if err != nil {
		return nil, err
	}
	up := map[uint32]bool{}
	for _, m := range msgs {
		if m.Header.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
			continue
		}
		// struct ifinfomsg: family, pad (a byte each), type (2), index, flags.
		if index(m.Data[8:12])&unix.IFF_UP != 0 {
			up[index(m.Data[4:8])] = true
		}
	}
	return up, nil
}

// index reads a number in the host's byte order, which is how netlink writes.
func index(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }

// dump asks the kernel for a whole table.
func dump(kind int) ([]syscall.NetlinkMessage, error) {
	b, err := syscall.NetlinkRIB(kind, unix.AF_UNSPEC)
	if err != nil {
		return nil, sys.NewError(opSocket, "netlink", err)
	}
	msgs, err := syscall.ParseNetlinkMessage(b)
	return msgs, sys.NewError("netlink", "", err)
}

// InterfaceIndex is the number of a network interface.
func InterfaceIndex(name string) (uint32, error) {
	var i uint32
	err := ifreq("ioctl", name, func(fd int) error {
		r, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, r); err != nil {
			return err
		}
		i = r.Uint32()
		return nil
	})
	return i, err
}

// InterfaceName is the name of the network interface with a number.
func InterfaceName(index uint32) (string, error) {
	var name string
	err := ifreq("ioctl", "", func(fd int) error {
		r, err := unix.NewIfreq("")
		if err != nil {
			return err
		}
		r.SetUint32(index)
		if err := unix.IoctlIfreq(fd, unix.SIOCGIFNAME, r); err != nil {
			return err
		}
		name = r.Name()
		return nil
	})
	return name, err
}

// ZoneName is the name of the interface by which a link-local address is
// reached; ok is false for other addresses.
func ZoneName(ip netip.Addr) (name string, ok bool) {
	n, err := strconv.ParseUint(ip.Zone(), 10, 32)
	if err != nil {
		return "", false
	}
	name, err = InterfaceName(uint32(n))
	return name, err == nil
}

// ifreq runs f with a socket to ask about interfaces with.
func ifreq(op, name string, f func(fd int) error) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return sys.NewError(opSocket, "", err)
	}
	defer func() { _ = sys.FD(fd).Close() }() // nothing was written
	return sys.NewError(op, name, f(fd))
}
