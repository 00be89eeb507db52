// Dot-forward delivers a message as a .forward file of Sendmail says.
//
//	started by  qmail-local, from a .qmail file or the default delivery
//	runs as     the recipient
//	fd 0        the message; it is rewound
//	fd 1, 2     the programs' of the file; errors and the queue program's pid on 2
//	reads       the files in its arguments, control/defaulthost, defaultdomain, plusdomain
//	trusts      its caller: the environment of qmail-local; the files as .qmail
//	spec        spec/install.md, section 6
package main

import (
	"goqmail/internal/dotforward"
	"goqmail/internal/prog"
)

func main() { prog.Main(dotforward.Run) }
