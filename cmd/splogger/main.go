// Splogger hands log lines to syslog.
//
//	started by  qmail-start, or a run script
//	runs as     qmaill:nofiles
//	fd 0        log lines
//	exit        0 at the end of fd 0
//	trusts      nobody: bytes that are not printable become ?
//	spec        spec/logs.md, section 3
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/splogger"
)

func main() { prog.Main(splogger.Run) }
