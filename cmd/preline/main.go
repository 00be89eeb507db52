// Preline gives a command a message with From_, Return-Path and Delivered-To
// lines.
//
//	started by  qmail-local, from a .qmail file
//	runs as     the recipient
//	fd 0        the message
//	fd 1, 2     the command's
//	trusts      its caller: UFLINE, RPLINE and DTLINE come from qmail-local
//	spec        spec/local.md, "Helpers"
package main

import (
	"goqmail/internal/mailtools"
	"goqmail/internal/prog"
)

func main() { prog.Main(mailtools.Preline) }
