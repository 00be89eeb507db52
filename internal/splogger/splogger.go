// Package splogger is splogger: it reads log lines and hands them to syslog with
// a time stamp of its own, because syslog's has whole seconds only. Spec:
// spec/logs.md section 3.
package splogger

import (
	"strconv"
	"strings"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
)

// Where syslog listens, and the defaults of the arguments.
const (
	device          = "/dev/log"
	defaultTag      = "splogger"
	defaultFacility = 2 // mail
)

// Priorities of syslog (RFC 5424, 6.2.1), chosen by how a line begins.
const (
	priorityAlert   = 1
	priorityWarning = 4
	priorityInfo    = 6
)

// maxPiece is how many bytes of a line go into one message; the rest follows in
// further ones.
const maxPiece = 799

// facilityMask keeps a facility within its bits of a priority (RFC 5424).
const facilityMask = 0x7f

// Run is splogger.
func Run(p *prog.Process) int {
	tag, facility := defaultTag, uint64(defaultFacility)
	if len(p.Args) > 1 {
		tag = p.Args[1]
	}
	if len(p.Args) > 2 {
		facility = queue.LeadingNumber(p.Args[2]) & facilityMask
	}
	w := &syslog{fd: -1, tag: tag, facility: int(facility)}
	l := logger{now: p.Now, send: w.send}
	buf := make([]byte, 4096)
	for {
		n, err := p.FD(0).Read(buf)
		for _, c := range buf[:n] {
			l.push(c)
		}
		if err != nil {
			return 0 // a last line without its LF is lost, as in C
		}
	}
}

// A logger cuts its input into lines and pieces.
type logger struct {
	now  func() time.Time
	send func(now time.Time, priority int, text string)

	line  []byte
	stamp time.Time // when the first piece of a long line was sent
	more  bool      // the line had pieces already
	prio  int
}

// push takes the next byte.
func (l *logger) push(c byte) {
	if c == '\n' {
		l.flush()
		l.more = false
		return
	}
	if len(l.line) == maxPiece {
		l.flush()
		l.more = true
	}
	if c < 32 || c > 126 {
		c = '?'
	}
	l.line = append(l.line, c)
}

// flush sends the piece that was gathered: "STAMP text", or "STAMP+text" when
// the line goes on. An empty one is not sent.
func (l *logger) flush() {
	if len(l.line) == 0 {
		return
	}
	sep := "+"
	if !l.more {
		sep, l.stamp, l.prio = " ", l.now(), priorityOf(string(l.line))
	}
	l.send(l.stamp, l.prio, stampText(l.stamp)+sep+string(l.line))
	l.line = l.line[:0]
}

// priorityOf is the priority of a line.
func priorityOf(line string) int {
	switch {
	case strings.HasPrefix(line, "alert:"):
		return priorityAlert
	case strings.HasPrefix(line, "warning:"):
		return priorityWarning
	}
	return priorityInfo
}

// stampText is SECONDS.MICROSECONDS, six digits after the point.
func stampText(t time.Time) string {
	us := strconv.Itoa(t.Nanosecond() / 1000)
	return strconv.FormatInt(t.Unix(), 10) + "." + strings.Repeat("0", 6-len(us)) + us
}

// A syslog sends messages to the system's logger as the C library does:
// "<PRIORITY>Mmm dd hh:mm:ss TAG: TEXT", local time.
type syslog struct {
	fd       sys.FD
	tag      string
	facility int
}

// send sends one message, connecting first if need be, and once more if the
// logger was restarted. Where nobody listens the message is lost.
func (s *syslog) send(now time.Time, priority int, text string) {
	msg := "<" + strconv.Itoa(s.facility<<3|priority) + ">" + now.Format("Jan _2 15:04:05 ") + s.tag + ": " + text
	for range 2 {
		if s.fd < 0 {
			fd, err := sock.DialUnix(device)
			if err != nil {
				return
			}
			s.fd = fd
		}
		if _, err := s.fd.WriteString(msg); err == nil {
			return
		}
		_ = s.fd.Close() // broken
		s.fd = -1
	}
}
