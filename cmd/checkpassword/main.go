// Checkpassword verifies a password and runs a program as its owner.
//
//	started by  qmail-popup, or qmail-smtpd for AUTH, once for each try to log in
//	runs as     root until the password is right, then the user; never root then
//	fd 0 1 2    the program's; 2 gets one line about trouble
//	fd 3        name, password and stamp (pipe.Login), read to the end and closed
//	becomes     its argument
//	exit        1 not acceptable, 2 misused, 111 trouble; else the program's
//	trusts      users/passwords, /etc/passwd, /etc/shadow, and its arguments
//	spec        spec/pop3.md, section 2
package main

import (
	"goqmail/internal/checkpassword"
	"goqmail/internal/prog"
)

func main() { prog.Main(checkpassword.Run) }
