// Mbox2maildir moves the messages of an mbox into a Maildir.
//
//	started by  users and administrators, when mail moves from mbox to Maildir
//	runs as     its caller
//	fd 2        errors
//	writes      the mbox, which is empty then; the Maildir, and a journal in it
//	trusts      its caller: MAIL, MAILDIR and the arguments; nothing in the mbox
//	spec        package mbox; not in C qmail
package main

import (
	"goqmail/internal/mbox2maildir"
	"goqmail/internal/prog"
)

func main() { prog.Main(mbox2maildir.Run) }
