// Qmail-newu compiles users/assign into users/cdb.
//
//	started by  the administrator, after each change of users/assign
//	runs as     root
//	reads       users/assign
//	writes      users/cdb by way of users/cdb.tmp
//	trusts      users/assign, as far as its format is right
//	spec        spec/local.md, section 8
package main

import (
	"goqmail/internal/cdbtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(cdbtools.Newu) }
