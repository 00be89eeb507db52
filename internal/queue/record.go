package queue

import (
	"bytes"
	"strconv"
)

// Letters of records. Every record is a letter, text without NUL, and a NUL;
// there is no other framing and newline is not special.
const (
	LetterUID       = 'u' // todo, intd: real uid of qmail-queue's caller, decimal
	LetterPID       = 'p' // todo, intd: pid of qmail-queue, decimal
	LetterSender    = 'F' // todo, intd, info
	LetterRecipient = 'T' // todo, intd; local, remote: not done
	LetterDone      = 'D' // local, remote: done; written over the T in place
)

// A Record is one record of an envelope or channel file.
type Record struct {
	Letter byte
	Text   string
}

// AppendRecord adds the record's bytes to b. Text must not contain a NUL; the
// part from a NUL on would read back as another record and is dropped.
func AppendRecord(b []byte, letter byte, text string) []byte {
	b = append(b, letter)
	for i := 0; i < len(text); i++ {
		if text[i] == 0 {
			break
		}
		b = append(b, text[i])
	}
	return append(b, 0)
}

// NextRecord cuts the first record off b. ok is false when b has no complete
// record: an unterminated tail is ignored, as in C. A lone NUL is a record with
// letter 0 and no text.
func NextRecord(b []byte) (r Record, rest []byte, ok bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return r, b, false
	}
	if i == 0 {
		return r, b[1:], true
	}
	return Record{Letter: b[0], Text: string(b[1:i])}, b[i+1:], true
}

// AppendOrigin adds the two records that begin an intd file: the caller's real
// uid and the pid of qmail-queue.
func AppendOrigin(b []byte, uid uint32, pid int) []byte {
	b = AppendRecord(b, LetterUID, strconv.FormatUint(uint64(uid), 10))
	return AppendRecord(b, LetterPID, strconv.Itoa(pid))
}

// LeadingNumber reads the decimal digits at the start of s; none give 0, and a
// number over 2^64-1 gives 2^64-1.
func LeadingNumber(s string) uint64 {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	v, err := strconv.ParseUint(s[:n], 10, 64)
	if err != nil && n > 0 {
		return 1<<64 - 1
	}
	return v
}

// ParseInfo reads an info file: one F record. ok is false when the file does
// not begin with a complete F record.
func ParseInfo(b []byte) (sender string, ok bool) {
	r, _, ok := NextRecord(b)
	if !ok || r.Letter != LetterSender {
		return "", false
	}
	return r.Text, true
}

// Senders with a meaning of their own.
const (
	SenderDoubleBounce = "#@[]" // marks a double bounce
	VERPMark           = "-@[]" // at the end of a sender: expanded for each recipient
)
