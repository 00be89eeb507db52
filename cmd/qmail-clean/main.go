// Qmail-clean removes files of the queue that qmail-send may not remove itself.
//
//	started by  qmail-start, once
//	runs as     qmailq:qmail
//	fd 0        requests from qmail-send (pipe.CleanRequest)
//	fd 1        one answer byte for each (pipe.CleanReply)
//	exit        0 when the requests end, 100 when an answer cannot be written,
//	            111 when there is no queue
//	trusts      nobody: a wrong request is answered, never obeyed
//	spec        spec/queue.md, section 10
package main

import (
	"goqmail/internal/clean"
	"goqmail/internal/prog"
)

func main() { prog.Main(clean.Run) }
