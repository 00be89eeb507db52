package auth

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"strings"

	"github.com/go-crypt/x/bcrypt"
	"github.com/go-crypt/x/crypt"
	"github.com/go-crypt/x/yescrypt"
)

// Bounds on what one hash may cost. The cost is part of the hash, so a store
// that somebody has tampered with, or a slip of the pen, could otherwise take
// all memory or hours for each login.
const (
	maxMemory     = 128 << 20 // bytes, yescrypt: cost factor 8 of passwd(1)
	maxRounds     = 1000000   // sha256 and sha512; about a second
	maxBcryptCost = 15        // 2^15 rounds; about three seconds
)

// Lengths and defaults of crypt(5).
const (
	minRounds     = 1000
	defaultRounds = 5000
	shaSaltMax    = 16
	md5SaltMax    = 8
	yescryptSalt  = 86 // characters
	yescryptKey   = 32 // bytes
	bcryptMinCost = 4
)

// errUnsupported: the hash is of a kind that cannot be checked here, or asks for
// more than the bounds allow.
var errUnsupported error = &Trouble{"password hash of an unknown kind, or too costly"}

// A hashed is an encoded password of one of the kinds
//
//	$y$PARAMS$SALT$KEY          yescrypt, as libxcrypt writes it
//	$6$[rounds=N$]SALT$KEY      sha512
//	$5$[rounds=N$]SALT$KEY      sha256
//	$2b$NN$SALTKEY              bcrypt, also 2a and 2y
//	$1$SALT$KEY                 md5
//
// What stands before SALT is its kind: two of one kind cost the same work.
type hashed struct {
	key     []byte // encoded
	compute func(password []byte) []byte
}

// matches does the work for a password and tells whether it is the right one.
// The comparison takes the same time wherever they differ.
func (h hashed) matches(password []byte) bool {
	return subtle.ConstantTimeCompare(h.compute(password), h.key) == 1
}

// parseHash reads an encoded password. ok is false for what is none, such as "!"
// and "*", so that nobody can log in by it. The error is errUnsupported.
func parseHash(s string) (h hashed, ok bool, err error) {
	if s == "" || s[0] == '!' || s[0] == '*' {
		return h, false, nil
	}
	prefix, rest, found := cutID(s)
	switch {
	case !found:
		// Of the kinds without dollar sign DES has 13 characters at least.
		if s[0] != '$' && len(s) < 13 {
			return h, false, nil
		}
	case prefix == "$y$":
		h, ok = parseYescrypt(rest)
	case prefix == "$6$":
		h, ok = parseSHA(rest, sha512.New, 86)
	case prefix == "$5$":
		h, ok = parseSHA(rest, sha256.New, 43)
	case prefix == "$2a$" || prefix == "$2b$" || prefix == "$2y$":
		h, ok = parseBcrypt(rest)
	case prefix == "$1$":
		h, ok = parseMD5(rest)
	}
	if !ok {
		return hashed{}, false, errUnsupported
	}
	return h, true, nil
}

// kindOf is what stands before the salt, in a text that may be no hash at all.
func kindOf(s string) string {
	if s == "" {
		return ""
	}
	prefix, rest, _ := cutID(s)
	if prefix == "$y$" || strings.HasPrefix(prefix, "$2") || strings.HasPrefix(rest, "rounds=") {
		prefix = s[:len(prefix)+strings.IndexByte(rest, '$')+1]
	}
	return prefix
}

// cutID cuts "$ID$" off.
func cutID(s string) (prefix, rest string, ok bool) {
	if s[0] != '$' {
		return "", s, false
	}
	i := strings.IndexByte(s[1:], '$')
	if i < 0 {
		return "", s, false
	}
	return s[:i+2], s[i+2:], true
}

// isBase64 tells whether s has n characters of the alphabet of crypt.
func isBase64(s string, n int) bool {
	return len(s) == n && strings.Trim(s, alphabet) == ""
}

// alphabet is that of all kinds of hashes, each in an order of its own.
const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// parseYescrypt reads PARAMS$SALT$KEY. PARAMS are the flavour, always j where
// passwd(1) or mkpasswd(1) wrote them; the logarithm of N less one; and r less
// one, one character each.
func parseYescrypt(s string) (h hashed, ok bool) {
	params, s, ok1 := strings.Cut(s, "$")
	salt, key, ok2 := strings.Cut(s, "$")
	if !ok1 || !ok2 || len(params) != 3 || params[0] != 'j' || len(salt) > yescryptSalt || !isBase64(salt, len(salt)) || !isBase64(key, 43) {
		return h, false
	}
	const maxLogN = 20 // with r = 1, all of maxMemory
	logN, r := strings.IndexByte(alphabet, params[1])+1, strings.IndexByte(alphabet, params[2])+1
	// r of one character is at most 48; what is more has another spelling.
	if logN < 2 || logN > maxLogN || r < 1 || r > 48 || uint64(r)<<logN > maxMemory/128 {
		return h, false
	}
	raw := yescrypt.Decode64([]byte(salt))
	if raw == nil {
		return h, false
	}
	return hashed{[]byte(key), func(password []byte) []byte {
		sum, err := yescrypt.Key(password, raw, 1<<logN, r, 1, yescryptKey)
		if err != nil {
			return nil // matches nothing
		}
		return yescrypt.Encode64(sum)
	}}, true
}

// parseSHA reads [rounds=N$]SALT$KEY.
func parseSHA(s string, sum func() hash.Hash, keySize int) (h hashed, ok bool) {
	rounds := defaultRounds
	if after, found := strings.CutPrefix(s, "rounds="); found {
		digits, rest, _ := strings.Cut(after, "$")
		if rounds, ok = number(digits); !ok || rounds < minRounds || rounds > maxRounds {
			return h, false
		}
		s = rest
	}
	salt, key, ok := strings.Cut(s, "$")
	if !ok || len(salt) > shaSaltMax || !isBase64(key, keySize) {
		return h, false
	}
	return hashed{[]byte(key), func(password []byte) []byte {
		return crypt.KeySHACrypt(sum, password, []byte(salt), rounds)
	}}, true
}

// number reads digits, at most seven and without a zero in front.
func number(s string) (n int, ok bool) {
	if s == "" || len(s) > 7 || s[0] == '0' {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n, true
}

// parseBcrypt reads NN$ and 22 characters of salt and 31 of key, in one piece.
func parseBcrypt(s string) (h hashed, ok bool) {
	const salt = bcrypt.EncodedSaltSize
	cost, s, ok := strings.Cut(s, "$")
	if !ok || len(cost) != 2 || !isBase64(s, salt+bcrypt.EncodedHashSize) {
		return h, false
	}
	n, ok := number(strings.TrimPrefix(cost, "0"))
	if !ok || n < bcryptMinCost || n > maxBcryptCost {
		return h, false
	}
	raw, err := bcrypt.Base64Decode([]byte(s[:salt]))
	if err != nil {
		return h, false
	}
	return hashed{[]byte(s[salt:]), func(password []byte) []byte {
		key, err := bcrypt.Key(password, raw, n)
		if err != nil {
			return nil // matches nothing
		}
		return key
	}}, true
}

// parseMD5 reads SALT$KEY.
func parseMD5(s string) (h hashed, ok bool) {
	salt, key, ok := strings.Cut(s, "$")
	if !ok || len(salt) > md5SaltMax || !isBase64(key, 22) {
		return h, false
	}
	return hashed{[]byte(key), func(password []byte) []byte {
		return crypt.KeyMD5Crypt(password, []byte(salt))
	}}, true
}
