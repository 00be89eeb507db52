// Package crash asks of the installed suite whether mail that was acknowledged
// stays: when the power fails, when a program is killed or one of its system
// calls fails at any point, when a disk forgets what it was given, when the
// clock jumps, and when a queue comes from elsewhere. docs/DURABILITY.md says
// what is promised.
//
//	make crash
//	CRASHTIME=300 make crash
//	QMAIL_PREFIX=/path/to/tree go test -count=1 -tags e2e ./test/crash
//
// Each test is root in a private world (internal/testkit) with a copy of the
// tree as /var/qmail. Tests of the running system take a sample of the points
// where something can happen: as many as fit into CRASHTIME seconds for each
// program (8 unless it is set), in an order that CRASHSEED fixes. Tests of single
// programs take every point.
//
// # Loss of power
//
// The disk is a file in a file system that holds nothing else. A loop device with
// direct I/O makes a block device of it, on which the file system under test
// is, so that the file has what reached the disk and no page cache is between.
// Freezing the outer file system (FIFREEZE) holds every write; a copy of the file
// then is what a loss of power leaves, of several disks at one instant. The
// copy is mounted, which replays its journal, and looked at. It is a disk that
// keeps the order of writes; what is lost on it was never written.
//
// A loop device is the one thing of the real machine that these tests use. Where
// there is none, or a file system cannot be made or mounted, the test prints a
// line "lacking: NAME: what" and is skipped; the last line of "make e2e" has
// their number.
//
// # Kills and errors
//
// The test binary plays a tracer (ptrace), killat, that runs a program and all
// that this starts, counts the system calls of one of them that change
// something or can fail, and before call n kills the process, or makes the call
// fail. It can also turn flushes into nothing, which shows that the tests
// notice a program that leaves them out.
package crash
