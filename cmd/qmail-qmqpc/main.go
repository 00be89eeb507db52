// Qmail-qmqpc gives a message to a QMQP server, in the place of qmail-queue.
//
//	started by  whatever starts qmail-queue, by $QMAILQUEUE or as bin/qmail-queue
//	runs as     the caller
//	fd 0        the message
//	fd 1        the envelope, read
//	exit        as qmail-queue: 0, 31 refused, 51 to 91 temporary
//	trusts      control/qmqpservers and the servers named there
//	spec        spec/qmtp-qmqp.md, section 3
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/qmqpc"
)

func main() { prog.Main(qmqpc.Run) }
