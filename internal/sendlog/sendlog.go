// Package sendlog is the log of qmail-send: the text of every line, written
// down once. The lines are read by qmailanalog's matchup, by fail2ban rules and
// by many small scripts, so each byte counts. Spec: spec/logs.md sections 1, 2
// and 4.
//
// A line ends in LF and is meant to be written by one write. It has no time
// stamp, no program name and no pid: the logger adds them. Words are separated
// by exactly one blank, and a field never contains one, so a reader may split a
// line at its blanks.
package sendlog

import (
	"strconv"

	"goqmail/internal/queue"
)

// A form is the text of a line, without its LF, in which each % stands for a
// field. No form has a % of its own, and no field does: Escape takes them out.
type form string

// The lines of a message's way through the queue. The word that a line begins
// with tells readers which fields follow.
const (
	formStatus   form = "status: local %/% remote %/%"
	formAsap     form = " exitasap" // follows formStatus when qmail-send is about to leave
	formExiting  form = "status: exiting"
	formNew      form = "new msg %"
	formInfo     form = "info msg %: bytes % from <%> qp % uid %"
	formStarting form = "starting delivery %: msg % to % %"
	formDelivery form = "delivery %: %: %" // text may be empty: the line then ends in a blank
	formMangled  form = "delivery %: report mangled, will defer"
	formBounce   form = "bounce msg % qp %"
	formTriple   form = "triple bounce: discarding %"
	formEnd      form = "end msg %"
	formHeld     form = "destination %: held for % seconds"
	formReleased form = "destination %: not held any more"
)

// append adds the form to b, each % replaced by the next field, and no LF.
func (f form) append(b []byte, fields ...string) []byte {
	for i := 0; i < len(f); i++ {
		switch {
		case f[i] != '%':
			b = append(b, f[i])
		case len(fields) > 0:
			b, fields = append(b, fields[0]...), fields[1:]
		}
	}
	return b
}

// line is append and the LF.
func (f form) line(b []byte, fields ...string) []byte { return append(f.append(b, fields...), '\n') }

// Escape makes one field out of an address or a report: newline becomes /, the
// percent sign and every byte below 33 or above 126 becomes _, and a NUL ends
// the text. The result has no blank in it and may be empty.
func Escape(s string) string {
	b := make([]byte, len(s))
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == 0:
			return string(b[:i])
		case c == '\n':
			b[i] = '/'
		case c < 33 || c > 126 || c == '%':
			b[i] = '_'
		default:
			b[i] = c
		}
	}
	return string(b)
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

// A Use says how many deliveries of a channel run, of how many that may.
type Use struct{ Used, Max int }

// Status adds the line that is written at the start and whenever a delivery
// starts or ends. exiting says that qmail-send leaves as soon as it can.
func Status(b []byte, local, remote Use, exiting bool) []byte {
	b = formStatus.append(b, strconv.Itoa(local.Used), strconv.Itoa(local.Max),
		strconv.Itoa(remote.Used), strconv.Itoa(remote.Max))
	if exiting {
		b = formAsap.append(b)
	}
	return append(b, '\n')
}

// Exiting adds qmail-send's last line.
func Exiting(b []byte) []byte { return formExiting.line(b) }

// New adds the line that begins the preprocessing of a message. It may come
// more than once for one message, and means that what was known about the
// number is to be forgotten.
func New(b []byte, id queue.ID) []byte { return formNew.line(b, id.String()) }

// An Info is what the log says about a message.
type Info struct {
	ID     queue.ID
	Bytes  int64 // size of the file in mess/, the Received line included
	Sender string
	QP     uint64 // pid of the qmail-queue that took the message
	UID    uint64 // of that program's caller
}

// Append adds the line.
func (i Info) Append(b []byte) []byte {
	i.Sender = Escape(i.Sender)
	return i.AppendRead(b)
}

// AppendRead adds the line of an Info whose Sender was read from a line, and is
// written as it was.
func (i Info) AppendRead(b []byte) []byte {
	return formInfo.line(b, i.ID.String(), strconv.FormatInt(i.Bytes, 10), i.Sender, number(i.QP), number(i.UID))
}

// Starting adds the line for the start of a delivery. Deliveries are counted
// from 1 for the life of a qmail-send; rcpt is the rewritten recipient.
func Starting(b []byte, delivery uint64, id queue.ID, ch queue.Channel, rcpt string) []byte {
	return StartingRead(b, delivery, id, ch.String(), Escape(rcpt))
}

// StartingRead is Starting for fields that were read from a line.
func StartingRead(b []byte, delivery uint64, id queue.ID, ch, rcpt string) []byte {
	return formStarting.line(b, number(delivery), id.String(), ch, rcpt)
}

// A Result is the word for what became of a delivery.
type Result string

// The results.
const (
	Success  Result = "success"
	Deferral Result = "deferral"
	Failure  Result = "failure"
)

// Delivery adds the line for the end of a delivery; text is the report as the
// spawner gave it.
func Delivery(b []byte, delivery uint64, r Result, text string) []byte {
	return formDelivery.line(b, number(delivery), string(r), Escape(text))
}

// Mangled adds the line for a delivery whose report has no known letter.
func Mangled(b []byte, delivery uint64) []byte { return formMangled.line(b, number(delivery)) }

// Bounce adds the line for a bounce of message id that was queued by the
// qmail-queue with pid qp.
func Bounce(b []byte, id queue.ID, qp int) []byte {
	return formBounce.line(b, id.String(), strconv.Itoa(qp))
}

// Triple adds the line for a double bounce that failed and is thrown away; path
// names the file with its text.
func Triple(b []byte, path string) []byte { return formTriple.line(b, path) }

// End adds the line for a message that is about to leave the queue.
func End(b []byte, id queue.ID) []byte { return formEnd.line(b, id.String()) }

// Held adds the line for a domain that deferred again and again: but for one
// delivery after that time its mail waits.
func Held(b []byte, domain string, seconds int64) []byte {
	return formHeld.line(b, Escape(domain), strconv.FormatInt(seconds, 10))
}

// Released adds the line for the end of that.
func Released(b []byte, domain string) []byte { return formReleased.line(b, Escape(domain)) }
