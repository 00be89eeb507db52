// Newaliases compiles /etc/aliases into a database for fastforward.
//
//	started by  the administrator, after each change of /etc/aliases
//	runs as     root
//	reads       /etc/aliases and the control files that complete addresses
//	writes      /etc/aliases.cdb by way of /etc/aliases.tmp
//	trusts      /etc/aliases: its programs will run as alias
//	spec        spec/fastforward.md, section 6
package main

import (
	"goqmail/internal/aliastools"
	"goqmail/internal/prog"
)

func main() { prog.Main(aliastools.Newaliases) }
