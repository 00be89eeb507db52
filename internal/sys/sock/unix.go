package sock

import (
	"errors"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

// A Local is a connection to another program's Unix socket that takes whole
// messages, such as /dev/log.
type Local struct {
	fd     sys.FD
	stream bool
}

// DialLocal connects to the Unix socket at path: by datagrams, or, where the
// owner wants a stream, by a stream in which each message ends in a NUL.
func DialLocal(path string) (*Local, error) {
	l, err := dialLocal(path, unix.SOCK_DGRAM)
	if errors.Is(err, unix.EPROTOTYPE) {
		l, err = dialLocal(path, unix.SOCK_STREAM)
	}
	return l, err
}

func dialLocal(path string, kind int) (*Local, error) {
	n, err := unix.Socket(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, sys.NewError(opSocket, "", err)
	}
	if err := unix.Connect(n, &unix.SockaddrUnix{Name: path}); err != nil {
		_ = unix.Close(n) // nothing was sent
		return nil, sys.NewError("connect", path, err)
	}
	return &Local{sys.FD(n), kind == unix.SOCK_STREAM}, nil
}

// Send sends one message. It waits while the other side's buffer is full, and
// fails when the other side is gone; then only a new connection helps.
func (l *Local) Send(message []byte) error {
	if l.stream {
		message = append(message[:len(message):len(message)], 0)
	}
	for len(message) > 0 {
		n, err := unix.SendmsgN(int(l.fd), message, nil, nil, unix.MSG_NOSIGNAL)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return sys.NewError("send", "", err)
		default:
			message = message[n:]
		}
	}
	return nil
}

// Close closes the connection.
func (l *Local) Close() error { return l.fd.Close() }
