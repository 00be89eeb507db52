// Qsmhook runs a local mailer with the flags of a mailer in Sendmail.
//
//	started by  qmail-local, from a .qmail file; an old form of preline
//	runs as     the recipient
//	fd 0        the message
//	fd 1, 2     the mailer's; errors
//	trusts      its caller: the environment of qmail-local
//	spec        spec/local.md, "Helpers"
package main

import (
	"goqmail/internal/mailtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(mailtools.Qsmhook) }
