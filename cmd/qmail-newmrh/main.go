// Qmail-newmrh compiles control/morercpthosts into control/morercpthosts.cdb.
//
//	started by  the administrator, after each change of control/morercpthosts
//	runs as     root
//	reads       control/morercpthosts
//	writes      control/morercpthosts.cdb by way of control/morercpthosts.tmp
//	trusts      control/morercpthosts
//	spec        spec/control.md, section 2
package main

import (
	"goqmail/internal/cdbtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(cdbtools.Newmrh) }
