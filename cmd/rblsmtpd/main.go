// Rblsmtpd refuses mail from clients that are on DNS lists.
//
//	started by  tcpserver, tcp-env
//	runs as     qmaild:nofiles
//	argv        [OPTIONS] PROGRAM [ARGUMENT...]
//	fd 0, 1     the SMTP client; the program's, unless the client is refused
//	fd 2        one line for a client that is refused; errors
//	exit        0 after a client was refused, 100 usage, 111 failure; else it has
//	            become the program
//	trusts      its caller's environment; neither the lists nor the client
//	spec        spec/ucspi.md, section 4
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/rblsmtpd"
)

func main() { prog.Main(rblsmtpd.Run) }
