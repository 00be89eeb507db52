package queue

import "strings"

// Exit codes of qmail-queue and of programs used in its place. Those from 11 to
// 40 are permanent, all others temporary. Spec: spec/queue.md section 6.
const (
	ExitOK         = 0
	ExitAddress    = 11  // an address over MaxAddress bytes
	ExitRejected   = 31  // a mail server refused the message for good
	ExitMemory     = 51  // out of memory
	ExitTimeout    = 52  // DeathSeconds are over
	ExitWrite      = 53  // write or fsync failed
	ExitRead       = 54  // read failed, or the envelope ended early
	ExitConfig     = 55  // control files unreadable (qmail-qmqpc)
	ExitNetwork    = 56  // no socket (qmail-qmqpc)
	ExitHome       = 61  // home directory unusable
	ExitQueueDir   = 62  // queue directory unusable
	ExitPidFile    = 63  // no file below pid/
	ExitMessFile   = 64  // no file below mess/
	ExitIntdFile   = 65  // no file below intd/
	ExitTodoFile   = 66  // no file below todo/
	ExitServerTemp = 71  // a mail server refused for now (qmail-qmqpc)
	ExitConnTime   = 72  // connection timed out (qmail-qmqpc)
	ExitConnRefuse = 73  // connection refused (qmail-qmqpc)
	ExitConnLost   = 74  // connection broke (qmail-qmqpc)
	ExitBug        = 81  // internal bug: a crash signal or a Go panic
	ExitCustom     = 82  // text on descriptor 6
	ExitLetter     = 91  // wrong record letter in the envelope
	ExitSetID      = 111 // the suite's accounts cannot be found
	ExitAddressQQ  = 115 // like 11, from old programs
	ExitExec       = 120 // the queue program cannot be run
)

// FDCustomText is the descriptor on which a queue program that exits
// ExitCustom leaves its text, and CustomTextMax how many bytes of it count.
const (
	FDCustomText  = 6
	CustomTextMax = 255
)

// Results that are not exit codes.
const (
	ResultCrashed = "Zqq crashed (#4.3.0)"          // killed by a signal
	ResultWait    = "Zqq waitpid surprise (#4.3.0)" // wait failed
)

// exitText has the codes with a text of their own.
var exitText = map[int]string{
	ExitAddress:    "Denvelope address too long for qq (#5.1.3)",
	ExitAddressQQ:  "Denvelope address too long for qq (#5.1.3)",
	ExitRejected:   "Dmail server permanently rejected message (#5.3.0)",
	ExitMemory:     "Zqq out of memory (#4.3.0)",
	ExitTimeout:    "Zqq timeout (#4.3.0)",
	ExitWrite:      "Zqq write error or disk full (#4.3.0)",
	ExitRead:       "Zqq read error (#4.3.0)",
	ExitConfig:     "Zqq unable to read configuration (#4.3.0)",
	ExitNetwork:    "Zqq trouble making network connection (#4.3.0)",
	ExitHome:       "Zqq trouble in home directory (#4.3.0)",
	ExitQueueDir:   "Zqq trouble creating files in queue (#4.3.0)",
	ExitPidFile:    "Zqq trouble creating files in queue (#4.3.0)",
	ExitMessFile:   "Zqq trouble creating files in queue (#4.3.0)",
	ExitIntdFile:   "Zqq trouble creating files in queue (#4.3.0)",
	ExitTodoFile:   "Zqq trouble creating files in queue (#4.3.0)",
	ExitServerTemp: "Zmail server temporarily rejected message (#4.3.0)",
	ExitConnTime:   "Zconnection to mail server timed out (#4.4.1)",
	ExitConnRefuse: "Zconnection to mail server rejected (#4.4.1)",
	ExitConnLost:   "Zcommunication with mail server failed (#4.4.2)",
	ExitBug:        "Zqq internal bug (#4.3.0)",
	ExitLetter:     "Zqq internal bug (#4.3.0)",
	ExitExec:       "Zunable to exec qq (#4.3.0)",
}

// Result is the text that callers show for an exit code of the queue program:
// empty for success, else a letter D (permanent) or Z (temporary) and text.
// writeFailed says that the caller could not write the whole message, custom is
// what came on descriptor 6.
func Result(code int, writeFailed bool, custom string) string {
	if code == ExitOK {
		if writeFailed {
			return exitText[ExitRead]
		}
		return ""
	}
	if code == ExitCustom && len(custom) > 2 {
		letter, text := byte('Z'), custom[1:]
		if custom[0] == 'D' {
			letter = 'D'
		}
		if i := strings.IndexByte(text, 0); i >= 0 {
			text = text[:i] // C qmail: a NUL ends it
		}
		return string(letter) + text
	}
	if t, ok := exitText[code]; ok {
		return t
	}
	if code >= 11 && code <= 40 {
		return "Dqq permanent problem (#5.3.0)"
	}
	return "Zqq temporary problem (#4.3.0)"
}
