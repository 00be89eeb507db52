// Splogger hands qmail-send's log to the system's logger.
//
//	started by  qmail-start, once, or a start script
//	runs as     qmaill:nofiles
//	fd 0        log lines (pipe)
//	trusts      nobody: lines are bytes
//	spec        spec/logs.md, "Loggers"
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/splogger"
)

func main() { prog.Main(splogger.Run) }
