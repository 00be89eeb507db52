// Qbiff tells a user at the terminal that a message has come.
//
//	started by  qmail-local, from a .qmail file
//	runs as     the recipient
//	fd 0        the message
//	reads       /var/run/utmp
//	writes      the user's terminals
//	trusts      its caller; nothing in the message, which is shown as plain ASCII
//	spec        spec/local.md, "Helpers"
package main

import (
	"goqmail/internal/mailtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(mailtools.Qbiff) }
