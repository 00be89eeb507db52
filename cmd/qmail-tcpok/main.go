// Qmail-tcpok forgets which hosts timed out.
//
//	started by  the administrator
//	runs as     root or qmailr
//	writes      queue/lock/tcpto, locked
//	spec        spec/remote.md, section 7
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/queuetools"
)

func main() { prog.Main(queuetools.Tcpok) }
