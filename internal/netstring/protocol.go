package netstring

import "strconv"

// Ports of the two protocols.
const (
	PortQMTP = 209
	PortQMQP = 628
)

// AddressMax is the longest sender or recipient that the servers take, in bytes;
// RELAYCLIENT counts.
const AddressMax = 999

// The first byte of a QMTP message tells how its lines end.
const (
	LinesLF   = '\n'
	LinesCRLF = '\r'
)

// Answers begin with pipe.Success, pipe.Deferral or pipe.Failure. The texts
// below are complete. Spec: spec/qmtp-qmqp.md sections 2 and 3.
const (
	AnswerTooLarge     = "Dsorry, that message size exceeds my databytes limit (#5.3.4)"
	AnswerBadSender    = "Dunacceptable sender (#5.1.7)"
	AnswerBadRecipient = "Dsorry, I can't handle that recipient (#5.1.3)"
	AnswerNoRelay      = "Dsorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"
	AnswerBadAddress   = "Dsorry, I can't accept addresses like that (#5.1.3)" // QMQP
)

// Queued is the answer for a message queued at a Unix time by the queue program
// with a pid.
func Queued(t int64, pid int) string {
	return "Kok " + strconv.FormatInt(t, 10) + " qp " + strconv.Itoa(pid)
}

// A LineDecoder turns the lines of a LinesCRLF message into those of a file:
// CR LF becomes LF, every other CR stays.
type LineDecoder struct{ cr bool }

// Append adds what in says to b.
func (d *LineDecoder) Append(b, in []byte) []byte {
	for _, c := range in {
		if d.cr && c != '\n' {
			b = append(b, '\r')
		}
		if d.cr = c == '\r'; !d.cr {
			b = append(b, c)
		}
	}
	return b
}

// End adds a CR that was the last byte.
func (d *LineDecoder) End(b []byte) []byte {
	if d.cr {
		d.cr = false
		b = append(b, '\r')
	}
	return b
}
