package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// sinkAddr is where all remote mail goes.
const sinkAddr = "127.0.0.1:2525"

// An arrivals counts deliveries.
type arrivals struct {
	n    atomic.Int64
	last atomic.Int64 // nanoseconds of Unix time
	lost atomic.Bool  // the kernel could not count
}

func (a *arrivals) add(n int) {
	a.last.Store(time.Now().UnixNano())
	a.n.Add(int64(n))
}

// wait waits for deliveries and says when the last of them came. Only a system
// that does not deliver reaches the limit.
func (a *arrivals) wait(n int, limit time.Duration) (time.Time, error) {
	for end := time.Now().Add(limit); a.n.Load() < int64(n); time.Sleep(time.Millisecond) {
		if a.lost.Load() {
			return time.Time{}, fmt.Errorf("more deliveries at once than inotify can count")
		}
		if time.Now().After(end) {
			return time.Time{}, fmt.Errorf("%d of %d deliveries within %v of the last message", a.n.Load(), n, limit)
		}
	}
	return time.Unix(0, a.last.Load()), nil
}

// watch counts names that appear in directories.
func (a *arrivals) watch(dirs []string) error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		return err
	}
	for _, d := range dirs {
		if _, err := unix.InotifyAddWatch(fd, d, unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
			return fmt.Errorf("inotify %s: %w", d, err)
		}
	}
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := unix.Read(fd, buf)
			if err != nil && err != unix.EINTR {
				a.lost.Store(true)
				return
			}
			count := 0
			// an event: four numbers (watch, mask, cookie, length of the name), the name
			for b := buf[:max(n, 0)]; len(b) >= unix.SizeofInotifyEvent; {
				if binary.NativeEndian.Uint32(b[4:])&unix.IN_Q_OVERFLOW != 0 {
					a.lost.Store(true)
				}
				b = b[unix.SizeofInotifyEvent+binary.NativeEndian.Uint32(b[12:]):]
				count++
			}
			a.add(count)
		}
	}()
	return nil
}

// A sink is the rest of the world: it takes all mail and throws it away.
type sink struct {
	arrivals     // recipients
	connections  atomic.Int64
	atOnce, peak atomic.Int64
	hold         time.Duration // before each final reply
}

func newSink(hold time.Duration) (*sink, error) {
	l, err := net.Listen("tcp", sinkAddr)
	if err != nil {
		return nil, err
	}
	s := &sink{hold: hold}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			go s.serve(c)
		}
	}()
	return s, nil
}

func (s *sink) serve(c net.Conn) {
	defer c.Close()
	if n := s.atOnce.Add(1); n > s.peak.Load() {
		s.peak.Store(n)
	}
	defer s.atOnce.Add(-1)
	r := bufio.NewReaderSize(c, 1<<16)
	say := func(t string) bool { _, err := c.Write([]byte(t + "\r\n")); return err == nil }
	rcpts := 0
	for ok := say("220 sink.test"); ok; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		switch verb {
		case "MAIL", "RSET":
			rcpts = 0
			ok = say("250 ok")
		case "RCPT":
			rcpts++
			ok = say("250 ok")
		case "DATA":
			if !say("354 go on") || !throwAway(r) {
				return
			}
			time.Sleep(s.hold)
			s.add(rcpts)
			rcpts = 0
			ok = say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			ok = say("250 sink.test")
		}
	}
}

// throwAway reads a message to its lone dot.
func throwAway(r *bufio.Reader) bool {
	for whole := true; ; {
		line, err := r.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return false
		}
		if whole && err == nil && bytes.Equal(line, []byte(".\r\n")) {
			return true
		}
		whole = err == nil
	}
}
