// Qmail-queue puts one message into the queue.
//
//	started by  every program that sends mail: qmail-smtpd, qmail-inject,
//	            qmail-local, qmail-send (bounces), programs of users
//	runs as     qmailq, set-user-id (mode 4711), with the caller's group
//	fd 0        the message, to its end
//	fd 1        the envelope, read after the message (queue.EnvelopeChecker)
//	fd 2        nothing is written to it, but that the suite's accounts are missing
//	exit        queue.Exit*: 0 means queued and on disk
//	trusts      nobody: any user may start it, with any environment,
//	            descriptors, limits and signals
//	spec        spec/queue.md, sections 6, 7 and 11
package main

import (
	"goqmail/internal/enqueue"
	"goqmail/internal/prog"
	"goqmail/internal/queue"
)

func main() { prog.MainSilent(enqueue.Run, queue.ExitBug) }
