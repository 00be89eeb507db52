package smtp

import "errors"

// Limits of a reply, as the client takes it.
const (
	ReplyKept  = 5000    // bytes of text that are kept
	ReplyLines = 1000    // lines
	ReplyBytes = 1 << 20 // bytes, so that a line without end ends
)

// Codes of replies by their first digit.
const (
	CodeGreeting  = 220 // RFC 5321, 4.3.2
	CodeHello     = 250
	CodeGoAhead   = 354
	CodeTemporary = 400 // from here on: not now
	CodePermanent = 500 // from here on: never
)

// A Reply is what a server answered. Text has all its lines, codes among them,
// with LF line ends, without CRs, cut to ReplyKept bytes.
type Reply struct {
	Code int // of the first line
	Text string
}

// Errors of a ReplyDecoder.
var (
	ErrReplyCode = errors.New("reply does not begin with a code")
	ErrReplyLong = errors.New("reply does not end")
)

// A ReplyDecoder collects one reply, byte by byte:
//
//	CODE-text CR LF     any number of times
//	CODE text CR LF     or no text, or any byte but - for the blank
//
// CODE is three digits. A line ends at LF, with or without CR. The code of the
// first line counts; of others the first three bytes are skipped whatever they
// are, as C qmail does.
type ReplyDecoder struct {
	code  int
	lines int // ended
	place int // in the line, up to 4
	more  bool
	size  int
	text  []byte
}

// Push takes the next byte; done says that it completed the reply. After an
// error the peer cannot be understood any more.
func (d *ReplyDecoder) Push(c byte) (done bool, err error) {
	if d.size++; d.size > ReplyBytes {
		return false, ErrReplyLong
	}
	if c != '\r' && len(d.text) < ReplyKept {
		d.text = append(d.text, c)
	}
	switch {
	case d.place < 3:
		if d.lines == 0 {
			if c < '0' || c > '9' {
				return false, ErrReplyCode
			}
			d.code = d.code*10 + int(c-'0')
		}
		d.place++
		return false, nil
	case d.place == 3:
		d.more = c == '-'
		d.place++
	}
	if c != '\n' {
		return false, nil
	}
	if !d.more {
		return true, nil
	}
	d.place = 0
	if d.lines++; d.lines >= ReplyLines {
		return false, ErrReplyLong
	}
	return false, nil
}

// Take returns the reply that is complete and begins a new one.
func (d *ReplyDecoder) Take() Reply {
	r := Reply{d.code, string(d.text)}
	*d = ReplyDecoder{text: d.text[:0]}
	return r
}
