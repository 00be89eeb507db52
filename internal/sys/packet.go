package sys

import (
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// A PacketConn is this process's end of a pair of sockets between it and one of
// its children (SOCK_SEQPACKET: whole packets, in order, and an end of file). It
// is non-blocking and watched by the runtime's poller, so that a goroutine which
// waits for it holds no thread. Only this end passes descriptors; any that come
// from the other end the kernel throws away.
type PacketConn struct{ f *os.File }

// PacketPair makes such a pair. The second end is for the child: blocking, and
// close-on-exec here like everything else.
func PacketPair() (*PacketConn, FD, error) {
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, -1, fail("socketpair", "", err)
	}
	if err := unix.SetNonblock(p[0], true); err != nil {
		_, _ = FD(p[0]).Close(), FD(p[1]).Close() // nothing was written
		return nil, -1, fail("fcntl", "", err)
	}
	return &PacketConn{os.NewFile(uintptr(p[0]), "packets")}, FD(p[1]), nil
}

// Send sends one packet with open files, waiting at most limit until there is
// room for it: ErrTimeout. The other end gets descriptors of its own; ours stay
// open.
func (c *PacketConn) Send(packet []byte, files []FD, limit time.Duration) error {
	var rights []byte
	if len(files) > 0 {
		rights = unix.UnixRights(numbers(files)...)
	}
	var sent error
	send := func(fd uintptr) bool {
		for {
			sent = unix.Sendmsg(int(fd), packet, rights, nil, unix.MSG_NOSIGNAL)
			if sent != unix.EINTR {
				return sent != unix.EAGAIN
			}
		}
	}
	raw, err := c.f.SyscallConn()
	if err != nil {
		return fail("send", "", err)
	}
	// Usually there is room, and no time limit need be set.
	done := false
	if err := raw.Control(func(fd uintptr) { done = send(fd) }); err != nil {
		return fail("send", "", err)
	}
	if !done {
		if err := c.f.SetWriteDeadline(time.Now().Add(limit)); err != nil {
			return fail("send", "", err)
		}
		err = raw.Write(send)
	}
	switch {
	case os.IsTimeout(err):
		return ErrTimeout
	case err != nil:
		return fail("send", "", err)
	}
	return fail("send", "", sent)
}

// AwaitBriefly is FD.AwaitBriefly, until there is a packet or an end. Another
// goroutine takes it: where that can run at the same time (OneAtATime was not
// called), it could be faster, and the wait in vain; so there is none.
func (c *PacketConn) AwaitBriefly(d time.Duration) {
	if runtime.GOMAXPROCS(0) > 1 {
		return
	}
	if raw, err := c.f.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { FD(fd).AwaitBriefly(Readable, d) }) // closed: nothing to wait for
	}
}

func numbers(files []FD) []int {
	n := make([]int, len(files))
	for i, f := range files {
		n[i] = int(f)
	}
	return n
}

// Receive reads one packet, as much of it as p holds; io.EOF when the other end
// is closed everywhere.
func (c *PacketConn) Receive(p []byte) (int, error) {
	n, err := c.f.Read(p)
	if err != nil && err != io.EOF {
		err = fail("receive", "", err)
	}
	return n, err
}

// Close closes this end; a Receive that waits returns.
func (c *PacketConn) Close() error { return fail("close", "", c.f.Close()) }

// IsPacketSocket tells whether the descriptor is an end of a PacketPair, or
// another socket of its kind.
func (fd FD) IsPacketSocket() bool {
	kind, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_SEQPACKET {
		return false
	}
	domain, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
	return err == nil && domain == unix.AF_UNIX
}

// SendPacket sends one packet on the child's end of a PacketPair, waiting for
// room.
func (fd FD) SendPacket(packet []byte) error {
	if n, err := fd.sendNow(packet); err == nil && n == len(packet) {
		return nil
	}
	for {
		err := unix.Sendmsg(int(fd), packet, nil, nil, unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return fail("send", "", err)
		}
	}
}

// packetFiles is the most descriptors that ReceivePacket takes with a packet.
const packetFiles = 8

// ReceivePacket waits for one packet on the child's end of a PacketPair, and
// takes the files that came with it; they are close-on-exec. A packet that is
// longer than p, or has more files than fit, is ErrPacket, and its files are
// closed. io.EOF: the other end is closed.
func (fd FD) ReceivePacket(p []byte) (n int, files []FD, err error) {
	control := make([]byte, unix.CmsgSpace(packetFiles*4))
	var ctl, flags int
	for {
		n, ctl, flags, _, err = unix.Recvmsg(int(fd), p, control, unix.MSG_CMSG_CLOEXEC)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return 0, nil, fail("receive", "", err)
	}
	files = passed(control[:ctl])
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		CloseAll(files)
		return 0, nil, ErrPacket
	}
	if n == 0 {
		CloseAll(files)
		return 0, nil, io.EOF
	}
	return n, files, nil
}

// ErrPacket is the error for a packet that does not fit.
var ErrPacket error = fail("receive", "", unix.EMSGSIZE)

// scmPIDFD is the kernel's SCM_PIDFD: a descriptor of the sender's process, which
// comes with each packet where SO_PASSPIDFD is set.
const scmPIDFD = 4

// passed lists the descriptors in the control data of a packet.
func passed(control []byte) (files []FD) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for i := range messages {
		m := &messages[i]
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == scmPIDFD {
			// The other end can switch these on; so the packet has a file too
			// many, and the file does not stay.
			m.Header.Type = unix.SCM_RIGHTS
		}
		fds, err := unix.ParseUnixRights(m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			files = append(files, FD(fd))
		}
	}
	return files
}

// CloseAll closes descriptors whose content does not depend on it.
func CloseAll(files []FD) {
	for _, f := range files {
		_ = f.Close() // see above
	}
}

// CloseWrite makes the other end read an end of file; answers can still come.
func (c *PacketConn) CloseWrite() error {
	raw, err := c.f.SyscallConn()
	if err != nil {
		return fail("shutdown", "", err)
	}
	var done error
	if err := raw.Control(func(fd uintptr) { done = unix.Shutdown(int(fd), unix.SHUT_WR) }); err != nil {
		return fail("shutdown", "", err)
	}
	return fail("shutdown", "", done)
}

// AdoptPackets makes a PacketConn of the child's end of a PacketPair, which must
// be this process's alone.
func AdoptPackets(fd FD) (*PacketConn, error) {
	if err := unix.SetNonblock(int(fd), true); err != nil {
		return nil, fail("fcntl", "", err)
	}
	return &PacketConn{os.NewFile(uintptr(fd), "packets")}, nil
}

// ReceiveFiles is FD.ReceivePacket for a PacketConn.
func (c *PacketConn) ReceiveFiles(p []byte) (n int, files []FD, err error) {
	raw, err := c.f.SyscallConn()
	if err != nil {
		return 0, nil, fail("receive", "", err)
	}
	werr := raw.Read(func(fd uintptr) bool {
		n, files, err = FD(fd).ReceivePacket(p)
		return !IsWouldBlock(err)
	})
	if werr != nil {
		return 0, nil, fail("receive", "", werr)
	}
	return n, files, err
}
