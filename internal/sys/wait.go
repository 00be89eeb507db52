package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

// Events to wait for, as poll(2) has them. Hang-up and error are always
// reported, as readable and writable.
const (
	Readable = unix.POLLIN
	Writable = unix.POLLOUT
)

// wait waits until fd has one of events, at most d (negative: for ever).
// ready is false when the time is over.
func wait(fd int, events int16, d time.Duration) (ready bool, err error) {
	end := time.Now().Add(d)
	for {
		p := []unix.PollFd{{Fd: int32(fd), Events: events}}
		n, err := unix.Poll(p, millis(d, end))
		switch {
		case err != nil && err != unix.EINTR:
			return false, fail("poll", "", err)
		case err == nil && n > 0:
			return true, nil
		case d >= 0 && !time.Now().Before(end):
			return false, nil
		}
	}
}

// millis is what poll(2) takes for the time until end, rounded up; -1, for
// ever, if d is negative. It has 31 bits: longer waits are made of several.
func millis(d time.Duration, end time.Time) int {
	if d < 0 {
		return -1
	}
	const longest = 1 << 30
	left := max(time.Until(end), 0)
	return int(min((left+time.Millisecond-1)/time.Millisecond, longest))
}

// Wait waits until the descriptor is Readable or Writable, at most d; a
// negative d means for ever.
func (fd FD) Wait(events int16, d time.Duration) (ready bool, err error) {
	return wait(int(fd), events, d)
}

// WaitAny waits for several descriptors, each for its events, and returns which
// are ready; none when the time is over.
func WaitAny(fds []FD, events []int16, d time.Duration) ([]bool, error) {
	p := make([]unix.PollFd, len(fds))
	for i := range fds {
		p[i] = unix.PollFd{Fd: int32(fds[i]), Events: events[i]}
	}
	end := time.Now().Add(d)
	for {
		n, err := unix.Poll(p, millis(d, end))
		if err == unix.EINTR || err == nil && n == 0 && (d < 0 || time.Now().Before(end)) {
			continue
		}
		ready := make([]bool, len(fds))
		for i := range p {
			ready[i] = p[i].Revents != 0
		}
		return ready, fail("poll", "", err)
	}
}

// A Timed reads and writes a descriptor with a time limit for each single read
// and write. A limit of zero or less means none.
type Timed struct {
	FD        FD
	Limit     time.Duration
	NotSocket bool // FD is known to be none (IsSocket), which saves a call for each write
	Alone     bool // nothing else is to be done meanwhile: reads begin with AwaitBriefly
}

// IsSocket tells whether the descriptor is a socket.
func (fd FD) IsSocket() bool {
	_, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE)
	return err == nil
}

// Read reads what is there, waiting at most the limit: ErrTimeout.
func (t Timed) Read(p []byte) (int, error) {
	if t.Limit > 0 {
		if t.Alone && t.FD.AwaitBriefly(Readable, t.Limit) {
			return t.FD.ReadReady(p)
		}
		ready, err := wait(int(t.FD), unix.POLLIN, t.Limit)
		if err != nil {
			return 0, err
		}
		if !ready {
			return 0, ErrTimeout
		}
	}
	return t.FD.Read(p)
}

// Write writes all of p in pieces that the kernel takes without blocking
// longer than the limit for each: ErrTimeout. On a socket each piece is sent
// with MSG_DONTWAIT; other descriptors are written in pieces of at most
// PIPE_BUF bytes, which a pipe that polls writable takes at once.
func (t Timed) Write(p []byte) (int, error) {
	if t.Limit <= 0 {
		return t.FD.Write(p)
	}
	done, isSocket := 0, !t.NotSocket
	mustWait := !isSocket // a socket says by itself when it is full
	for done < len(p) {
		if mustWait {
			ready, err := wait(int(t.FD), unix.POLLOUT, t.Limit)
			if err != nil {
				return done, err
			}
			if !ready {
				return done, ErrTimeout
			}
		}
		var n int
		var err error
		if isSocket {
			n, err = t.FD.sendNow(p[done:])
			if err == unix.ENOTSOCK {
				isSocket, mustWait = false, true
				continue
			}
		} else {
			n, err = unix.Write(int(t.FD), p[done:min(len(p), done+pipeBuf)])
		}
		switch {
		case err == unix.EAGAIN:
			mustWait = true
		case err == unix.EINTR:
		case err != nil:
			return done, fail("write", "", err)
		default:
			done += n
		}
	}
	return done, nil
}
