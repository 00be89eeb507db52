// Qmail-local delivers one message to one local recipient by the instructions in
// his .qmail file.
//
//	started by  qmail-lspawn, once for each delivery
//	runs as     the recipient, never root
//	fd 0        the message (seekable)
//	fd 1, 2     report: what was done, or one line that says what went wrong
//	trusts      its arguments; not the message, not the .qmail file's writer
//	spec        spec/local.md
package main

import (
	"goqmail/internal/local"
	"goqmail/internal/prog"
)

func main() { prog.Main(local.Run) }
