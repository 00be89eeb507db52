// Maildirwatch shows the new messages of a Maildir every 30 seconds.
//
//	started by  users, in a window
//	runs as     its caller
//	fd 1        the screen
//	fd 2        errors
//	trusts      its caller: the argument, MAILDIR; nothing in messages
//	spec        spec/local.md, "Helpers"
package main

import (
	"goqmail/internal/mailtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(mailtools.Maildirwatch) }
