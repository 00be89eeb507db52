package sendlog

import (
	"bytes"

	"goqmail/internal/queue"
)

// A Kind is what a line tells.
type Kind int

// The kinds.
const (
	Other     Kind = iota // none of those below, or one of them with a field that is wrong
	NewMsg                // ID: forget what is known about this number
	InfoMsg               // ID, Bytes, Sender, QP, UID
	StartDel              // Delivery, ID, Channel, Recipient
	EndDel                // Delivery, Result, Text
	EndMsg                // ID
	StatusMsg             // nothing about a message
	NoticeMsg             // a warning or an alert
	Restart               // "running", "exiting": no delivery is under way; written before qmail 1.0
)

// A Line is what Parse found in a line. Which fields count is said at its Kind.
// The byte slices are parts of the line.
type Line struct {
	Kind      Kind
	ID        queue.ID
	Delivery  uint64
	Bytes     int64
	QP, UID   uint64
	Sender    []byte // without the brackets
	Channel   []byte
	Recipient []byte // may be empty
	Result    Result
	Text      []byte // the report, one field; may be empty
}

// manyFields is how many fields a reader has to look at, those of formInfo.
const manyFields = 11

// textMangled is what Parse gives as the text of formMangled, which has none:
// a deferral, as qmail-send made it.
var textMangled = []byte("report_mangled")

// Fields cuts a line at its blanks and tabs, as all readers of the log do. Those
// above the number that out has room for are left away.
func Fields(line []byte, out [][]byte) [][]byte {
	out = out[:0]
	for i := 0; i < len(line) && len(out) < cap(out); {
		if blank(line[i]) {
			i++
			continue
		}
		start := i
		for i < len(line) && !blank(line[i]) {
			i++
		}
		out = append(out, line[start:i])
	}
	return out
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// Number reads all of s, decimal digits, as a number of 64 bits.
func Number(s []byte) (n uint64, ok bool) {
	id, ok := queue.ParseID(string(s)) // the same digits
	return uint64(id), ok
}

// Parse reads a line, without its stamp and its LF. It looks at the first word
// and at the fields by their number, as matchup always did (spec/logs.md
// section 4), not at the words between, so that it also reads what other
// versions of qmail-send wrote.
func Parse(line []byte) Line {
	var room [manyFields]([]byte)
	f := Fields(line, room[:])
	if len(f) == 0 {
		return Line{}
	}
	at := func(i int) []byte {
		if i < len(f) {
			return f[i]
		}
		return nil
	}
	l, ok := Line{}, true
	switch string(f[0]) {
	case "new":
		l.Kind, l.ID, ok = NewMsg, id(at(2)), isID(at(2))
	case "end":
		l.Kind, l.ID, ok = EndMsg, id(at(2)), isID(at(2))
	case "info":
		l, ok = parseInfo(at)
	case "starting":
		l, ok = parseStarting(at)
	case "delivery":
		l, ok = parseDelivery(at)
	case "status:", "number", "local:", "remote:":
		l.Kind = StatusMsg
	case "warning:", "alert:":
		l.Kind = NoticeMsg
	case "running", "exiting":
		l.Kind = Restart
	}
	if !ok {
		return Line{}
	}
	return l
}

func parseInfo(at func(int) []byte) (l Line, ok bool) {
	num, sender := bytes.TrimSuffix(at(2), colon), at(6)
	var ok1, ok2, ok3 bool
	l = Line{Kind: InfoMsg, ID: id(num)}
	var size uint64
	size, ok1 = Number(at(4))
	l.Bytes = int64(size)
	l.QP, ok2 = Number(at(8))
	l.UID, ok3 = Number(at(10))
	if !ok1 || l.Bytes < 0 || !ok2 || !ok3 || !isID(num) || len(sender) < 2 || sender[0] != '<' || sender[len(sender)-1] != '>' {
		return l, false
	}
	l.Sender = sender[1 : len(sender)-1]
	return l, true
}

func parseStarting(at func(int) []byte) (l Line, ok bool) {
	l = Line{Kind: StartDel, ID: id(at(4)), Channel: at(6), Recipient: at(7)}
	l.Delivery, ok = Number(bytes.TrimSuffix(at(2), colon))
	return l, ok && isID(at(4)) && len(l.Channel) > 0
}

func parseDelivery(at func(int) []byte) (l Line, ok bool) {
	l = Line{Kind: EndDel, Text: at(3)}
	word := at(2)
	switch { // as matchup: old versions had other endings
	case bytes.HasPrefix(word, []byte("succ")):
		l.Result = Success
	case bytes.HasPrefix(word, []byte("fail")):
		l.Result = Failure
	case bytes.HasPrefix(word, []byte("defer")):
		l.Result = Deferral
	case bytes.HasPrefix(word, []byte("report")):
		l.Result, l.Text = Deferral, textMangled
	default:
		return l, false
	}
	l.Delivery, ok = Number(bytes.TrimSuffix(at(1), colon))
	return l, ok
}

// colon follows a number that a line begins with.
var colon = []byte(":")

func id(s []byte) queue.ID {
	n, _ := Number(s)
	return queue.ID(n)
}

func isID(s []byte) bool {
	_, ok := Number(s)
	return ok
}
