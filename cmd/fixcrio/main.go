// Fixcrio adds missing CRs before LFs, for a network program and its client.
//
//	started by  tcpserver, tcp-env, users; it becomes the program
//	runs as     whoever they run it as
//	argv        PROGRAM [ARGUMENT...]
//	fd 0, 1     the client; the program gets pipes in their place
//	fd 2        errors; the program has it too
//	exit        100 usage, 111 failure; else it has become the program
//	trusts      neither side: bytes are passed on, never understood
//	spec        spec/ucspi.md, section 4
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/ucspitools"
)

func main() { prog.Main(ucspitools.Fixcrio) }
