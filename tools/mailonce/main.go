// Mailonce sends one message by SMTP: how quickstart shows that mail comes in.
//
//	usage       mailonce HOST:PORT SENDER RECIPIENT < message
//	started by  scripts/quickstart
//	runs as     root
//	fd 0        the message, LF lines
//	fd 2        one line when something failed; exit 1
//	trusts      its caller
//
// It is built but not installed.
package main

import (
	"fmt"
	"io"
	"net/smtp"
	"os"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "mailonce: usage: mailonce host:port sender recipient")
		os.Exit(100)
	}
	message, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = smtp.SendMail(os.Args[1], nil, os.Args[2], []string{os.Args[3]}, message)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mailonce:", err)
		os.Exit(1)
	}
}
