// Package matchlog is what matchup writes and the reports read: one line for
// each delivery attempt, one for each message that has left the queue. Spec:
// spec/logs.md section 4.
//
//	d RESULT BIRTH START DONE BYTES <SENDER> CHANNEL.RECIPIENT QP UID REASON
//	m BIRTH DONE BYTES NK ND NZ <SENDER> QP UID
//
// Fields are separated by one blank and have none inside; readers also take
// several, and tabs. Times are Unix seconds (tai64n.Decimal). Sender and
// recipient are in lower case. Other lines may come between: "? " and a line
// that matchup did not understand, and warnings of qmail-send.
//
// What matchup keeps for its next run is lines of qmail-send (package sendlog)
// and Extra.
package matchlog

import (
	"strconv"

	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/tai64n"
)

// A Result is what became of a delivery attempt.
type Result byte

// The results.
const (
	Success  Result = 'k'
	Deferral Result = 'z'
	Failure  Result = 'd'
)

// Unknown stands for a sender, a QP or a UID that the log did not tell.
const Unknown = "?"

// Ignored begins a line that matchup did not understand; the line follows.
const Ignored = "? "

// A Delivery is a delivery attempt. A parsed one's byte slices are parts of the
// line.
type Delivery struct {
	Result    Result
	Birth     tai64n.Decimal // when the message was queued; Start if that is unknown
	Start     tai64n.Decimal
	Done      tai64n.Decimal
	Bytes     uint64 // of the message
	Sender    []byte // with brackets, or Unknown
	Recipient []byte // CHANNEL.RECIPIENT
	QP        []byte // the qmail-queue that took the message: digits or Unknown
	UID       []byte // of its caller: digits or Unknown
	Reason    []byte // may be empty; the line then ends in a blank
}

// deliveryFields is how many fields a Delivery's line has, messageFields those
// of a Message.
const (
	deliveryFields = 11
	messageFields  = 10
)

// Append adds the line, with its LF.
func (d Delivery) Append(b []byte) []byte {
	b = append(b, 'd', ' ', byte(d.Result), ' ')
	for _, t := range [...]tai64n.Decimal{d.Birth, d.Start, d.Done} {
		b = append(t.Append(b), ' ')
	}
	b = append(strconv.AppendUint(b, d.Bytes, 10), ' ')
	for _, f := range [...][]byte{d.Sender, d.Recipient, d.QP, d.UID} {
		b = append(append(b, f...), ' ')
	}
	return append(append(b, d.Reason...), '\n')
}

// ParseDelivery reads a line without its LF.
func ParseDelivery(line []byte) (d Delivery, ok bool) {
	var room [deliveryFields][]byte
	f := sendlog.Fields(line, room[:])
	if len(f) < deliveryFields-1 || string(f[0]) != "d" || len(f[1]) != 1 {
		return d, false
	}
	if len(f) == deliveryFields {
		d.Reason = f[10]
	}
	switch d.Result = Result(f[1][0]); d.Result {
	case Success, Deferral, Failure:
	default:
		return d, false
	}
	ok = true
	for i, to := range []*tai64n.Decimal{&d.Birth, &d.Start, &d.Done} {
		t, good := tai64n.ParseEither(f[2+i])
		*to, ok = t, ok && good
	}
	size, good := sendlog.Number(f[5])
	d.Bytes, d.Sender, d.Recipient, d.QP, d.UID = size, f[6], f[7], f[8], f[9]
	return d, ok && good
}

// A Message is a message that has left the queue. A parsed one's byte slices are
// parts of the line.
type Message struct {
	Birth, Done tai64n.Decimal
	Bytes       uint64
	Counts
	Sender, QP, UID []byte // as in Delivery
}

// Counts says how many delivery attempts of a message ended how. Successes and
// failures together are its recipients.
type Counts struct{ Success, Failure, Deferral uint64 }

// Add counts one result.
func (c *Counts) Add(r Result) {
	switch r {
	case Success:
		c.Success++
	case Failure:
		c.Failure++
	case Deferral:
		c.Deferral++
	}
}

// Append adds the line, with its LF. The manual of qmailanalog has the last two
// counts the other way round; its programs write and read them as here.
func (m Message) Append(b []byte) []byte {
	b = append(b, 'm', ' ')
	for _, t := range [...]tai64n.Decimal{m.Birth, m.Done} {
		b = append(t.Append(b), ' ')
	}
	for _, n := range [...]uint64{m.Bytes, m.Success, m.Failure, m.Deferral} {
		b = append(strconv.AppendUint(b, n, 10), ' ')
	}
	b = append(append(b, m.Sender...), ' ')
	b = append(append(b, m.QP...), ' ')
	return append(append(b, m.UID...), '\n')
}

// ParseMessage reads a line without its LF.
func ParseMessage(line []byte) (m Message, ok bool) {
	var room [messageFields][]byte
	f := sendlog.Fields(line, room[:])
	if len(f) < messageFields || string(f[0]) != "m" {
		return m, false
	}
	ok = true
	for i, to := range []*tai64n.Decimal{&m.Birth, &m.Done} {
		t, good := tai64n.ParseEither(f[1+i])
		*to, ok = t, ok && good
	}
	for i, to := range []*uint64{&m.Bytes, &m.Success, &m.Failure, &m.Deferral} {
		n, good := sendlog.Number(f[3+i])
		*to, ok = n, ok && good
	}
	m.Sender, m.QP, m.UID = f[7], f[8], f[9]
	return m, ok
}

// An Extra line tells matchup what it counted in an earlier run for a message
// that is still in the queue:
//
//	extra N NK NZ ND
//
// It follows the message's info line, and like that has a stamp before it.
// Deferrals come before failures here.
type Extra struct {
	ID queue.ID
	Counts
}

// extra is the first word of the line.
const extra = "extra"

// Append adds the line, with its LF.
func (e Extra) Append(b []byte) []byte {
	b = append(append(append(b, extra...), ' '), e.ID.String()...)
	for _, n := range [...]uint64{e.Success, e.Deferral, e.Failure} {
		b = strconv.AppendUint(append(b, ' '), n, 10)
	}
	return append(b, '\n')
}

// ParseExtra reads a line without stamp and LF.
func ParseExtra(line []byte) (e Extra, ok bool) {
	var room [5][]byte
	f := sendlog.Fields(line, room[:])
	if len(f) < 5 || string(f[0]) != extra {
		return e, false
	}
	id, ok := sendlog.Number(f[1])
	e.ID = queue.ID(id)
	for i, to := range []*uint64{&e.Success, &e.Deferral, &e.Failure} {
		n, good := sendlog.Number(f[2+i])
		*to, ok = n, ok && good
	}
	return e, ok
}
