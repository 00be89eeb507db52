// Tcprulescheck shows what tcpserver would do with a client.
//
//	started by  the administrator
//	runs as     anyone
//	argv        the cdb file that tcprules made
//	environment TCPREMOTEIP, TCPREMOTEHOST, TCPREMOTEINFO: the client
//	fd 1        the rule, the variables it sets, allow or deny
//	trusts      nobody: a cdb file that is not sound is an error
//	spec        spec/ucspi.md, section 2
package main

import (
	"goqmail/internal/cdbtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(cdbtools.Tcprulescheck) }
