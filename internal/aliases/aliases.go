// Package aliases reads what Sendmail's users write: the alias table
// /etc/aliases and :include: files. It makes the records of a forwarding
// database and the entries of a binary mailing list of them; package forwarddb
// has those formats.
//
// A line of the table is
//
//	alias: recipient, recipient, ...
//
// and goes on in the lines after it that begin with a blank or tab or are empty.
// A line that begins with "#" is a comment, and goes on in the same way. The
// words are RFC 822 tokens, so comments in parentheses, quotes and "Name
// <address>" mean what they do in a header. A recipient is an address,
// "|command" as a whole in quotes, or :include:FILE. There are no groups.
//
// Aliases are user, user@host or @host; case does not count. If there is an
// alias owner-LIST its address becomes the sender of what LIST forwards.
//
// Kept from C (Debian's fastforward 0.51): a last line of the table that lacks
// its newline is left out; colons and semicolons are blanks but for those of
// :include:, so the first address is the alias, wherever the colon stands;
// "Owner-" with a capital makes no owner.
//
// The package does no I/O. Spec: spec/fastforward.md sections 6 and 7.
package aliases

import (
	"bytes"
	"strings"

	"goqmail/internal/address"
	"goqmail/internal/forwarddb"
	"goqmail/internal/token822"
)

// Hosts completes addresses: the host for one that has none, what follows a
// host without a dot, and what follows one that ends in "+".
type Hosts struct{ Default, Domain, Plus string }

// complete completes the host of an address with an "@".
func (h *Hosts) complete(addr string) string {
	if strings.HasSuffix(addr, "+") {
		return addr[:len(addr)-1] + "." + h.Plus
	}
	if _, host, _ := address.SplitLast(addr); strings.IndexByte(host, '.') < 0 {
		addr += "." + h.Domain
	}
	return addr
}

// An Error is why a line cannot be compiled.
type Error struct {
	Text string
	Long bool // an address is too long
}

// Error is the text that users see.
func (e *Error) Error() string { return e.Text }

// unparsable is the error of a line that is no address list. C shows its LF too.
func unparsable(line []byte) error {
	return &Error{Text: "unable to parse this line: " + untilNUL(string(line))}
}

// unsupported is the error of a delivery that fastforward does not make.
func unsupported(kind, what string) error {
	return &Error{Text: kind + " delivery " + untilNUL(what) + " not supported"}
}

var (
	errEmpty        = &Error{Text: "empty recipient addresses not permitted"}
	errEmptyInclude = &Error{Text: "empty :include: filenames not permitted"}
	errLong         = &Error{Text: "addresses over 800 bytes are not permitted", Long: true}
	errLongEntry    = &Error{Text: "addresses must be under 800 bytes", Long: true} // 800 itself is accepted
)

// clean returns an error when s has a byte that what is stored cannot hold:
// NUL, and a newline if those are not allowed. Kind says what s is.
func clean(s, kind string, newline bool) error {
	switch {
	case !newline && strings.IndexByte(s, '\n') >= 0:
		return &Error{Text: "newlines not permitted in " + kind}
	case strings.IndexByte(s, 0) >= 0:
		return &Error{Text: "NUL not permitted in " + kind}
	}
	return nil
}

// What messages call the parts of a line.
const (
	inAddresses = "recipient addresses"
	inPrograms  = "program names"
	inIncludes  = ":include: filenames"
)

// untilNUL is s up to its first NUL, as C prints it.
func untilNUL(s string) string {
	before, _, _ := strings.Cut(s, "\x00")
	return before
}

// An item is one thing that a line names.
type item struct {
	include bool   // text is a file name, else an address, program or file
	text    string // without quotes
	at      bool   // it has an "@" outside quotes
}

// items calls take with each item of a line, from the last to the first: that
// order needs no look-ahead, and records have it. The error is unparsable's for
// a ">" without "<", or take's.
//
// Two words with nothing between them are two items; a comma parts items too. In
// angle brackets anything is text; the words to their left are a name.
func items(line []byte, take func(item) error) error {
	l, err := token822.Parse(string(line))
	if err != nil {
		return unparsable(line)
	}
	var word token822.List // what is being read, from last to first
	flush := func(include bool) error {
		it := item{include: include, text: word.Reversed().Address(), at: word.Has(token822.At)}
		word = word[:0]
		return take(it)
	}
	part := func() error {
		if len(word) == 0 {
			return nil
		}
		return flush(false)
	}
	for n := len(l); n > 0 && err == nil; {
		n--
		switch t := l[n]; t.Kind {
		case token822.Comment, token822.Semicolon:
		case token822.Colon:
			if n >= 2 && l[n-1] == (token822.Token{Kind: token822.Atom, Text: "include"}) && l[n-2].Kind == token822.Colon {
				n -= 2
				err = flush(true)
			}
		case token822.Comma:
			err = part()
		case token822.Right:
			if err = part(); err != nil {
				break
			}
			for n > 0 && l[n-1].Kind != token822.Left {
				n--
				word = append(word, l[n])
			}
			if err = flush(false); err == nil && n == 0 {
				err = unparsable(line)
			}
			for n--; n > 0 && l[n-1].InPhrase(); {
				n--
			}
		default:
			if k := len(word); k > 0 && t.Word() && word[k-1].Word() {
				err = part()
			}
			word = append(word, t)
		}
	}
	if err == nil {
		err = part()
	}
	return err
}

// include is the command for a mailing list. A name that does not say where the
// file is means the current directory.
func include(name, suffix string, newline bool) (c forwarddb.Command, err error) {
	if name == "" {
		return c, errEmptyInclude
	}
	if err := clean(name, inIncludes, newline); err != nil {
		return c, err
	}
	if name[0] != '.' && name[0] != '/' {
		name = "./" + name
	}
	return forwarddb.Command{Kind: forwarddb.Kind(name[0]), Text: name + suffix}, nil
}

// listSuffix makes the name of a binary mailing list of that of its source.
const listSuffix = ".bin"

// ListNames are the names of the binary mailing list that newinclude makes of a
// file, and of the temporary file it makes it in.
func ListNames(file string) (bin, tmp string) { return file + listSuffix, file + ".tmp" }

// eachLine calls f with each logical line of the table, LFs included, but for
// comments: a line and those after it that begin with a blank or tab. Empty
// lines are dropped before that, and so is a last line without its LF.
func eachLine(text []byte, f func(line []byte) error) error {
	var logical []byte
	end := func() error {
		if len(logical) == 0 || logical[0] == '#' {
			return nil
		}
		return f(logical)
	}
	for {
		n := bytes.IndexByte(text, '\n') + 1
		if n == 0 {
			return end()
		}
		line := text[:n:n] // append copies it
		text = text[n:]
		switch {
		case n == 1:
		case len(logical) > 0 && (line[0] == ' ' || line[0] == '\t'):
			logical = append(logical, line...)
		default:
			if err := end(); err != nil {
				return err
			}
			logical = line
		}
	}
}
