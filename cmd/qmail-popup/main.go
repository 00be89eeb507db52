// Qmail-popup asks a POP3 client who it is.
//
//	started by  tcpserver or inetd, for each connection
//	runs as     root, which the program that checks passwords needs
//	fd 0        from the client
//	fd 1        to the client
//	starts      its second argument, once, with the password on fd 3
//	exit        1
//	trusts      its arguments, not the client
//	spec        spec/pop3.md, section 1
package main

import (
	"goqmail/internal/popup"
	"goqmail/internal/prog"
)

func main() { prog.Main(popup.Run) }
