// The Go run-time would keep a file of its own open, on a descriptor that
// qmail-send's pipes are put on.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Qmail-start starts the daemons of the suite and becomes qmail-send.
//
//	started by  the start script, as root: qmail-start [DELIVERY [LOGGER ARG ...]]
//	runs as     root:qmail, then qmails:qmail as qmail-send
//	fd 0        not used
//	fd 1        qmail-send's log, or what the logger has as fd 1
//	fd 2        a missing account
//	fd 3 to 6   closed
//	fd 7 ...    kept open in qmail-send, closed in the other daemons
//	trusts      its caller, arguments and environment
//	spec        spec/send.md, section 1
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/start"
)

func main() { prog.Main(start.Run) }
