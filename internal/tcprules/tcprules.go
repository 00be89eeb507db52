// Package tcprules is the format of tcpserver's access rules: the source that
// tcprules compiles, the records of the compiled cdb file, and the order in
// which tcpserver and tcprulescheck look a client up in it.
//
// The source has one rule per line; empty lines and lines that begin with # are
// skipped, blanks and tabs at the end of a line dropped:
//
//	ADDRESS:allow,NAME="VALUE",...
//	ADDRESS:deny
//
// The instruction begins at the first colon that allow or deny follows, so an
// ADDRESS may have colons of its own. VALUE stands between two equal bytes of
// any kind. An ADDRESS is one of
//
//	1.2.3.4  1.2.  2001:db8:     an IP address, or the beginning of one that
//	                             ends in a dot or colon
//	1.2.3.4-7  1.2-5.            one such address for each number
//	=host.dom  =.dom  =          a host name, a suffix of one, any host name
//	info@1.2.3.4  info@=host.dom an ident answer and an address or name
//	(nothing)                    everyone
//
// Each address is a key of the cdb file. Its data is a sequence of strings, each
// with a NUL at its end: "D" to deny, then "+NAME=VALUE" for each variable. Of
// two rules for one address the first counts.
//
// The package does no I/O; package cdb has the file format.
// Spec: spec/ucspi.md, section 2; the format is that of ucspi-tcp.
package tcprules

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// ErrFormat is the error of a line that is not a rule.
var ErrFormat = errors.New("unable to parse this line")

// Bytes that begin the strings of a record's data.
const (
	denyMark = 'D'
	setMark  = '+'
)

// maxRange is the largest number of a range: no part of an IPv4 address is
// larger, and a slip of the pen must not fill the disk.
const maxRange = 255

// A Rule is one line of the source.
type Rule struct {
	Address string   // as written, a range not yet expanded
	Deny    bool     // drop the connection
	Vars    []string // NAME=VALUE: environment of the program
}

// ParseLine reads a line without its LF. ok is false for an empty line or a
// comment. The error is ErrFormat.
func ParseLine(line []byte) (r Rule, ok bool, err error) {
	line = Trim(line)
	if len(line) == 0 || line[0] == '#' {
		return r, false, nil
	}
	for colon := 0; ; colon++ {
		i := bytes.IndexByte(line[colon:], ':')
		if i < 0 {
			return r, false, ErrFormat
		}
		colon += i
		rest, found := bytes.CutPrefix(line[colon+1:], []byte("allow"))
		if !found {
			rest, found = bytes.CutPrefix(line[colon+1:], []byte("deny"))
			r.Deny = found
		}
		if found {
			r.Address = string(line[:colon])
			r.Vars, err = parseVars(rest)
			return r, err == nil, err
		}
	}
}

// Trim drops blanks and tabs at the end of a line.
func Trim(line []byte) []byte {
	n := len(line)
	for n > 0 && (line[n-1] == ' ' || line[n-1] == '\t') {
		n--
	}
	return line[:n]
}

// parseVars reads any number of ,NAME=qVALUEq.
func parseVars(s []byte) (vars []string, err error) {
	for len(s) > 0 {
		eq := bytes.IndexByte(s, '=')
		if s[0] != ',' || eq < 0 || eq+1 == len(s) {
			return nil, ErrFormat
		}
		quote, value := s[eq+1], s[eq+2:]
		end := bytes.IndexByte(value, quote)
		if end < 0 {
			return nil, ErrFormat
		}
		vars = append(vars, string(s[1:eq+1])+string(value[:end]))
		s = value[end+1:]
	}
	return vars, nil
}

// Keys lists the keys of the rule's records: the address, or with a range one
// for each number up to 255. The error is ErrFormat.
//
// A range is a dash in an address that has neither = nor @; dots or the ends of
// the address delimit it. A missing number is zero.
func (r Rule) Keys() ([]string, error) {
	dash := strings.IndexByte(r.Address, '-')
	if dash < 0 || strings.ContainsAny(r.Address, "=@") {
		return []string{r.Address}, nil
	}
	left := strings.LastIndexByte(r.Address[:dash], '.') + 1
	right := len(r.Address)
	if i := strings.IndexByte(r.Address[dash:], '.'); i >= 0 {
		right = dash + i
	}
	low, ok1 := number(r.Address[left:dash])
	high, ok2 := number(r.Address[dash+1 : right])
	if !ok1 || !ok2 {
		return nil, ErrFormat
	}
	var keys []string
	for n := low; n <= min(high, maxRange); n++ {
		keys = append(keys, r.Address[:left]+strconv.Itoa(n)+r.Address[right:])
	}
	return keys, nil
}

// number reads decimal digits; numbers over maxRange count as one more than it.
func number(s string) (n int, ok bool) {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(n*10+int(s[i]-'0'), maxRange+1)
	}
	return n, true
}

// Data is the data of the rule's records.
func (r Rule) Data() []byte {
	var b []byte
	if r.Deny {
		b = append(b, denyMark, 0)
	}
	for _, v := range r.Vars {
		b = append(append(append(b, setMark), v...), 0)
	}
	return b
}

// A LineError says which line of a source is not a rule.
type LineError struct {
	Line []byte // without LF and blanks at the end
}

func (e *LineError) Error() string { return ErrFormat.Error() + ": " + string(e.Line) }

// Unwrap is ErrFormat.
func (e *LineError) Unwrap() error { return ErrFormat }

// Compile calls put for each record of a source, in order. A last line without
// LF counts. The error is a *LineError or what put returned; records before the
// bad line have been put then.
func Compile(source []byte, put func(key, data []byte) error) error {
	for len(source) > 0 {
		line, rest, _ := bytes.Cut(source, []byte{'\n'})
		source = rest
		r, ok, err := ParseLine(line)
		var keys []string
		if ok {
			keys, err = r.Keys()
		}
		if err != nil {
			return &LineError{Trim(line)}
		}
		data := r.Data()
		for _, key := range keys {
			if err := put([]byte(key), data); err != nil {
				return err
			}
		}
	}
	return nil
}
