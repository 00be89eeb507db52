// Qreceipt answers a message whose sender asked for a notice of its delivery.
//
//	started by  qmail-local, from a .qmail file
//	runs as     the recipient
//	fd 0        the message
//	fd 2        errors
//	trusts      its caller: SENDER comes from qmail-local; the message not at all
//	spec        spec/local.md, "Helpers"
package main

import (
	"goqmail/internal/mailtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(mailtools.Qreceipt) }
