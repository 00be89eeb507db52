package remote

import (
	"strings"

	"goqmail/internal/pipe"
)

// Letters of message reports, and so of verdicts.
const (
	success  = pipe.Success
	deferral = pipe.Deferral
	failure  = pipe.Failure
)

// Message reports that do not come from an SMTP dialogue (spec/remote.md
// section 8).
var (
	invoked      = verdict{failure, "I (qmail-remote) was invoked improperly. (#5.3.5)\n"}
	noHome       = verdict{deferral, "Unable to switch to home directory. (#4.3.0)\n"}
	noControls   = verdict{deferral, "Unable to read control files. (#4.3.0)\n"}
	noResources  = verdict{deferral, "System resources temporarily unavailable. (#4.3.0)\n"}
	noAnswer     = verdict{deferral, "Sorry, I couldn't find any host by that name. (#4.1.2)\n"}
	noExchanger  = verdict{failure, "Sorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n"}
	selfListed   = verdict{failure, "Sorry. Although I'm listed as a best-preference MX or A for that host,\nit isn't in my control/locals file, so I don't treat it as local. (#5.4.6)\n"}
	noConnection = verdict{deferral, "Sorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n"}
	noRead       = verdict{deferral, "Unable to read message. (#4.3.0)\n"}
	partialLine  = verdict{failure, "SMTP cannot transfer messages with partial final lines. (#5.6.2)\n"}
	crashed      = verdict{deferral, "Internal error in qmail-remote. (#4.3.0)\n"} // a Go panic
)

// noHost says that a host does not exist. Strange bytes of its name become ?.
func noHost(host string) verdict {
	b := []byte(host)
	for i, c := range b {
		if c < 33 || c > 126 {
			b[i] = '?'
		}
	}
	return verdict{failure, "Sorry, I couldn't find any host named " + string(b) + ". (#5.1.2)\n"}
}

// A verdict is what became of the message: success, deferral or failure, and a
// text with its newline.
type verdict struct {
	letter byte
	text   string
}

// A report collects what qmail-remote writes on descriptor 1: for each
// recipient that the server answered, in order, a recipient report, then one
// message report (pipe.RemoteReport). qmail-rspawn reads it.
type report struct{ buf []byte }

// add adds one report. A NUL in the text becomes ?, since it would end it.
func (r *report) add(letter byte, text string) {
	text = strings.ReplaceAll(text, "\x00", "?")
	r.buf = pipe.RemoteReport{Letter: letter, Text: text}.Append(r.buf)
}
