// Install packages, checks, configures and removes the suite.
//
//	started by  make setup, check, uninstall, sendmail-links; config, config-fast
//	runs as     root; instpackage with DESTDIR also as an ordinary user
//	fd 1        what config did
//	fd 2        warnings and fatal messages
//	trusts      the build tree it is run in
//	spec        spec/install.md
//
// It is built but not installed.
package main

import (
	"goqmail/internal/prog"
	"goqmail/internal/setup"
)

func main() { prog.Main(setup.Run) }
