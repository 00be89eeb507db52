// Package syslogmsg is what splogger hands to the system's logger, and what the
// logger makes of it in a file. Spec: spec/logs.md section 3.
//
// splogger sends
//
//	<PRIORITY>Mmm DD HH:MM:SS TAG: SECONDS.MICROSECONDS TEXT
//
// and for a text longer than PieceMax one more such message for each further
// piece, with the same stamp and "+" in place of the blank before the piece. A
// logger writes them as lines, by default without the priority, with the name
// of the host before the tag, and some with another form of the date:
//
//	Nov 20 19:25:56 HOST qmail: 1795202756.746548 new msg 5
//	2026-11-20T19:25:56.746621+00:00 HOST qmail: 1795202756.746548 new msg 5
//
// Lines of other programs come between them.
//
// Where qmail-send writes to the journal of systemd itself, the stamp is the
// journal's: see Journal.
package syslogmsg

import (
	"bytes"

	"goqmail/internal/sendlog"
	"goqmail/internal/tai64n"
)

// PieceMax is how many bytes of a line go into one message.
const PieceMax = 799

// A Message is one message of splogger.
type Message struct {
	Priority string // "22": 8 times the facility plus the severity
	Date     string // "Nov 20 19:25:56", of the local time zone
	Tag      string
	Stamp    string // SECONDS.MICROSECONDS, of the whole line
	More     bool   // a further piece
	Text     []byte
}

// Append adds the message.
func (m Message) Append(b []byte) []byte {
	b = append(append(append(b, '<'), m.Priority...), '>')
	b = append(append(append(b, m.Date...), ' '), m.Tag...)
	b = append(append(b, ": "...), m.Stamp...)
	mark := byte(' ')
	if m.More {
		mark = '+'
	}
	return append(append(b, mark), m.Text...)
}

// A Line is a line of a logger's file that splogger is behind. The byte slices
// are parts of the line.
type Line struct {
	Source []byte // what stands between date and stamp: host and tag
	Stamp  []byte
	Start  int  // where in the line the text begins, after the mark
	More   bool // the text is a further piece of an earlier line
}

// maxSource is how many words may stand between date and stamp.
const maxSource = 4

// Parse reads a line. It is not ok if there is no date at its beginning, no word
// that ends in a colon after at most three others, or no stamp of splogger
// right behind that word.
func Parse(line []byte) (l Line, ok bool) {
	rest := line
	if len(rest) > 0 && rest[0] == '<' { // a file that keeps the priority
		rest = rest[bytes.IndexByte(rest, '>')+1:]
	}
	rest, ok = skipDate(rest)
	if !ok {
		return l, false
	}
	source := rest
	for range maxSource {
		var word []byte
		if word, rest, ok = nextWord(rest); !ok {
			return l, false
		}
		if word[len(word)-1] != ':' {
			continue
		}
		l.Source = source[:len(source)-len(rest)]
		i := bytes.IndexAny(rest, " +")
		if i < 0 {
			return l, false
		}
		l.Stamp, l.More, l.Start = rest[:i], rest[i] == '+', len(line)-len(rest)+i+1
		d, ok := tai64n.ParseDecimal(l.Stamp)
		return l, ok && d.Digits == 6
	}
	return l, false
}

// Piece makes of a line's text another line that carries it, the first or a
// further one: what stands before the text is that of line.
func (l Line) Piece(b, line, text []byte, more bool) []byte {
	b = append(b, line[:l.Start-1]...)
	mark := byte(' ')
	if more {
		mark = '+'
	}
	return append(append(b, mark), text...)
}

// Journal takes what stands before a program's own text in a line of
//
//	journalctl -o short-unix
//
// but for the stamp: the host, a blank, the tag, usually with a process number in
// brackets, and a colon.
func Journal(line []byte) (text []byte, ok bool) {
	if _, line, ok = nextWord(line); !ok {
		return nil, false
	}
	tag, text, ok := nextWord(line)
	return text, ok && len(tag) > 1 && tag[len(tag)-1] == ':'
}

// nextWord cuts off the first word and the blanks before and after it.
func nextWord(s []byte) (word, rest []byte, ok bool) {
	var room [1][]byte
	f := sendlog.Fields(s, room[:])
	if len(f) == 0 {
		return nil, nil, false
	}
	after := bytes.TrimLeft(s, " \t")[len(f[0]):]
	return f[0], bytes.TrimLeft(after, " \t"), true
}

// skipDate cuts off "Mmm DD HH:MM:SS" or "YYYY-MM-DDTHH:MM:SS" and what belongs
// to it: fractions and a zone.
func skipDate(s []byte) (rest []byte, ok bool) {
	first, rest, ok := nextWord(s)
	if !ok {
		return nil, false
	}
	if like(first, "0000-00-00T00:00:00") {
		return rest, true
	}
	day, rest, ok := nextWord(rest)
	if !ok || len(first) != 3 || !like(first, "Aaa") || !like(day, "0") {
		return nil, false
	}
	clock, rest, ok := nextWord(rest)
	return rest, ok && like(clock, "00:00:00")
}

// like tells whether s begins like the pattern, in which A is a capital, a a
// small letter and 0 a digit.
func like(s []byte, pattern string) bool {
	if len(s) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		c, ok := s[i], s[i] == pattern[i]
		switch pattern[i] {
		case '0':
			ok = c >= '0' && c <= '9'
		case 'A':
			ok = c >= 'A' && c <= 'Z'
		case 'a':
			ok = c >= 'a' && c <= 'z'
		}
		if !ok {
			return false
		}
	}
	return true
}
