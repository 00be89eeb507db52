// Qmail-qstat counts the messages in the queue.
//
//	started by  the administrator
//	runs as     root, or with group qmail
//	fd 1        two lines
//	reads       the directories queue/mess and queue/todo
//	spec        spec/logs.md, section 6
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/queuetools"
)

func main() { prog.Main(queuetools.Qstat) }
