// Printforward shows the instructions in a forwarding database.
//
//	started by  anybody
//	runs as     its caller
//	fd 0        the database
//	fd 1        the instructions, as setforward takes them
//	trusts      nobody: what is no database is refused
//	spec        spec/fastforward.md, section 3
package main

import (
	"goqmail/internal/aliastools"
	"goqmail/internal/prog"
)

func main() { prog.Main(aliastools.Printforward) }
