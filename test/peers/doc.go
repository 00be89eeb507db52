// Package peers tests the suite among programs of others: systemd, daemontools,
// runit, xinetd, inetd, Debian's tcpserver and the SysV script start qmail and its
// servers for SMTP, QMTP, QMQP and POP3, and our tcpserver, tcprules, tcprulescheck, setuidgid, multilog and fastforward with
// its kin do what their namesakes do, and work with what these leave. Mail readers
// and filters use the suite as their users do: swaks sends by SMTP, mutt and
// s-nail by sendmail, procmail and maildrop deliver, fetchmail and mpop fetch, and
// Dovecot, mutt, s-nail and qmail-pop3d read the same Maildir.
//
//	PEERS=$(scripts/fetch-peers) QMAIL_PREFIX=/path/to/tree \
//	    go test -count=1 -tags e2e ./test/peers
//
// The programs of others come from $PEERS, where scripts/fetch-peers unpacks
// them, or from the machine's /usr; as root a missing one is a failure. Each test
// is root in a private world (internal/testkit) in which they are where their
// packages put them. What starts the suite are the files that are installed in
// boot; commands and the few other files are those of docs/SUPERVISORS.md, word
// for word. systemd's units are executed by the tests as they say, and by systemd
// itself where the kernel lets it have a control group; where not, TestSystemd
// says so. Without QMAIL_PREFIX a tree is installed first.
package peers
