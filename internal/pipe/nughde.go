package pipe

import "bytes"

// A Nughde says who receives a local part: six NUL-ended fields, after whose
// initials it is named. Written by qmail-getpw on descriptor 1 and, without
// the last NUL, as data of users/cdb; read by qmail-lspawn.
// Spec: spec/spawn.md section 5, spec/local.md sections 7 and 8.
type Nughde struct {
	User string
	UID  string // decimal; leading digits count, what follows is ignored
	GID  string
	Home string
	Dash string // "", "-" or "-/"
	Ext  string
}

// Append adds the six fields, each with its NUL.
func (n Nughde) Append(b []byte) []byte {
	for _, s := range [...]string{n.User, n.UID, n.GID, n.Home, n.Dash, n.Ext} {
		b = append(b, untilNUL(s)...)
		b = append(b, 0)
	}
	return b
}

// ParseNughde reads six fields; bytes after the sixth NUL are ignored. A
// missing NUL is ErrFormat.
func ParseNughde(b []byte) (n Nughde, err error) {
	for _, p := range [...]*string{&n.User, &n.UID, &n.GID, &n.Home, &n.Dash, &n.Ext} {
		i := bytes.IndexByte(b, 0)
		if i < 0 {
			return Nughde{}, ErrFormat
		}
		*p = string(b[:i])
		b = b[i+1:]
	}
	return n, nil
}

// ParseNumber reads the leading decimal digits of a uid or gid field. A field
// without a leading digit, or a number over 2^32-2, is ErrFormat: C would go on
// with rubbish from memory there.
func ParseNumber(s string) (uint32, error) {
	var n uint64
	i := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		if n = n*10 + uint64(s[i]-'0'); n >= 1<<32-1 {
			return 0, ErrFormat
		}
	}
	if i == 0 {
		return 0, ErrFormat
	}
	return uint32(n), nil
}
