// Qmail-send has messages delivered, tries again what was deferred, and tells
// senders about failures.
//
//	started by  qmail-start, which becomes it and keeps its pid
//	runs as     qmails:qmail
//	fd 0        log lines (package sendlog)
//	fd 1, 2     commands to and reports from qmail-lspawn (pipe.DeliveryCommand, pipe.Report)
//	fd 3, 4     the same, qmail-rspawn
//	fd 5, 6     requests to and answers from qmail-clean (pipe.CleanRequest, pipe.CleanReply)
//	signals     TERM: leave when deliveries have ended, twice: at once;
//	            ALRM: try all messages now; HUP: reread locals and virtualdomains
//	trusts      the queue's files; no report and no answer
//	spec        spec/send.md
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/send"
)

func main() { prog.Main(send.Run) }
