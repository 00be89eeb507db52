// Predate gives a command a Date field in local time before its input.
//
//	started by  users and programs
//	runs as     its caller
//	fd 0        what comes after the field
//	fd 1, 2     the command's
//	trusts      its caller
//	spec        spec/inject.md, "Small programs"
package main

import (
	"goqmail/internal/mailtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(mailtools.Predate) }
