// Package testkit holds what the tests of many packages need: queues and
// homes below a temporary directory, fake programs, places where system calls
// fail, a reader for txtar files, and private namespaces for tests that run as
// root.
//
// It is for tests only; no program may import it. It knows the installed tree
// and the accounts from its own tables, not from the packages under test, so
// that a mistake there is not repeated here.
//
// # Tests that need root
//
// A test that needs root begins with NeedRoot, and does its work inside
// InWorld. For an ordinary user it is skipped and counted: NeedRoot prints a
// line "left-out: NAME" to standard output. For root it must run. A namespace,
// a mount or a tool that is missing then is a failure, but for what few machines
// have: a test that says so with Lacking is skipped and counted.
//
// A World is a set of fresh mount, PID, network, UTS and IPC namespaces, in
// which the whole file system is read-only except for directories in memory:
// /etc, /var, /home, /root, /run, /tmp, /mnt and /dev. Accounts, host name and
// addresses are made up. Nothing in it can change a file, an account, a port or
// the mail of the machine it runs on.
package testkit
