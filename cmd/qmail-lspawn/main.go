// Qmail-lspawn runs local deliveries: qmail-local, as the user who receives the
// mail.
//
//	started by  qmail-start, once
//	runs as     root:qmail
//	fd 0        delivery commands from qmail-send (pipe.DeliveryCommand)
//	fd 1        the grant byte, then one report for each command (pipe.Report)
//	trusts      users/cdb; not its commands, messages or children
//	spec        spec/spawn.md
package main

import (
	"goqmail/internal/lspawn"
	"goqmail/internal/prog"
)

func main() { prog.Main(lspawn.Run) }
