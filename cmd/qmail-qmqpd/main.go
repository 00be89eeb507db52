// Qmail-qmqpd takes one message by QMQP, to any recipient.
//
//	started by  tcpserver, for each connection, with rules that name the clients
//	runs as     qmaild:nofiles
//	fd 0        from the client
//	fd 1        to the client
//	starts      bin/qmail-queue or $QMAILQUEUE
//	exit        0 answered, 100 no QMQP, 111 trouble here
//	trusts      its environment (TCP*), and whoever may connect to relay
//	spec        spec/qmtp-qmqp.md, section 3
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/qmqpd"
)

func main() { prog.Main(qmqpd.Run) }
