// Condredirect sends a message elsewhere, if a program says so.
//
//	started by  qmail-local, from a .qmail file
//	runs as     the recipient
//	fd 0        the message, a file
//	fd 1, 2     the program's; errors, and the number of the queue program
//	trusts      its caller: SENDER and DTLINE come from qmail-local
//	spec        spec/local.md, "Helpers"
package main

import (
	"goqmail/internal/mailtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(mailtools.Condredirect) }
