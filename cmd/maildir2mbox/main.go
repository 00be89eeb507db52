// Maildir2mbox moves the messages of a Maildir into an mbox.
//
//	started by  users, before a mail reader that knows no Maildir
//	runs as     its caller
//	fd 2        errors
//	trusts      its caller: MAIL, MAILTMP and MAILDIR
//	spec        spec/local.md, "Helpers"
package main

import (
	"goqmail/internal/mailtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(mailtools.Maildir2mbox) }
