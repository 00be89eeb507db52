// Qmail-pw2u turns a passwd file into the text of users/assign.
//
//	started by  the administrator
//	runs as     whoever may look at all home directories
//	fd 0        lines of a passwd file
//	fd 1        lines for users/assign
//	reads       users/include, exclude, mailnames, subusers, append
//	trusts      the files in users; of the passwd file, that root wrote it
//	spec        spec/local.md, section 9
package main

import (
	"goqmail/internal/cdbtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(cdbtools.Pw2u) }
