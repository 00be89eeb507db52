package queue

// The envelope that qmail-queue reads on descriptor 1:
//
//	"F" SENDER NUL ("T" RECIPIENT NUL)* NUL
//
// Written by every program that queues mail, read by qmail-queue and by
// $QMAILQUEUE programs. Nothing is read after the last NUL. An end of file
// before it means that the caller gave up. Spec: spec/queue.md section 6.

// AppendSender begins an envelope; AppendRecipient and AppendEnd go on. A NUL
// inside an address ends it.
func AppendSender(b []byte, sender string) []byte { return AppendRecord(b, LetterSender, sender) }

// AppendRecipient adds one recipient.
func AppendRecipient(b []byte, rcpt string) []byte { return AppendRecord(b, LetterRecipient, rcpt) }

// AppendEnd adds the empty record that ends the envelope.
func AppendEnd(b []byte) []byte { return append(b, 0) }

// An EnvelopeChecker follows an envelope byte by byte, as qmail-queue must: it
// has to notice a wrong letter or a long address at the byte where it happens.
type EnvelopeChecker struct {
	state int // 0: letter of the first record; 1: letter of a later one; 2: in an address; 3: ended
	n     int // bytes of the address so far
}

// Push takes the next byte. store tells whether the byte belongs into the
// intd file (all but the final NUL do), done that the envelope is complete.
// code is 0, ExitLetter for a wrong letter, or ExitAddress when the address
// exceeds MaxAddress.
func (c *EnvelopeChecker) Push(b byte) (store, done bool, code int) {
	switch c.state {
	case 0:
		if b != LetterSender {
			return false, false, ExitLetter
		}
		c.state, c.n = 2, 0
	case 1:
		if b == 0 {
			c.state = 3
			return false, true, 0
		}
		if b != LetterRecipient {
			return false, false, ExitLetter
		}
		c.state, c.n = 2, 0
	case 2:
		if b == 0 {
			c.state = 1
			return true, false, 0
		}
		if c.n++; c.n > MaxAddress {
			return false, false, ExitAddress
		}
	default:
		return false, true, 0
	}
	return true, false, 0
}
