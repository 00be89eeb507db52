// Argv0 becomes a program under another name.
//
//	started by  users and their scripts
//	runs as     its caller
//	argv        REALNAME ZERO [ARGUMENT...]
//	fd          all are the program's
//	exit        100 usage, 111 the program cannot be run; else it has become it
//	trusts      its caller
//	spec        spec/ucspi.md, section 4
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/ucspitools"
)

func main() { prog.Main(ucspitools.Argv0) }
