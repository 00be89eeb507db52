package smtp

import (
	"bytes"
	"errors"

	"goqmail/internal/address"
)

// Commands of a client that say nothing else.
const (
	CmdData = "DATA\r\n"
	CmdQuit = "QUIT\r\n"
	CmdRset = "RSET\r\n"
)

// AppendHelo adds the command HELO host.
func AppendHelo(b []byte, host string) []byte {
	return append(append(append(b, "HELO "...), host...), "\r\n"...)
}

// AppendMail adds the command MAIL with the sender's path.
func AppendMail(b []byte, sender string) []byte { return appendPath(b, "MAIL FROM:<", sender) }

// AppendRcpt adds the command RCPT with a recipient's path.
func AppendRcpt(b []byte, recipient string) []byte { return appendPath(b, "RCPT TO:<", recipient) }

// appendPath adds a command with an address, whose local part is quoted where
// needed. The address must be one that ValidPath takes.
func appendPath(b []byte, command, addr string) []byte {
	return append(append(append(b, command...), address.Quote(addr)...), ">\r\n"...)
}

// ValidPath tells whether addr can stand in a command at all: no quoting helps
// against CR, LF and NUL, which end the line or the peer's understanding of it.
func ValidPath(addr string) bool {
	for i := 0; i < len(addr); i++ {
		switch addr[i] {
		case '\r', '\n', 0:
			return false
		}
	}
	return true
}

// ErrPartialLine says that a message ended inside a line, which SMTP cannot
// express.
var ErrPartialLine = errors.New("partial final line")

// A BodyEncoder turns a message into what follows the DATA command:
//
//	each line, its end written as CR LF, a dot put before it if it begins with one
//	.  CR LF
//
// In the message LF, CR LF and a CR alone each end a line. So CR and LF occur
// only in pairs, every line after such a pair is seen by the dot rule, and no
// message can contain what the receiver takes for its end (SMTP smuggling). All
// other bytes pass as they are; lines have no limit.
type BodyEncoder struct {
	inLine bool // something of the current line was written
	cr     bool // the last byte was CR: an LF now belongs to it
}

// Append adds the encoding of the next part of the message.
func (e *BodyEncoder) Append(b, msg []byte) []byte {
	lf := -1 // next LF at or after the place in msg; len(msg): none
	for at := 0; at < len(msg); {
		if e.cr {
			e.cr = false
			if msg[at] == '\n' {
				at++
				continue
			}
		}
		if !e.inLine && msg[at] == '.' {
			b = append(b, '.')
		}
		if lf < at {
			if lf = bytes.IndexByte(msg[at:], '\n'); lf < 0 {
				lf = len(msg)
			} else {
				lf += at
			}
		}
		end := lf
		if i := bytes.IndexByte(msg[at:lf], '\r'); i >= 0 {
			end, e.cr = at+i, true
		}
		b = append(b, msg[at:end]...)
		if end == len(msg) {
			e.inLine = true
			break
		}
		b = append(b, '\r', '\n')
		e.inLine = false
		at = end + 1
	}
	return b
}

// Finish adds the end of the message. ErrPartialLine: the last line has none,
// and nothing was added.
func (e *BodyEncoder) Finish(b []byte) ([]byte, error) {
	if e.inLine {
		return b, ErrPartialLine
	}
	return append(b, ".\r\n"...), nil
}
