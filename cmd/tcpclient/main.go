// Tcpclient connects to a TCP port and becomes a program that uses it.
//
//	started by  users and their scripts
//	runs as     its caller
//	argv        [OPTIONS] HOST PORT PROGRAM [ARGUMENT...]
//	fd 2        errors
//	program     fd 6 reads from the connection, fd 7 writes to it; all other
//	            descriptors are its caller's; the environment tells of it
//	exit        100 usage, 111 no connection; else it has become the program
//	trusts      neither resolvers nor the peer
//	spec        spec/ucspi.md, section 3
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/tcpclient"
)

func main() { prog.Main(tcpclient.Run) }
