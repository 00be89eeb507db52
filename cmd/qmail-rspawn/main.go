// Qmail-rspawn runs remote deliveries: qmail-remote, one recipient each.
//
//	started by  qmail-start, once
//	runs as     qmailr:qmail
//	fd 0        delivery commands from qmail-send (pipe.DeliveryCommand)
//	fd 1        the grant byte, then one report for each command (pipe.Report)
//	trusts      its environment (PATH, QMAILREMOTE); not its commands or children
//	spec        spec/spawn.md
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/rspawn"
)

func main() { prog.Main(rspawn.Run) }
