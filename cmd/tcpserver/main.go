// Tcpserver listens at a TCP port and runs a program for each connection.
//
//	started by  the administrator, supervise, boot scripts
//	runs as     root until the port is bound, then the user of -u and -g
//	argv        [OPTIONS] HOST PORT PROGRAM [ARGUMENT...]
//	fd 1        the port number, with -1
//	fd 2        the log; the programs have it too
//	fd 3 ...    with $LISTEN_PID and $LISTEN_FDS: sockets that listen already
//	programs    fds 0 and 1 are the connection; the environment tells of it
//	exit        0 after SIGTERM; the programs go on; 100 usage, 111 failure
//	trusts      the rules file; neither clients nor resolvers
//	spec        spec/ucspi.md, sections 1 and 2
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/tcpserver"
)

func main() { prog.Main(tcpserver.Run) }
