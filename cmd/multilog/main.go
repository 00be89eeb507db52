// Multilog copies lines into logs that it rotates.
//
//	started by  start scripts, at the end of a daemon's pipe
//	runs as     qmaill
//	fd 0        lines
//	fd 2        what is wrong; lines that an "e" action shows
//	signals     TERM: finish the line and exit; ALRM: rotate now
//	trusts      nobody: lines are bytes
//	spec        spec/ucspi.md, "daemontools with qmail"
package main

import (
	"goqmail/internal/multilog"
	"goqmail/internal/prog"
)

func main() { prog.Main(multilog.Run) }
