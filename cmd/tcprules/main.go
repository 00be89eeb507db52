// Tcprules compiles rules for tcpserver into a cdb file.
//
//	started by  the administrator, after each change of the rules
//	runs as     whoever owns the rules
//	fd 0        the rules
//	argv        the cdb file; the temporary file, in the same directory
//	trusts      nobody: a line that is no rule leaves the old cdb file
//	spec        spec/ucspi.md, section 2
package main

import (
	"goqmail/internal/cdbtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(cdbtools.Tcprules) }
