// Qmail-qmtpd takes mail by QMTP.
//
//	started by  tcpserver, for each connection
//	runs as     qmaild:nofiles
//	fd 0        from the client
//	fd 1        to the client
//	starts      bin/qmail-queue or $QMAILQUEUE, once for each message
//	exit        0 at the end of the connection, 100 no QMTP, 111 trouble here
//	trusts      its environment (TCP*, RELAYCLIENT, DATABYTES), not the client
//	spec        spec/qmtp-qmqp.md, section 2
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/qmtpd"
)

func main() { prog.Main(qmtpd.Run) }
