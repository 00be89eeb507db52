// Newinclude compiles an :include: file into a mailing list for fastforward.
//
//	started by  the owner of the file, after each change of it
//	runs as     its caller
//	reads       the file and the control files that complete addresses
//	writes      the file's name with .bin, by way of that with .tmp
//	trusts      nobody: the file can name no programs and files to deliver to
//	spec        spec/fastforward.md, section 7
package main

import (
	"goqmail/internal/aliastools"
	"goqmail/internal/prog"
)

func main() { prog.Main(aliastools.Newinclude) }
