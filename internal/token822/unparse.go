package token822

// LineMax is the length to which qmail-inject fills the lines of a rewritten
// field, without the LF.
//
// C qmail asks for 80 but counts the LF and blank of the break that it tries,
// so no line that was put together from two parts is longer than 78 bytes,
// which is also the advice of RFC 5322, 2.1.1.
const LineMax = 78

// Unparse writes the tokens as text, ending in LF. One blank follows ":" and
// ","; a blank stands before "<" and between two words or comments; there are
// no others.
//
// A line breaks only after a comma: by LF and two blanks, where the text up to
// the next comma or the end would make the line longer than max bytes. A part
// that is longer than max stays in one piece. max 0 means no folding.
//
// Parse of the result gives the same tokens again, except for atoms that are
// empty or have a blank or special in them (see Parse).
func (l List) Unparse(max int) []byte {
	out := make([]byte, 0, l.size())
	line := 0     // where the current line begins in out
	first := true // no comma yet: nothing to break
	part := 0     // where the part after the last comma begins
	var last Kind
	for i := 0; ; i++ {
		// At the end, and at each comma, the part since the comma before is
		// complete: it stays on the line, or the line is broken before it.
		atEnd := i == len(l)
		if !atEnd {
			if spaceBetween(last, l[i].Kind) {
				out = append(out, ' ')
			}
			out = l[i].append(out)
			last = l[i].Kind
		}
		if atEnd || last == Comma {
			if !first && max > 0 && len(out)-line > max {
				// The part begins with a blank of its own. C qmail: an empty
				// part after a last comma does not, so its line is one blank.
				out = append(out, 0, 0)
				copy(out[part+2:], out[part:])
				out[part], out[part+1] = '\n', ' '
				line = part + 1
			}
			first = false
			part = len(out)
		}
		if atEnd {
			return append(out, '\n')
		}
	}
}

// size is an estimate of the bytes that Unparse writes, to reserve them.
func (l List) size() int {
	n := 1
	for _, t := range l {
		n += len(t.Text) + 3
	}
	return n
}

// spaceBetween tells whether a blank goes between tokens of these kinds; a is 0
// before the first token.
func spaceBetween(a, b Kind) bool {
	switch {
	case a == 0:
		return false
	case a == Colon, a == Comma, b == Left:
		return true
	}
	return a.hasText() && b.hasText()
}

// hasText tells whether tokens of this kind carry a text.
func (k Kind) hasText() bool { return k >= Atom && k <= Comment }

// append adds the token as it is written in a header field.
func (t Token) append(out []byte) []byte {
	switch t.Kind {
	case Atom:
		return appendText(out, t.Text)
	case Quoted:
		return append(appendText(append(out, '"'), t.Text), '"')
	case Literal:
		return append(appendText(append(out, '['), t.Text), ']')
	case Comment:
		return append(appendText(append(out, '('), t.Text), ')')
	}
	return append(out, glyphs[t.Kind])
}

// appendText adds text with a backslash before each byte that would end a
// quoted string, literal or comment, or a line.
func appendText(out []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"', '[', ']', '(', ')', '\\', '\r', '\n':
			out = append(out, '\\')
		}
		out = append(out, text[i])
	}
	return out
}
