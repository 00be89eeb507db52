// Package assign is the format of users/assign, the administrator's table of
// who receives which local part, and of users/cdb, the same table as a constant
// database with the rule by which a local part is looked up in it.
//
// qmail-pw2u writes lines of users/assign, qmail-newu compiles them, and
// qmail-lspawn looks up. A line is one of
//
//	=LOCAL:USER:UID:GID:HOME:DASH:EXT:    LOCAL exactly
//	+PREFIX:USER:UID:GID:HOME:DASH:PRE:   PREFIX and anything after it
//	.                                     the end; what follows is not read
//
// where the extension of a prefix line is PRE followed by the rest of the local
// part. What follows the last colon is ignored. Upper and lower case are the
// same in LOCAL and PREFIX. As in C, any first byte other than + and . counts
// as =.
//
// The records of users/cdb:
//
//	key "!" + LOCAL + NUL    exact; LOCAL in lower case
//	key "!" + PREFIX         prefix; PREFIX in lower case
//	                         data: USER NUL UID NUL GID NUL HOME NUL DASH NUL EXT
//	key ""                   last; data: each byte that ends a non-empty prefix,
//	                         once, in order of appearance
//
// The package does no I/O; package cdb has the file format.
// Spec: spec/local.md section 8, spec/spawn.md section 6.
package assign

import (
	"bytes"
	"errors"

	"goqmail/internal/address"
	"goqmail/internal/pipe"
)

// ErrFormat is the error for a users/assign that is not in the format: a line
// with a NUL, without a colon, with a colon first or with fewer than six more,
// or no line that begins with a dot.
var ErrFormat = errors.New("bad format in users/assign")

// ErrNoWildcards is the error of Lookup for a database without the record of the
// empty key: it was not made from users/assign.
var ErrNoWildcards = errors.New("users/cdb has no record of prefix ends")

// First bytes of lines.
const (
	exactLine  = '='
	prefixLine = '+'
	endLine    = '.'
)

// keyMark begins the key of every entry, so that no entry has the empty key.
const keyMark = '!'

// fieldColons is how many colons must follow the one after LOCAL or PREFIX.
const fieldColons = 6

// An Entry is one line of users/assign, or one record of users/cdb.
type Entry struct {
	Prefix bool   // Name is a prefix; otherwise exact
	Name   string // LOCAL or PREFIX, in the case of the line
	Nughde pipe.Nughde
}

// End is the line, with its LF, that ends a table.
const End = string(endLine) + "\n"

// IsEnd tells whether a line ends the table.
func IsEnd(line []byte) bool { return len(line) > 0 && line[0] == endLine }

// ParseLine reads a line without its LF. The error is ErrFormat.
func ParseLine(line []byte) (Entry, error) {
	colon := bytes.IndexByte(line, ':')
	if colon < 1 || bytes.IndexByte(line, 0) >= 0 {
		return Entry{}, ErrFormat
	}
	e := Entry{Prefix: line[0] == prefixLine, Name: string(line[1:colon])}
	n := &e.Nughde
	rest := line[colon+1:]
	for _, field := range [fieldColons]*string{&n.User, &n.UID, &n.GID, &n.Home, &n.Dash, &n.Ext} {
		i := bytes.IndexByte(rest, ':')
		if i < 0 {
			return Entry{}, ErrFormat
		}
		*field, rest = string(rest[:i]), rest[i+1:]
	}
	return e, nil
}

// AppendLine adds the entry's line with its LF. The fields must have no colon,
// NUL or LF.
func (e Entry) AppendLine(b []byte) []byte {
	mark := byte(exactLine)
	if e.Prefix {
		mark = prefixLine
	}
	b = append(append(b, mark), e.Name...)
	n := &e.Nughde
	for _, field := range [fieldColons]string{n.User, n.UID, n.GID, n.Home, n.Dash, n.Ext} {
		b = append(append(b, ':'), field...)
	}
	return append(b, ':', '\n')
}

// Key is the key of the entry's record.
func (e Entry) Key() []byte {
	b := append([]byte{keyMark}, address.Lower(e.Name)...)
	if !e.Prefix {
		b = append(b, 0)
	}
	return b
}

// Data is the data of the entry's record: the six fields without the last NUL.
func (e Entry) Data() []byte {
	b := e.Nughde.Append(nil)
	return b[:len(b)-1]
}

// Compile calls put for each record of the database, in the order in which
// qmail-newu writes them. The error is ErrFormat or what put returned; records
// before the bad line have been put then.
//
// The byte that ends a prefix is stored in lower case like the prefix itself. C
// stores it as written, and then never finds a prefix that ends in a capital.
func Compile(text []byte, put func(key, data []byte) error) error {
	var seen [256]bool
	var ends []byte
	for {
		if IsEnd(text) {
			return put(nil, ends)
		}
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			return ErrFormat // the file ends before the table does
		}
		e, err := ParseLine(text[:i])
		if err == nil {
			err = put(e.Key(), e.Data())
		}
		if err != nil {
			return err
		}
		if e.Prefix && e.Name != "" {
			c := address.LowerByte(e.Name[len(e.Name)-1])
			if !seen[c] {
				seen[c], ends = true, append(ends, c)
			}
		}
		text = text[i+1:]
	}
}

// A Getter looks a key up in users/cdb. A *cdb.CDB is one.
type Getter interface {
	Get(key []byte) (data []byte, found bool, err error)
}

// Lookup finds who receives the local part box: the exact entry, else that of
// the longest prefix, down to the empty one. found is false when there is none.
//
// The error is the Getter's; ErrNoWildcards; or one that wraps pipe.ErrFormat
// for a record that does not have six fields.
func Lookup(db Getter, box string) (n pipe.Nughde, found bool, err error) {
	ends, found, err := db.Get(nil)
	if err != nil {
		return n, false, err
	}
	if !found {
		return n, false, ErrNoWildcards
	}
	key := Entry{Name: box}.Key()
	data, found, err := db.Get(key)
	if found && err == nil {
		return decode(data, "")
	}
	for i := len(box); i >= 0 && err == nil && !found; i-- {
		key = key[:1+i] // "!" and the first i bytes
		if i > 0 && bytes.IndexByte(ends, key[i]) < 0 {
			continue
		}
		if data, found, err = db.Get(key); found && err == nil {
			return decode(data, box[i:])
		}
	}
	return n, false, err
}

// decode reads the data of a record; rest is what follows the prefix, in the
// case in which it was given.
func decode(data []byte, rest string) (pipe.Nughde, bool, error) {
	b := make([]byte, 0, len(data)+len(rest)+1)
	n, err := pipe.ParseNughde(append(append(append(b, data...), rest...), 0))
	return n, err == nil, err
}
