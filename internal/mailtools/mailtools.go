// Package mailtools holds the small programs that users, their programs and
// their .qmail files run: sendmail, forward, preline, maildirmake. Each has a
// file and a Run function of its own; they share nothing but this page.
//
// Spec: spec/inject.md section 7 (sendmail), spec/local.md section 12 (others).
package mailtools

// Exit codes of all four.
const (
	exitOK        = 0
	exitPermanent = 100
	exitTemporary = 111
)
