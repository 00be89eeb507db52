// Datemail is sendmail with a Date field in local time.
//
//	started by  users and programs
//	runs as     its caller
//	fd 0        the message
//	fd 1, 2     sendmail's
//	trusts      its caller
//	spec        spec/inject.md, "Small programs"
package main

import (
	"goqmail/internal/mailtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(mailtools.Datemail) }
