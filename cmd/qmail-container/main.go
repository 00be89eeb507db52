// Qmail-container runs the suite as the first process of a container.
//
//	started by  the container engine, as process 1: qmail-container [SERVICE[:PORT] ...]
//	runs as     root, to its end: it starts qmail-start and tcpserver again when
//	            they have died, and both begin as root
//	fd 0        not used
//	fd 1        the log: its own lines, and descriptors 1 and 2 of what it starts
//	signals     TERM, INT stop; HUP, ALRM go to qmail-send
//	exit        0 stopped; 100 usage; 111 failure
//	trusts      its arguments, its environment, the control files
//	spec        qmail-container(8)
package main

import (
	"goqmail/internal/container"
	"goqmail/internal/prog"
)

func main() { prog.Main(container.Run) }
