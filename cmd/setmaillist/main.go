// Setmaillist compiles a mailing list into fastforward's binary format.
//
//	started by  the owner of the list
//	runs as     its caller
//	fd 0        the list, one address or file on each line
//	writes      its first argument by way of its second
//	trusts      nobody: the list can name no programs
//	spec        spec/fastforward.md, section 5
package main

import (
	"goqmail/internal/aliastools"
	"goqmail/internal/prog"
)

func main() { prog.Main(aliastools.Setmaillist) }
