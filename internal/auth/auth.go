// Package auth knows who may log in: it looks a name up in users/passwords, or
// else in /etc/passwd and /etc/shadow, and tells whether the password, or what
// was computed from a secret, is right.
//
//	auth.go     a login is checked
//	entry.go    lines of the files
//	hash.go     encoded passwords
//
// Only package checkpassword imports it: it is the one that links a library of
// password hashes. Other sources of accounts that nsswitch.conf may name are not
// asked. Spec: spec/pop3.md section 2, spec/smtpd.md B3; qmail-passwords(5).
package auth

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"

	"goqmail/internal/pipe"
)

// ErrRefused says that the name or the password is wrong, or the account may not
// log in. Which of these, nobody is told.
var ErrRefused = errors.New("not accepted")

// A Trouble is the reason why it is not known whether somebody may log in. It is
// a text for the log without anything of the login.
type Trouble struct{ Text string }

func (t *Trouble) Error() string { return t.Text }

// An Account is who logged in.
type Account struct {
	Name     string
	UID, GID uint32 // UID is never 0
	Home     string // begins with a slash
	Shell    string // never empty
}

// Stores are the files with accounts. Names are relative to the current
// directory if they do not begin with a slash.
type Stores struct {
	Passwords      string // users/passwords; need not exist
	Owner          uint32 // who must own Passwords: root
	Passwd, Shadow string // of the system
	Group          string
	Day            int64 // today, in days since 1970
}

// SystemStores are those of this machine for an installed tree at home.
func SystemStores(home string, day int64) *Stores {
	return &Stores{
		Passwords: home + "/users/passwords",
		Passwd:    "/etc/passwd", Shadow: "/etc/shadow", Group: "/etc/group", Day: day,
	}
}

// Check tells whether a login is right, and whose it is; else the error is
// ErrRefused or a *Trouble.
//
// The time it takes does not depend on whether there is such an account: each
// file is read once, to its end, and one password is hashed, whatever is found.
// Where an account has no hash, that is done with one of another account; see
// survey.
func (s *Stores) Check(l pipe.Login) (Account, error) {
	kinds := &survey{}
	e, err := s.find(string(l.Name), kinds)
	right := false
	switch h, ok, herr := parseHash(e.hash); {
	case err != nil || !ok:
		kinds.work(l)
		if err == nil {
			err = herr
		}
	default:
		right = h.matches(l.Password)
	}
	if knowsSecret(e.secret, l) {
		right = true
	}
	switch {
	case err != nil:
		return Account{}, err
	case !right || !e.open || e.UID == 0 || len(l.Password) == 0:
		return Account{}, ErrRefused
	case e.Home == "" || e.Home[0] != '/':
		return Account{}, &Trouble{"home directory is not an absolute path"}
	}
	return e.Account, nil
}

// knowsSecret tells whether the password is one of the three that a secret
// allows: itself, and, where the client was given a stamp to compute with, the
// answers of APOP (RFC 1939) and CRAM-MD5 (RFC 2195).
func knowsSecret(secret string, l pipe.Login) bool {
	if secret == "" {
		return false
	}
	apop := md5.Sum(append(slices.Clone(l.Stamp), secret...))
	cram := hmac.New(md5.New, []byte(secret))
	cram.Write(l.Stamp)
	ok := equal([]byte(secret), l.Password)
	stamped := equal([]byte(hex.EncodeToString(apop[:])), l.Password) | equal([]byte(hex.EncodeToString(cram.Sum(nil))), l.Password)
	if len(l.Stamp) > 0 {
		ok |= stamped
	}
	return ok == 1
}

// equal is 1 if a and b are equal. The time it takes tells the length of neither.
func equal(a, b []byte) int {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return subtle.ConstantTimeCompare(x[:], y[:])
}

// A survey counts the kinds of hashes that are in use, so that an account which
// does not exist can take as long as one that does. Where there are several
// kinds, each unknown name takes one of them, always the same, and each kind is
// taken as often as it is in use: so the time of one kind is no sign that the
// name is known.
type survey struct {
	kinds []kind
	total uint64
}

type kind struct {
	name   string // kindOf the sample
	sample hashed
	n      uint64
}

// maxKinds is how many kinds are told apart.
const maxKinds = 16

// add counts an encoded password, if it is one.
func (s *survey) add(encoded string) {
	name := kindOf(encoded)
	i := slices.IndexFunc(s.kinds, func(k kind) bool { return k.name == name })
	if i < 0 {
		h, ok, err := parseHash(encoded)
		if !ok || err != nil || len(s.kinds) == maxKinds {
			return
		}
		i = len(s.kinds)
		s.kinds = append(s.kinds, kind{name: name, sample: h})
	}
	s.kinds[i].n++
	s.total++
}

// choose is the kind for a name. The keys of the samples, which nobody else can
// read, are the key of the choice, so that nobody can foretell it.
func (s *survey) choose(name []byte) (hashed, bool) {
	if s.total == 0 {
		return hashed{}, false
	}
	var key []byte
	for _, k := range s.kinds {
		key = append(key, k.sample.key...)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(name)
	n := binary.LittleEndian.Uint64(mac.Sum(nil)) % s.total
	for _, k := range s.kinds {
		if n < k.n {
			return k.sample, true
		}
		n -= k.n
	}
	return hashed{}, false
}

// work does the work of a login that has no hash of its own.
func (s *survey) work(l pipe.Login) {
	if h, ok := s.choose(l.Name); ok {
		_ = h.matches(l.Password) // the time is all that is wanted
	}
}
