package mbox2maildir

import (
	"bytes"
	"io"
	"strconv"

	"goqmail/internal/address"
	"goqmail/internal/header"
)

// Flags of a Maildir's message, the letters after ":2," in its name, in the
// order that they have there (maildir(5)).
const (
	flagDraft   = 'D'
	flagFlagged = 'F'
	flagPassed  = 'P'
	flagReplied = 'R'
	flagSeen    = 'S'
	flagTrashed = 'T'
)

// maildirFlags are all of them in order.
const maildirFlags = "DFPRST"

// A state is what a mail reader has noted of a message in an mbox:
//
//	Status:    R read, O not new any more, D deleted
//	X-Status:  A answered, F flagged, D deleted, T draft
//
// Or, by Mozilla's readers, Thunderbird among them:
//
//	X-Mozilla-Status:  four hexadecimal digits, the sum of mozillaFlags
type state struct {
	old   bool          // a mail reader has shown it: it belongs into cur
	flags map[byte]bool // of maildirFlags
}

// note takes the letters of a Status field, or of X-Status.
func (s *state) note(letters []byte, x bool) {
	meaning := map[byte]byte{'R': flagSeen, 'O': 0, 'D': flagTrashed}
	if x {
		meaning = map[byte]byte{'A': flagReplied, 'F': flagFlagged, 'D': flagTrashed, 'T': flagDraft}
	}
	for _, c := range letters {
		flag, ok := meaning[c]
		s.old = s.old || ok
		if ok && flag != 0 {
			s.set(flag)
		}
	}
}

// mozillaFlags are the bits of an X-Mozilla-Status field that say something
// about the reader. (The others are about his program's own files.)
var mozillaFlags = map[uint64]byte{
	0x0001: flagSeen,
	0x0002: flagReplied,
	0x0004: flagFlagged,
	0x0008: flagTrashed, // it goes when the mbox is compacted
	0x1000: flagPassed,
}

// noteMozilla takes an X-Mozilla-Status field; false if it is none.
func (s *state) noteMozilla(field []byte) bool {
	const digits, base, bits = 4, 16, 16
	text := string(bytes.Trim(field, " \t\r\n"))
	sum, err := strconv.ParseUint(text, base, bits)
	if err != nil || len(text) != digits {
		return false
	}
	for bit, flag := range mozillaFlags {
		if sum&bit != 0 {
			s.set(flag)
		}
	}
	return true
}

// set sets a flag, which makes the message an old one.
func (s *state) set(flag byte) {
	s.old = true
	if s.flags == nil {
		s.flags = make(map[byte]bool)
	}
	s.flags[flag] = true
}

// info is what stands after the unique name in cur: ":2," and the flags.
func (s *state) info() string {
	b := []byte(":2,")
	for i := range len(maildirFlags) {
		if c := maildirFlags[i]; s.flags[c] {
			b = append(b, c)
		}
	}
	return string(b)
}

// maxLine is how long a header line may be, in bytes, to be looked at.
const maxLine = 64 << 10

// A stateWriter passes a message on without its fields Status, X-Status and
// X-Mozilla-Status, which it notes. Call end after the last piece.
type stateWriter struct {
	state
	out io.Writer

	inBody bool
	skip   bool   // the field is one that is left out
	pass   bool   // the rest of a long line passes
	line   []byte // the beginning of a header line
}

// Write takes the next piece.
func (w *stateWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && !w.inBody {
		i := bytes.IndexByte(p, '\n') + 1
		if i == 0 {
			i = len(p)
		}
		w.line = append(w.line, p[:i]...)
		p = p[i:]
		if ended := w.line[len(w.line)-1] == '\n'; ended || len(w.line) > maxLine {
			if err := w.headerLine(ended); err != nil {
				return 0, err
			}
		}
	}
	if len(p) == 0 {
		return n, nil
	}
	_, err := w.out.Write(p)
	return n, err
}

// end takes the last line if it has no LF.
func (w *stateWriter) end() error {
	if len(w.line) == 0 {
		return nil
	}
	return w.headerLine(true)
}

// headerLine takes w.line, a line or a piece of one; ended tells that no more of
// it comes.
func (w *stateWriter) headerLine(ended bool) error {
	line := w.line
	w.line = w.line[:0]
	switch name, ok := header.FieldName(line); {
	case w.pass, line[0] == ' ', line[0] == '\t': // of the field before
	case !ok && !bytes.HasPrefix(line, []byte("From ")) && !bytes.HasPrefix(line, []byte(">From ")):
		w.inBody, w.skip = true, false
	case address.EqualFold(name, "Status"), address.EqualFold(name, "X-Status"):
		w.note(header.FieldBody(line), len(name) > len("Status"))
		w.skip = true
	case address.EqualFold(name, "X-Mozilla-Status"):
		w.skip = w.noteMozilla(header.FieldBody(line))
	default:
		w.skip = false
	}
	w.pass = !ended
	if w.skip {
		return nil
	}
	_, err := w.out.Write(line)
	return err
}
