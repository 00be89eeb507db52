package analog

import (
	"bufio"
	"bytes"

	"goqmail/internal/matchlog"
	"goqmail/internal/syslogmsg"
	"goqmail/internal/tai64n"
)

// pieces is a line that splogger may have cut into several messages: its text is
// as long as that of one message, or of several, so that the next message of the
// same source may go on with it. At most one is kept at a time.
type pieces struct {
	line []byte // as the logger wrote the first, with the texts of all; empty: none
	at   syslogmsg.Line
}

// readSyslog takes a line that does not begin with a stamp.
func (m *matchup) readSyslog(line []byte) error {
	l, ok := syslogmsg.Parse(line)
	if !ok {
		return m.copy(matchlog.Ignored, line)
	}
	text := line[l.Start:]
	if l.More {
		if !m.pieces.goesOn(l, len(text)) {
			return m.copy(matchlog.Ignored, line)
		}
		m.pieces.line = append(m.pieces.line, text...)
	} else {
		if err := m.flushPieces(); err != nil {
			return err
		}
		if len(text) != syslogmsg.PieceMax {
			return m.syslogEvent(l, line)
		}
		m.pieces.set(line)
	}
	if len(text) == syslogmsg.PieceMax {
		return nil // there may be more
	}
	return m.flushPieces()
}

// set keeps a copy of a first piece.
func (s *pieces) set(line []byte) {
	s.line = append(s.line[:0], line...)
	s.at, _ = syslogmsg.Parse(s.line) // it was one before
}

// goesOn tells whether n more bytes of the line l belong to what is kept.
func (s *pieces) goesOn(l syslogmsg.Line, n int) bool {
	return len(s.line) > 0 && len(s.line)+n <= logLine &&
		bytes.Equal(s.at.Stamp, l.Stamp) && bytes.Equal(s.at.Source, l.Source)
}

// flushPieces takes the line that is kept as complete.
func (m *matchup) flushPieces() error {
	line := m.pieces.line
	if len(line) == 0 {
		return nil
	}
	m.pieces.line = line[:0]
	return m.syslogEvent(m.pieces.at, line)
}

func (m *matchup) syslogEvent(l syslogmsg.Line, line []byte) error {
	stamp, _ := tai64n.ParseDecimal(l.Stamp) // Parse has looked
	return m.event(stamp, line[l.Start:], line)
}

// state writes the messages that are kept, so that the next run can go on with
// the line.
func (s *pieces) state(w *bufio.Writer) {
	if len(s.line) == 0 {
		return
	}
	text, head, more := s.line[s.at.Start:], s.line[:s.at.Start], false
	for len(text) > 0 {
		n := min(len(text), syslogmsg.PieceMax)
		_, _ = w.Write(append(s.at.Piece(nil, head, text[:n], more), '\n')) // errors show at the end
		text, more = text[n:], true
	}
}
