package lspawn

import (
	"goqmail/internal/pipe"
	"goqmail/internal/spawn"
	"goqmail/internal/sys/child"
)

// Exit codes of qmail-local and of what goes before it (spec/spawn.md section
// 5). C's lspawn forks and then exits with the codes from 112 on in the child;
// here they never leave the process, except that qmail-getpw uses some.
const (
	exitRuntime    = 2 // a Go program that ended before it could do anything
	exitBug        = 112
	exitRoot       = 113
	exitNFS        = 115 // qmail-getpw
	exitNoAlias    = 116 // qmail-getpw
	exitAssign     = 117
	exitSystem     = 118 // also qmail-getpw
	exitMemory     = 119
	exitNoLocalYet = 120
	exitNoGetpw    = 121
	exitNoLocal    = 126
)

// crashed is the report when a signal, or the Go run-time, ended qmail-local.
var crashed = spawn.Verdict{Letter: pipe.Deferral, Text: "qmail-local crashed.\n"}

// verdict is the report for an exit code; text is what the delivery printed, and
// counts only for codes without a text of their own. Codes that are not listed
// are permanent.
func verdict(code int, text string) spawn.Verdict {
	letter := byte(pipe.Deferral)
	switch code {
	case 0:
		letter = pipe.Success
	case 71, 74, 75, 111:
	case exitRuntime:
		return crashed
	case exitBug:
		text = "Internal qmail-lspawn bug.\n"
	case exitRoot:
		text = "Not allowed to perform deliveries as root.\n"
	case exitNFS:
		text = "NFS failure in qmail-local.\n"
	case exitNoAlias:
		text = "Unable to find alias user!\n"
	case exitAssign:
		text = "Trouble reading users/cdb in qmail-lspawn.\n"
	case exitSystem:
		text = "Temporary failure in qmail-lspawn.\n"
	case exitMemory:
		text = "Out of memory in qmail-lspawn.\n"
	case exitNoLocalYet:
		text = "Unable to run qmail-local.\n"
	case exitNoGetpw:
		text = "Unable to run qmail-getpw.\n"
	case exitNoLocal:
		letter, text = pipe.Failure, "Unable to run qmail-local.\n"
	default:
		letter = pipe.Failure
	}
	return spawn.Verdict{Letter: letter, Text: text}
}

// report is the report for a qmail-local that has ended.
func report(st child.Status, text string) spawn.Verdict {
	if st.Crashed() {
		return crashed
	}
	return verdict(st.Code(), text)
}

// Limits of what a delivery may say, in bytes.
const (
	maxText  = 3000 // longer texts are cut
	keptText = maxText - 3 - len(cutMark)
	cutMark  = "\nError report too long, sorry.\n"
)

// An output collects what qmail-local and the programs below it print.
type output struct{ buf []byte }

// Write keeps as much as is needed to know whether the text must be cut.
func (o *output) Write(p []byte) (int, error) {
	o.buf = append(o.buf, p[:min(len(p), maxText+1-len(o.buf))]...)
	return len(p), nil
}

// text is the text for the report.
func (o *output) text() string {
	if len(o.buf) > maxText {
		return string(o.buf[:keptText]) + cutMark
	}
	return string(o.buf)
}
