// Printmaillist shows the entries of a binary mailing list.
//
//	started by  anybody
//	runs as     its caller
//	fd 0        the binary list
//	fd 1        its entries, as setmaillist takes them
//	trusts      nobody: what is no list is refused
//	spec        spec/fastforward.md, section 5
package main

import (
	"goqmail/internal/aliastools"
	"goqmail/internal/prog"
)

func main() { prog.Main(aliastools.Printmaillist) }
