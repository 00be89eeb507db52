// Qmail-showctl tells how the suite was built and what each control file means.
//
//	started by  anyone
//	runs as     its caller
//	fd 1        the explanations, and what went wrong
//	reads       control, /etc/passwd, /etc/group
//	trusts      nobody: strange bytes of the files are not shown
//	spec        spec/logs.md, section 8
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/showctl"
)

func main() { prog.Main(showctl.Run) }
