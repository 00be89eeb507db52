// Qmail-remote sends one message to one host by SMTP.
//
//	started by  qmail-rspawn, once for each delivery
//	runs as     qmailr:qmail
//	argv        HOST SENDER RECIPIENT...
//	fd 0        the message
//	fd 1        the report: recipient reports, then one message report, each
//	            a letter, a text and a NUL
//	fd 2        the same pipe; nothing is written to it
//	exit        always 0
//	trusts      qmail-rspawn's arguments but for CR and LF in them; neither
//	            resolvers nor servers
//	spec        spec/remote.md, sections 1 to 8
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/remote"
)

func main() { prog.Main(remote.Run) }
