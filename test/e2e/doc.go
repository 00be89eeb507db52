// Package e2e tests the installed suite as a whole: the daemons run over a
// queue, mail comes in by qmail-queue, sendmail and SMTP, and goes to mailboxes,
// programs and SMTP servers that the test plays.
//
//	QMAIL_PREFIX=/path/to/tree go test -count=1 -tags e2e ./test/e2e
//
// Each test is root in a private world (internal/testkit) in which a copy of the
// tree is /var/qmail. Without QMAIL_PREFIX a tree is installed first. Nothing
// sleeps: tests wait for log lines, and with a time limit.
//
// What the tests know of log lines, queue files and states they have from
// spec/logs.md, spec/queue.md and spec/send.md, not from the packages under
// test.
package e2e
