// Maildirmake makes a Maildir.
//
//	started by  users
//	runs as     its caller
//	fd 2        errors
//	trusts      its caller
//	spec        spec/local.md, "Helpers"
package main

import (
	"goqmail/internal/mailtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(mailtools.Maildirmake) }
