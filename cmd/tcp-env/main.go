// Tcp-env tells a program who is at both ends of the connection it serves.
//
//	started by  inetd, xinetd, systemd sockets
//	runs as     whom they are told, for qmail-smtpd qmaild
//	argv        [-rR] [-tSECONDS] PROGRAM [ARGUMENT...]
//	fd 0        the connection; handed on, as are all others
//	exit        111 if the program cannot be run; else it has become the program
//	trusts      neither resolvers nor the peer's ident server
//	spec        spec/smtpd.md, A8
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/tcpident"
)

func main() { prog.Main(tcpident.Run) }
