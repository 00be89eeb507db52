// Qmail-getpw finds the account that receives a local part.
//
//	started by  qmail-lspawn, for a local part that is not in users/cdb
//	runs as     qmailp:nofiles
//	argv        the local part
//	fd 1        the answer to qmail-lspawn (pipe.Nughde)
//	reads       /etc/nsswitch.conf, /etc/passwd, control/nssprobe; asks getent
//	trusts      the accounts of the system; not the local part
//	spec        spec/local.md, section 7
package main

import (
	"goqmail/internal/getpw"
	"goqmail/internal/prog"
)

func main() { prog.Main(getpw.Run) }
