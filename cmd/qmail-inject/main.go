// Qmail-inject queues a message that a user or program wrote, completing its
// header.
//
//	started by  users, mail programs, sendmail
//	runs as     its caller
//	fd 0        the message
//	fd 1        with -n: the completed message
//	fd 2        errors
//	trusts      its caller, who could run qmail-queue as well
//	spec        spec/inject.md
package main

import (
	"goqmail/internal/inject"
	"goqmail/internal/prog"
)

func main() { prog.Main(inject.Run) }
