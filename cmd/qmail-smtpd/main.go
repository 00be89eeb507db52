// Qmail-smtpd takes mail by SMTP.
//
//	started by  tcpserver, or inetd and tcp-env, for each connection;
//	            sendmail -bs
//	runs as     qmaild:nofiles
//	fd 0        from the client
//	fd 1        to the client
//	starts      bin/qmail-queue or $QMAILQUEUE, once for each message
//	exit        0 after QUIT, 1 in every other case
//	trusts      its environment (TCP*, RELAYCLIENT, DATABYTES), not the client
//	spec        spec/smtpd.md, part A
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/smtpd"
)

func main() { prog.Main(smtpd.Run) }
