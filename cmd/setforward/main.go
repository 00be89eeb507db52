// Setforward compiles forwarding instructions into a database for fastforward.
//
//	started by  the owner of the database
//	runs as     its caller
//	fd 0        the instructions
//	writes      its first argument by way of its second
//	trusts      its caller: the programs in the instructions will run as him
//	spec        spec/fastforward.md, section 2
package main

import (
	"goqmail/internal/aliastools"
	"goqmail/internal/prog"
)

func main() { prog.Main(aliastools.Setforward) }
