package dotqmail

import "slices"

// Exit codes of the programs in .qmail files, which fastforward and dot-forward
// also go by. 0 is success; a code that is neither listed here nor one of
// PermanentExit is temporary, as 111 is. Spec: spec/local.md sections 6 and 11.
const (
	ExitStop      = 99 // success, and the lines that follow are ignored
	ExitPermanent = 100
	ExitTemporary = 111
)

// permanentToo are the codes of sysexits.h, and 112, that are permanent.
var permanentToo = [...]int{64, 65, 70, 76, 77, 78, 112}

// PermanentExit tells whether a program's exit code means that the message will
// never be delivered.
func PermanentExit(code int) bool {
	return code == ExitPermanent || slices.Contains(permanentToo[:], code)
}
