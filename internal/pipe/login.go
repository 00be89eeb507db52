package pipe

import "bytes"

// FDLogin is the descriptor on which a program that checks passwords reads a
// Login.
const FDLogin = 3

// LoginMax is the largest Login in bytes.
const LoginMax = 512

// A Login is what a server asks a program with the interface of checkpassword
// to verify. Written by qmail-popup, and by qmail-smtpd for AUTH; read to its
// end by checkpassword:
//
//	name NUL password NUL stamp NUL
//
// What follows is ignored, and the last NUL may be missing. At most LoginMax
// bytes; programs refuse more. By who asks and how:
//
//	USER, PASS              the password, and the stamp of the greeting
//	APOP                    hex MD5 of stamp and secret, and the stamp
//	AUTH LOGIN, AUTH PLAIN  the password, and an empty stamp or none
//	AUTH CRAM-MD5           hex HMAC-MD5 of the stamp by the secret, and the stamp
//
// The stamp, or challenge, has its angle brackets. No field can hold a NUL.
// Spec: spec/pop3.md section 2, spec/smtpd.md B3.
type Login struct{ Name, Password, Stamp []byte }

// Append adds the three fields, each with its NUL.
func (l Login) Append(b []byte) []byte {
	for _, s := range [...][]byte{l.Name, l.Password, l.Stamp} {
		b = append(append(b, s...), 0)
	}
	return b
}

// ParseLogin cuts b into fields, which are parts of b. Without a NUL after name
// and password it is ErrFormat.
func ParseLogin(b []byte) (l Login, err error) {
	var ok1, ok2 bool
	l.Name, b, ok1 = bytes.Cut(b, []byte{0})
	l.Password, b, ok2 = bytes.Cut(b, []byte{0})
	if !ok1 || !ok2 {
		return Login{}, ErrFormat
	}
	l.Stamp, _, _ = bytes.Cut(b, []byte{0})
	return l, nil
}
