// Package docs runs the pages of docs/: every command that a page shows is
// executed, every file that it shows is written, what it says a command prints
// is compared, in a private world with an installed suite that runs.
//
//	PEERS=$(scripts/fetch-peers) QMAIL_PREFIX=/path/to/tree \
//	    go test -count=1 -tags e2e -run 'TestPages/FAQ' ./test/docs
//
// A new page needs nothing but to be in docs/ and to follow these rules. Its
// blocks are fenced by three backquotes, and the word after the first fence says
// what is done with the block:
//
//	sh            run by a shell as root
//	sh user=ann   run by a shell as ann, in her home directory
//	output        what the block before it prints, on both descriptors. "..."
//	              stands for any characters of a line, a line that is nothing
//	              but "..." for any lines, also none.
//	file          written to the path that the last paragraph before it has in
//	              backquotes and that ends in a colon, with the owner of the
//	              directory. A file that begins with #! becomes executable.
//	picture       for the eye; a program of the suite in it must exist
//
// Words after "sh" and its user:
//
//	fails         the last command must fail; otherwise a failing command ends
//	              the page
//	until         run again, for a while, until it succeeds and prints what the
//	              output block says: for what happens in the background
//	machine=NAME  in another world, which has run the page's blocks with that
//	              NAME before; one whose name begins with "new" has no accounts
//	              of the suite, nothing installed, Go, and the project's sources
//	              as working directory
//
// A page's blocks run from top to bottom in one world, each user's in one shell,
// so that variables, the working directory and PATH are kept. After each block
// the runner waits until the queue has come to rest. Two kinds of comments are
// for the test alone, and not seen by readers:
//
//	<!-- stage           commands run at this place, as root, which a reader
//	commands             need not do
//	-->
//	<!-- check           commands that have to succeed at this place or soon
//	commands             after, as root: they prove what the text says
//	-->
//
// A page without output block and check is refused, and so is a block of
// another kind, or one made by indenting: nothing that looks like a command is
// left unexecuted. Pages that other tests run are in the list elsewhere.
//
// # The world
//
// It is the one that the pages take for their examples. Host mail.example.org,
// 192.0.2.10; example.org is local too. Users ann (1001), joe (1002) and bob
// (1003), with Maildirs. Qmail runs from /var/qmail/rc as make quickstart makes
// it, SMTP listens on 127.0.0.1. Programs can connect from every address of
// 192.0.2.0/24, the machine's network, and from those of 198.51.100.0/24, far away.
//
// Outside are mx.example.net (192.0.2.25; MX of example.net), mx.example.com
// (192.0.2.26; MX of example.com) and smarthost.example.net (192.0.2.27), which
// take mail for everybody but nobody@ (550) and keep it in files
// /mnt/outside/HOST/1, 2, ... that begin with the lines HELO, MAIL and RCPT of
// the session, and an empty line.
//
// The programs of others come from $PEERS (scripts/fetch-peers).
package docs
