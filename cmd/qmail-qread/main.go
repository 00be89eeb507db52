// Qmail-qread lists the messages in the queue with their recipients.
//
//	started by  the administrator; as mailq, by sendmail
//	runs as     root, or qmails with group qmail
//	fd 1        the list, and what went wrong
//	reads       queue/info, mess, local, remote, bounce
//	trusts      nobody: strange bytes of addresses are not shown
//	spec        spec/logs.md, section 5
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/queuetools"
)

func main() { prog.Main(queuetools.Qread) }
