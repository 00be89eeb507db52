// Setuidgid runs a program as another account.
//
//	started by  start scripts
//	runs as     root, then the account
//	fd          all are the program's
//	trusts      its caller, and /etc/passwd
//	spec        spec/ucspi.md, "daemontools with qmail"
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/setuidgid"
)

func main() { prog.Main(setuidgid.Run) }
