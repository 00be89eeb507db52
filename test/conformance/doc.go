// Package conformance runs recorded cases against an installed suite: one
// program, one input, and what notqmail 1.09 answered and left behind.
//
// The cases are data, unchanged from where they were recorded: cases/*.jsonl,
// one file for each program, one JSON object on each line. case_test.go says
// what the fields mean. The runner is a Go test that needs root:
//
//	QMAIL_PREFIX=/path/to/tree go test -count=1 -tags e2e ./test/conformance
//	... -run 'TestPublic/qmail-local'       one file
//	... QMAIL_ONLY='^qmail-smtpd-3f'        cases whose id matches
//
// Without QMAIL_PREFIX the runner installs a tree of its own. More variables:
// QMAIL_STRICT=1 accepts only what notqmail did, QMAIL_JOBS=N sets the number
// of workers (as many as processors, at most 4), QMAIL_RESULTS=FILE keeps what
// every case gave.
//
// Each worker is this test binary in namespaces of its own (testkit.World); the
// tree is not written to. A case passes when it gave what is in "expect", in
// "alt" (netqmail 1.06) or in "go" (what the specification asks for where it
// departs from C). A case that must not pass is listed with its reason in
// docs/DIFFERENCES.md, under "Conformance cases"; a listed case that passes is
// an error too, so that the list stays true.
package conformance
