// Bouncesaying bounces a message with a text, if a program says so.
//
//	started by  qmail-local, from a .qmail file
//	runs as     the recipient
//	fd 0        the program's: the message
//	fd 1, 2     the program's; errors and the text
//	trusts      its caller
//	spec        spec/local.md, "Helpers"
package main

import (
	"goqmail/internal/mailtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(mailtools.Bouncesaying) }
