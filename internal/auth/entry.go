package auth

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"strconv"
	"strings"

	"goqmail/internal/address"
	"goqmail/internal/role"
	"goqmail/internal/sys"
)

// Limits of what is read.
const (
	maxLine  = 1 << 16 // of a line of any of the files, bytes
	maxGroup = 16 << 20
)

// An entry is what the files know of one name.
type entry struct {
	Account
	hash   string // encoded password; "" if there is none
	secret string // in plain
	open   bool   // may log in; false for a name that is not known
}

// find looks a name up. What users/passwords says of it counts, even if that is
// that nobody may log in. Each file is read once, to its end, whatever is found;
// kinds gets every hash.
func (s *Stores) find(name string, kinds *survey) (entry, error) {
	line, err := s.ownLine(name, kinds)
	if err != nil {
		return entry{}, err
	}
	f, ok := role.PasswdFields(line)
	inPasswd := name
	if line != nil {
		inPasswd = f[2] // perhaps a name
	}
	user, found, perr := s.findPasswd(inPasswd)
	shadow, serr := s.shadowLine(name, kinds)
	switch {
	case line != nil && (!ok || len(line) > maxLine):
		return entry{}, errMalformed
	case line != nil:
		return s.ownEntry(f, user, found, perr)
	case perr != nil || !found:
		// Whether the shadow file can be read does not matter to a name that is
		// not known.
		return entry{}, perr
	}
	e := entry{Account: Account{Name: user.Name, UID: user.UID, GID: user.GID, Home: user.Home, Shell: shell(user.Shell)}}
	switch {
	case user.Password != "x":
		e.hash, e.open = user.Password, true
	case serr != nil:
		return entry{}, serr
	default:
		e.hash, e.open = parseShadow(shadow, s.Day)
	}
	return e, nil
}

// errMalformed: the line of the account in users/passwords cannot be understood.
var errMalformed error = &Trouble{"malformed line in users/passwords"}

// ownLine is the line of a name in users/passwords, nil if there is none. The
// file must belong to root, and let nobody else write and no others read.
func (s *Stores) ownLine(name string, kinds *survey) ([]byte, error) {
	const file = "users/passwords"
	fd, err := sys.Cwd().Open(s.Passwords, sys.ReadOnly|sys.NonBlock, 0)
	if sys.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, unable(file, err)
	}
	defer func() { _ = fd.Close() }() // read only
	st, err := fd.Stat()
	switch {
	case err != nil:
		return nil, unable(file, err)
	case !st.IsRegular():
		return nil, &Trouble{file + " is not a file"}
	case st.UID != s.Owner || st.Perm()&0o027 != 0:
		return nil, &Trouble{file + " has the wrong owner, or a mode that lets others read it"}
	}
	line, err := findLine(fd, name, func(password string) {
		hash, _, _ := parseSecret(password)
		kinds.add(hash)
	})
	if err != nil {
		return nil, unable(file, err)
	}
	return line, nil
}

// ownEntry reads the fields of a line of users/passwords, which are those of
// /etc/passwd, but that the password can be in plain, that user and group may be
// names, and that the group may be empty where the user is a name. user is the
// account that the uid names.
func (s *Stores) ownEntry(f [7]string, user role.PasswdEntry, found bool, perr error) (e entry, err error) {
	e.Account = Account{Name: f[0], Home: f[5], Shell: shell(f[6])}
	var ok bool
	if e.UID, ok = role.ParseID(f[2]); !ok {
		if perr != nil || !found {
			return entry{}, cmp.Or(perr, errMalformed)
		}
		e.UID, e.GID = user.UID, user.GID
	}
	if ok || f[3] != "" {
		if e.GID, err = s.group(f[3]); err != nil {
			return entry{}, err
		}
	}
	e.hash, e.secret, err = parseSecret(f[1])
	e.open = true
	return e, err
}

// group is the number of a group, which may be a name.
func (s *Stores) group(name string) (uint32, error) {
	if gid, ok := role.ParseID(name); ok {
		return gid, nil
	}
	b, err := sys.Cwd().ReadFile(s.Group, maxGroup)
	if err != nil {
		return 0, unable("the group file", err)
	}
	gid, ok := role.FindGroup(b, name)
	if !ok {
		return 0, errMalformed
	}
	return gid, nil
}

// parseSecret reads the password of a line of users/passwords:
//
//	HASH, {CRYPT}HASH     as in /etc/shadow; the names of Dovecot for its kinds too
//	{PLAIN}SECRET         in plain
//	anything else         nobody can log in
//
// Names of schemes may be in upper or lower case.
func parseSecret(s string) (hash, secret string, err error) {
	if s == "" || s[0] != '{' {
		return s, "", nil
	}
	scheme, rest, _ := strings.Cut(s[1:], "}")
	switch address.Lower(scheme) {
	case "crypt", "sha512-crypt", "sha256-crypt", "md5-crypt", "blf-crypt":
		return rest, "", nil
	case "plain", "cleartext", "clear":
		return "", rest, nil
	}
	return "", "", errUnsupported
}

// findPasswd finds a name in /etc/passwd: the first line of it that is sound.
func (s *Stores) findPasswd(name string) (e role.PasswdEntry, found bool, err error) {
	fd, err := sys.Cwd().Open(s.Passwd, sys.ReadOnly|sys.NonBlock, 0)
	if err == nil {
		defer func() { _ = fd.Close() }() // read only
		err = eachEntry(fd, func(line []byte, of string) {
			if of == name && !found {
				e, found = role.ParsePasswd(line)
			}
		})
	}
	if err != nil {
		return e, false, unable("the passwd file", err)
	}
	return e, found, nil
}

// shadowLine is the line of a name in /etc/shadow, nil if there is none.
func (s *Stores) shadowLine(name string, kinds *survey) ([]byte, error) {
	fd, err := sys.Cwd().Open(s.Shadow, sys.ReadOnly|sys.NonBlock, 0)
	if sys.IsNotExist(err) {
		return nil, nil
	}
	var line []byte
	if err == nil {
		defer func() { _ = fd.Close() }() // read only
		line, err = findLine(fd, name, kinds.add)
	}
	if err != nil {
		return nil, unable("the shadow file", err)
	}
	return line, nil
}

// findLine is the first line of a name, nil if there is none; f is called with
// the second field of every line.
func findLine(r io.Reader, name string, f func(password string)) (found []byte, err error) {
	err = eachEntry(r, func(line []byte, of string) {
		_, rest, _ := bytes.Cut(line, []byte{':'})
		password, _, _ := bytes.Cut(rest, []byte{':'})
		f(string(password))
		if of == name && found == nil {
			found = bytes.Clone(line)
		}
	})
	return found, err
}

// parseShadow reads a line of /etc/shadow (shadow(5)):
//
//	name:hash:changed:min:max:warn:inactive:expires:
//
// with days since 1970 and numbers of days. Empty, negative: no limit. open is
// false for an account that is over, or whose password is too old or has to be
// changed first: there is no way to change it here.
func parseShadow(line []byte, day int64) (hash string, open bool) {
	f := strings.Split(string(line), ":")
	if len(f) < 2 {
		return "", false
	}
	days := func(i int) (n int64, set, ok bool) {
		if i >= len(f) || f[i] == "" {
			return 0, false, true
		}
		n, err := strconv.ParseInt(f[i], 10, 64)
		return n, n >= 0, err == nil
	}
	changed, isChanged, ok1 := days(2)
	longest, isLongest, ok2 := days(4)
	expires, isExpires, ok3 := days(7)
	switch {
	case !ok1 || !ok2 || !ok3: // what is meant is not known
		return f[1], false
	case isExpires && day >= expires:
		return f[1], false
	case isChanged && changed == 0:
		return f[1], false
	case isChanged && isLongest && day-changed > longest:
		return f[1], false
	}
	return f[1], true
}

// shell is what an empty field means.
func shell(s string) string {
	if s == "" {
		return "/bin/sh"
	}
	return s
}

// eachEntry calls f with each line without its LF, and the name in it. Comments,
// lines without a name, and what the C library takes for an order (+ and -), are
// left out. Of a line that is too long f gets the first maxLine bytes and one more.
func eachEntry(r io.Reader, f func(line []byte, name string)) error {
	in := bufio.NewReaderSize(r, maxLine+1)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull {
			return err
		}
		line = bytes.TrimSuffix(line, []byte{'\n'})
		if i := bytes.IndexByte(line, ':'); i > 0 && line[0] != '#' && line[0] != '+' && line[0] != '-' {
			f(line, string(line[:i]))
		}
		for err == bufio.ErrBufferFull {
			_, err = in.ReadSlice('\n') // the rest of a line that is too long
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// unable is the trouble with a file.
func unable(what string, err error) error {
	return &Trouble{"unable to read " + what + ": " + sys.ErrText(err)}
}
