// Sendmail understands the options of the Sendmail of that name, and becomes
// qmail-inject, qmail-smtpd or qmail-qread.
//
//	started by  users, mail programs; also as mailq and newaliases
//	runs as     its caller
//	fd 0        the message; with -bs an SMTP session
//	fd 1        with -bs and -bp: what the program says
//	fd 2        errors
//	trusts      its caller
//	spec        spec/inject.md, "sendmail"
package main

import (
	"goqmail/internal/mailtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(mailtools.Sendmail) }
