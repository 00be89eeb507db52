// Forward sends a message on to other addresses.
//
//	started by  qmail-local, from a .qmail file
//	runs as     the recipient
//	fd 0        the message
//	fd 2        errors, and the number of the queue program
//	trusts      its caller: NEWSENDER and DTLINE come from qmail-local
//	spec        spec/local.md, "Helpers"
package main

import (
	"goqmail/internal/mailtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(mailtools.Forward) }
