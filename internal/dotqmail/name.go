package dotqmail

import (
	"iter"

	"goqmail/internal/address"
)

// Parts of names. All are relative to the home directory.
const (
	prefix      = ".qmail"
	defaultWord = "default"
	ownerWord   = "-owner"
)

// Bits of a .qmail file's mode that count; those that make it unsafe are
// conf.Patrn.
const (
	ModeForwardOnly = 0o100 // owner may execute: no file and program deliveries
	ModeHomeSticky  = 0o1000
)

// A Candidate is one of the names tried for a delivery.
type Candidate struct {
	Name string
	// Default is what the word "default" in the name stands for, in the case of
	// the address; it becomes $DEFAULT if HasDefault.
	Default    string
	HasDefault bool
}

// SafeExt is the extension as it appears in names: ASCII lower case, every dot
// a colon. A slash is not touched.
func SafeExt(ext string) string {
	b := []byte(address.Lower(ext))
	for i, c := range b {
		if c == '.' {
			b[i] = ':'
		}
	}
	return string(b)
}

// maxPath is the longest name that open(2) takes, in bytes without its NUL.
const maxPath = 4095

// Candidates lists the names for dash and ext in the order in which they are
// tried: the extension itself, then each shorter one that ends in - or is
// empty, with "default" after it. So ext a-b with dash - gives
//
//	.qmail-a-b .qmail-a-default .qmail-default
//
// The first name's extension may itself end in "default"; then it stands for
// those seven bytes of ext.
//
// Names that no file can have are left out, and each is made when its turn
// comes: all those of an extension of 100000 dashes would be 5 GB.
func Candidates(dash, ext string) iter.Seq[Candidate] {
	return func(yield func(Candidate) bool) {
		stem := prefix + dash + SafeExt(ext)
		first := Candidate{Name: stem}
		if n := len(ext) - len(defaultWord); n >= 0 && stem[len(stem)-len(defaultWord):] == defaultWord {
			first.Default, first.HasDefault = ext[n:], true
		}
		if len(stem) <= maxPath && !yield(first) {
			return
		}
		least := len(stem) - len(ext)
		for i := len(ext); i >= 0; i-- {
			n := least + i
			if i > 0 && ext[i-1] != '-' || n+len(defaultWord) > maxPath {
				continue
			}
			if !yield(Candidate{Name: stem[:n] + defaultWord, Default: ext[i:], HasDefault: true}) {
				return
			}
		}
	}
}

// OwnerName is the file whose existence changes the sender of forwards.
func OwnerName(dash, ext string) string { return prefix + dash + SafeExt(ext) + ownerWord }

// OwnerDefaultName is the file that, existing beside OwnerName, asks for VERP.
func OwnerDefaultName(dash, ext string) string {
	return OwnerName(dash, ext) + "-" + defaultWord
}

// OwnerSender is the sender of forwards when the owner file exists, and, with
// verp, the owner-default file too: "LOCAL-owner@DOMAIN" and
// "LOCAL-owner-@DOMAIN-@[]".
func OwnerSender(local, domain string, verp bool) string {
	if verp {
		return local + ownerWord + "-@" + domain + "-@[]"
	}
	return local + ownerWord + "@" + domain
}
