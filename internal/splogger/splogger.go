// Package splogger is splogger: it hands lines to the system's logger. Lines
// are qmail-send's, whose first word tells how bad things are.
// Spec: spec/logs.md section 3.
package splogger

import (
	"bytes"
	"io"
	"strconv"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
	"goqmail/internal/syslogmsg"
	"goqmail/internal/tai64n"
)

// Exit codes.
const (
	exitOK     = 0   // the input has ended
	exitFailed = 111 // the input cannot be read
)

// Numbers of RFC 3164, 4.1.1.
const (
	facilityUser    = 1
	facilityMail    = 2
	facilityMost    = 127 // syslog(3) takes a larger number for facilityUser
	severityAlert   = 1
	severityWarning = 4
	severityInfo    = 6
)

// devLog is where the system's logger listens.
const devLog = "/dev/log"

// Run is splogger: splogger [TAG [FACILITY]].
func Run(p *prog.Process) int {
	tz, set := p.Env.Get("TZ")
	zone := func(t int64) int { return sys.ZoneOffset(tz, set, t) }
	l := &logger{tag: "splogger", facility: facilityMail, now: p.Now, zone: zone, path: devLog}
	if len(p.Args) > 1 {
		l.tag = p.Args[1]
	}
	if len(p.Args) > 2 {
		l.facility = facility(p.Args[2])
	}
	if err := l.copy(p.FD(0)); err != nil {
		return p.Die(exitFailed, "splogger: fatal: unable to read input: ", sys.ErrText(err))
	}
	return exitOK
}

// facility reads a facility's number; without digits it is 0.
func facility(arg string) int {
	if n := queue.LeadingNumber(arg); n <= facilityMost {
		return int(n)
	}
	return facilityUser
}

// A logger sends lines to the socket at path.
type logger struct {
	tag      string
	facility int
	now      func() time.Time
	zone     func(t int64) int // how far local time is ahead of UTC, in seconds
	path     string

	conn     *sock.Local // nil: not connected
	severity int         // of the line
	stamp    string      // of the line; "" before its first message
	piece    []byte      // what is not sent yet
	quarter  int64       // for which quarter of an hour east is known
	east     int         // local time's distance from UTC
}

// copy sends all lines of in. The rest of a last line without LF is not sent, as
// in C: whoever wrote it did not finish it.
func (l *logger) copy(in io.Reader) error {
	buf := make([]byte, 8192)
	for {
		n, err := in.Read(buf)
		for b := buf[:n]; len(b) > 0; {
			i := bytes.IndexByte(b, '\n')
			if i < 0 {
				l.add(b)
				break
			}
			l.add(b[:i])
			l.endLine()
			b = b[i+1:]
		}
		if err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
}

// add adds a part of a line, with "?" for what is no printable character.
func (l *logger) add(b []byte) {
	for _, c := range b {
		if len(l.piece) == syslogmsg.PieceMax {
			l.send()
		}
		if c < 32 || c > 126 {
			c = '?'
		}
		l.piece = append(l.piece, c)
	}
}

// endLine sends what is left of a line. An empty line is nothing to log.
func (l *logger) endLine() {
	if len(l.piece) > 0 {
		l.send()
	}
	l.stamp = ""
}

// send sends the piece, see syslogmsg.Message. The date is that of the local
// time zone; the seconds are Unix time. The second and further messages of a
// line have the stamp and severity of the first.
func (l *logger) send() {
	now := l.now()
	more := l.stamp != ""
	if !more {
		l.severity = severity(l.piece)
		l.stamp = tai64n.Decimal{Stamp: tai64n.Stamp{Sec: now.Unix(), Nano: uint32(now.Nanosecond())}, Digits: 6}.String()
	}
	b := syslogmsg.Message{Priority: strconv.Itoa(l.facility<<3 | l.severity), Date: l.local(now).Format(time.Stamp),
		Tag: l.tag, Stamp: l.stamp, More: more, Text: l.piece}.Append(nil)
	l.piece = l.piece[:0]
	l.deliver(b)
}

// local is t with the clock of the local time zone, whose distance from UTC
// changes at quarters of an hour only: it is looked up once in each.
func (l *logger) local(t time.Time) time.Time {
	const quarter = 15 * 60
	if q := t.Unix() / quarter; q != l.quarter {
		l.quarter, l.east = q, l.zone(t.Unix())
	}
	return t.UTC().Add(time.Duration(l.east) * time.Second)
}

// severity is how bad a line with this beginning is.
func severity(text []byte) int {
	switch {
	case bytes.HasPrefix(text, []byte("warning:")):
		return severityWarning
	case bytes.HasPrefix(text, []byte("alert:")):
		return severityAlert
	}
	return severityInfo
}

// deliver sends a message, over a new connection if the old one fails: the
// system's logger may have been started again. If nobody listens the message
// is lost, as with syslog(3): mail must not wait for the log.
func (l *logger) deliver(message []byte) {
	if l.conn != nil {
		if l.conn.Send(message) == nil {
			return
		}
		_ = l.conn.Close() // it is broken
		l.conn = nil
	}
	conn, err := sock.DialLocal(l.path)
	if err != nil {
		return
	}
	l.conn = conn
	_ = conn.Send(message) // twice is enough
}
