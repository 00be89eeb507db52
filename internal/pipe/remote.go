package pipe

// Letters of the reports on recipients that qmail-remote writes; those on the
// message are Success, Deferral and Failure. Spec: spec/remote.md section 1.
const (
	RecipientAccepted = 'r'
	RecipientRefused  = 'h' // for good
	RecipientDeferred = 's'
)

// A RemoteReport is one of the strings that qmail-remote writes on descriptor 1:
//
//	letter TEXT NUL
//
// one for each recipient that the server answered, then one for the message.
// qmail-rspawn, which gives it one recipient, reads them with a RemoteOutput.
type RemoteReport struct {
	Letter byte
	Text   string
}

// Append adds the report's bytes to b; text ends at its first NUL.
func (r RemoteReport) Append(b []byte) []byte {
	b = append(append(b, r.Letter), untilNUL(r.Text)...)
	return append(b, 0)
}

// A RemoteOutput collects what a qmail-remote wrote for one recipient, in any
// pieces, and makes one report of it. The output may be anything: a program
// named by $QMAILREMOTE, or one that died in the middle. Of each string only
// ReportMax bytes are kept, of strings after the second only the letter; more
// has no place in a report. The zero value is ready.
type RemoteOutput struct {
	first, second remoteString
	strings       int  // complete ones
	begun         bool // the current string has a byte
	letter        byte // first byte of the current string
	result        byte // letter of the first complete report on the message
	any           bool // there was a byte
}

// A remoteString is what is kept of one string.
type remoteString struct {
	letter byte // 0 while it is empty
	text   []byte
}

// Write takes the next piece.
func (o *RemoteOutput) Write(p []byte) (int, error) {
	for _, c := range p {
		o.push(c)
	}
	return len(p), nil
}

func (o *RemoteOutput) push(c byte) {
	o.any = true
	if c == 0 {
		// A string without its NUL does not come here, and does not count as
		// result: the writer may have been about to say something else.
		if o.begun && o.result == 0 && isResult(o.letter) {
			o.result = o.letter
		}
		o.begun = false
		o.strings++
		return
	}
	if !o.begun {
		o.begun, o.letter = true, c
	}
	switch o.strings {
	case 0:
		o.first.push(c)
	case 1:
		o.second.push(c)
	}
}

func (s *remoteString) push(c byte) {
	if s.letter == 0 {
		s.letter = c
	} else if len(s.text) < ReportMax {
		s.text = append(s.text, c)
	}
}

func isResult(c byte) bool { return c == Success || c == Deferral || c == Failure }

// Empty tells whether nothing at all was written.
func (o *RemoteOutput) Empty() bool { return !o.any }

// rank orders results from worse to better.
func rank(letter byte) int {
	switch letter {
	case Success:
		return 1
	case Deferral:
		return 0
	}
	return -1
}

// Report is the letter and text for qmail-send (spec/spawn.md section 8).
//
// The result is that of the first string that is a report on the message, and a
// failure if there is none. A recipient that was refused or deferred counts
// whatever became of the message. The text is that of the first string, and of
// the second if that is a report on the message, unless its result is better
// than what is reported: a refused recipient is not told that the message
// went through for others.
func (o *RemoteOutput) Report() (letter byte, text string) {
	result := o.result
	if result == 0 {
		result = Failure
	}
	letter = result
	switch o.first.letter {
	case RecipientDeferred:
		letter = Deferral
	case RecipientRefused:
		letter = Failure
	}
	text = string(o.first.text)
	if rank(result) <= rank(letter) && isResult(o.second.letter) {
		text += string(o.second.text)
	}
	return letter, text
}
