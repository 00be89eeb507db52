package dotqmail

import "goqmail/internal/address"

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

// Candidates lists the names for dash and ext in the order in which they are
// tried: the extension itself, then each shorter one that ends in - or is
// empty, with "default" after it. So ext a-b with dash - gives
//
//	.qmail-a-b .qmail-a-default .qmail-default
//
// The first name's extension may itself end in "default"; then it stands for
// those seven bytes of ext.
func Candidates(dash, ext string) []Candidate {
	safe := SafeExt(ext)
	first := Candidate{Name: prefix + dash + safe}
	if n := len(safe) - len(defaultWord); n >= 0 && safe[n:] == defaultWord {
		first.Default, first.HasDefault = ext[n:], true
	}
	out := []Candidate{first}
	for i := len(safe); i >= 0; i-- {
		if i == 0 || safe[i-1] == '-' {
			out = append(out, Candidate{Name: prefix + dash + safe[:i] + defaultWord, Default: ext[i:], HasDefault: true})
		}
	}
	return out
}

// OwnerName is the file whose existence changes the sender of forwards, and
// OwnerDefaultName the one that, existing as well, asks for VERP.
func OwnerName(dash, ext string) string { return prefix + dash + SafeExt(ext) + ownerWord }

// OwnerDefaultName: see OwnerName.
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
