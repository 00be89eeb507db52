// Fastforward forwards a message as a database of addresses says.
//
//	started by  qmail-local, from a .qmail file, often ~alias/.qmail-default
//	runs as     the recipient; alias for ~alias
//	fd 0        the message
//	fd 2        errors, the number of the queue program, and what -n shows
//	reads       the database and the mailing lists that it names
//	trusts      the database; a mailing list names recipients and further lists, no programs
//	spec        spec/fastforward.md, section 4
package main

import (
	"goqmail/internal/fastforward"
	"goqmail/internal/prog"
)

func main() { prog.Main(fastforward.Run) }
