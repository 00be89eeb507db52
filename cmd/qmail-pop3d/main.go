// Qmail-pop3d lets a POP3 client read a Maildir.
//
//	started by  the program that checked the password, below qmail-popup
//	runs as     the mailbox's user, in the home directory; never root
//	fd 0        from the client
//	fd 1        to the client
//	exit        0, also after errors, which the client has been told; 1 as root
//	trusts      its argument, not the client
//	spec        spec/pop3.md, section 3
package main

import (
	"goqmail/internal/pop3d"
	"goqmail/internal/prog"
)

func main() { prog.Main(pop3d.Run) }
