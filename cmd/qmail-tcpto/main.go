// Qmail-tcpto lists the hosts that timed out lately.
//
//	started by  the administrator
//	runs as     root or qmailr
//	fd 1        the list, and what went wrong
//	reads       queue/lock/tcpto, locked
//	spec        spec/remote.md, section 7
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/queuetools"
)

func main() { prog.Main(queuetools.Tcpto) }
