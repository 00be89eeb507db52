// Package token822 reads and writes the structured header fields of RFC 822:
// tokens, address lists, qmail's rewriting of addresses, and unparsing with
// folded lines. It is not a general RFC 5322 parser: it accepts what qmail
// accepts and writes what qmail writes. Used by qmail-inject.
//
// Text is bytes, never UTF-8: a byte above 126 is a byte that needs quotes.
//
// Spec: spec/inject.md, section 5.
package token822

import "errors"

// ErrToken is what Parse returns for bytes that are no tokens: a stray ")" or
// "]", or a comment, quoted string or domain literal without its end.
var ErrToken = errors.New("token822: bad token")

// A Kind says what a token is.
type Kind byte

// The kinds of tokens. The specials are one byte each and carry no text.
const (
	Atom      Kind = iota + 1 // a word without quotes
	Quoted                    // "..."
	Literal                   // [...]
	Comment                   // (...)
	At                        // @
	Dot                       // .
	Comma                     // ,
	Left                      // <
	Right                     // >
	Colon                     // :
	Semicolon                 // ;
)

// specials maps a byte to its one-byte token, 0 for all others.
var specials = [256]Kind{
	'@': At, '.': Dot, ',': Comma, '<': Left, '>': Right, ':': Colon, ';': Semicolon,
}

// glyphs is specials the other way round.
var glyphs = [Semicolon + 1]byte{
	At: '@', Dot: '.', Comma: ',', Left: '<', Right: '>', Colon: ':', Semicolon: ';',
}

// A Token is one lexical token of RFC 822, 3.3.
type Token struct {
	Kind Kind
	Text string // content without delimiters and backslashes; "" for specials
}

// Word tells whether t can be a part of an address that needs punctuation to
// its neighbours: two adjacent words are two addresses.
func (t Token) Word() bool {
	return t.Kind == Atom || t.Kind == Quoted || t.Kind == Literal
}

// A List is a sequence of tokens in the order of the text.
type List []Token

// Parse cuts s into tokens. White space (blank, tab, CR, LF) separates and is
// dropped. The list has at most len(s) tokens; the only error is ErrToken.
//
// An atom with a byte that may not stand in one (below 32, above 126, or one of
// ) ] \ ) becomes a Quoted token, so that it is written with quotes.
// C qmail: a blank or special protected by a backslash in an atom stays in the
// atom and loses its backslash on output; kept, as other mail programs' users
// see the result.
func Parse(s string) (List, error) {
	// Reserve what an ordinary field needs, one token per few bytes.
	list := make(List, 0, min(len(s), 4096)/4+2)
	for i := 0; i < len(s); {
		var t Token
		switch c := s[i]; {
		case isSpace(c):
			i++
			continue
		case specials[c] != 0:
			t.Kind = specials[c]
			i++
		case c == ')' || c == ']':
			return nil, ErrToken
		default:
			var ok bool
			if t, i, ok = scanText(s, i); !ok {
				return nil, ErrToken
			}
		}
		list = append(list, t)
	}
	return list, nil
}

// scanText reads the token with text that begins at s[i] and returns the index
// after it.
func scanText(s string, i int) (t Token, end int, ok bool) {
	switch s[i] {
	case '(':
		t.Kind = Comment
		t.Text, end, ok = scanComment(s, i+1)
	case '"':
		t.Kind = Quoted
		t.Text, end, ok = scanUntil(s, i+1, '"')
	case '[':
		t.Kind = Literal
		t.Text, end, ok = scanUntil(s, i+1, ']')
	default:
		t, end = scanAtom(s, i)
		ok = true
	}
	return t, end, ok
}

// scanUntil returns the text from s[i] up to an unprotected close, without its
// backslashes, and the index after close.
func scanUntil(s string, i int, close byte) (text string, end int, ok bool) {
	start, plain := i, true
	var b []byte
	for ; i < len(s); i++ {
		switch {
		case s[i] == close:
			if plain {
				return s[start:i], i + 1, true
			}
			return string(b), i + 1, true
		case s[i] == '\\':
			if plain {
				plain, b = false, append(b, s[start:i]...)
			}
			if i++; i == len(s) {
				return "", i, false
			}
		}
		if !plain {
			b = append(b, s[i])
		}
	}
	return "", i, false
}

// scanComment returns the text of a comment whose "(" stands before s[i].
// Comments nest; the inner parentheses are not part of the text.
func scanComment(s string, i int) (text string, end int, ok bool) {
	var b []byte
	for depth := 1; i < len(s); i++ {
		switch s[i] {
		case '(':
			depth++
			continue
		case ')':
			if depth--; depth == 0 {
				return string(b), i + 1, true
			}
			continue
		case '\\':
			if i++; i == len(s) {
				return "", i, false
			}
		}
		b = append(b, s[i])
	}
	return "", i, false
}

// scanAtom reads the atom at s[i]. It has no end mark, so it cannot fail: a
// backslash at the very end of s stands for nothing.
func scanAtom(s string, i int) (t Token, end int) {
	start, plain := i, true
	var b []byte // the text, unless plain
	for {
		if s[i] == '\\' {
			if plain {
				plain, b = false, append(b, s[start:i]...)
			}
			if i++; i == len(s) {
				break
			}
		}
		if !plain {
			b = append(b, s[i])
		}
		if i++; i == len(s) || endsAtom(s[i]) {
			break
		}
	}
	t = Token{Kind: Atom, Text: s[start:i]}
	if !plain {
		t.Text = string(b)
	}
	if needsQuotes(t.Text) {
		t.Kind = Quoted
	}
	return t, i
}

// isSpace tells whether c is white space between tokens.
func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// endsAtom tells whether an unprotected c ends the atom before it. A ")" or "]"
// does not: it becomes part of the atom.
func endsAtom(c byte) bool {
	return isSpace(c) || specials[c] != 0 || c == '(' || c == '[' || c == '"'
}

// needsQuotes tells whether an atom with this text is to be written in quotes.
func needsQuotes(text string) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c < 32, c > 126, c == ')', c == ']', c == '\\':
			return true
		}
	}
	return false
}

// Has tells whether the list has a token of this kind.
func (l List) Has(k Kind) bool {
	for _, t := range l {
		if t.Kind == k {
			return true
		}
	}
	return false
}

// Address returns the tokens of one address as the envelope wants it: texts
// without quotes and backslashes, literals in their brackets, no white space.
// Comments are no part of an address and are left out.
func (l List) Address() string {
	var b []byte
	for _, t := range l {
		switch t.Kind {
		case Comment:
		case Literal:
			b = append(b, '[')
			b = append(b, t.Text...)
			b = append(b, ']')
		case Atom, Quoted:
			b = append(b, t.Text...)
		default:
			b = append(b, glyphs[t.Kind])
		}
	}
	return string(b)
}
