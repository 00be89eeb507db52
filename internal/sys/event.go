package sys

import "golang.org/x/sys/unix"

// An Event is a descriptor that is readable while it is set (eventfd(2)): it
// ends a wait for other descriptors from within the process. It is not a pipe,
// so that a process shows no pipes but those it has to others.
type Event struct{ fd FD }

// NewEvent makes an event that is not set, close-on-exec.
func NewEvent() (*Event, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fail("eventfd", "", err)
	}
	return &Event{FD(fd)}, nil
}

// FD is the descriptor to wait for as Readable.
func (e *Event) FD() FD { return e.fd }

// Set makes the event readable. It never blocks, and may be called from any
// goroutine.
func (e *Event) Set() {
	one := [8]byte{1}                    // or 2^56, by the machine's byte order
	_, _ = unix.Write(int(e.fd), one[:]) // fails when the counter is full: it is set then
}

// Clear makes the event unreadable, however often it was set.
func (e *Event) Clear() {
	var b [8]byte
	_, _ = unix.Read(int(e.fd), b[:]) // fails when it is not set
}

// Close gives the descriptor back.
func (e *Event) Close() error { return e.fd.Close() }
