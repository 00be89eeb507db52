// Package install_test tests what an administrator does first: make quickstart
// on a fresh machine, again, with ports taken, with things missing; make setup
// while mail flows; make stop, restart, uninstall. Each test is root in a
// private world (internal/testkit); the build tag is e2e.
package install_test
