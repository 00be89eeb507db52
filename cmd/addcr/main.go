// Addcr puts a CR before each LF.
//
//	started by  users and their scripts
//	runs as     its caller
//	fd 0, 1     input and output
//	exit        0, or 111 for an error of either, without a word
//	trusts      nobody: bytes are copied
//	spec        spec/ucspi.md, section 4
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/ucspitools"
)

func main() { prog.Main(ucspitools.Addcr) }
