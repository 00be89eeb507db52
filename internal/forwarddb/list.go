package forwarddb

import (
	"bytes"
	"errors"
	"strings"
)

// What CompileList says of a text that is no mailing list.
var (
	errListNUL  = errors.New("NUL in input")
	errListLong = errors.New("addresses must be under 800 bytes") // 800 itself is accepted
)

// CompileList makes a binary mailing list of lines of text. Blanks and tabs at
// their ends are dropped; empty lines and those that begin with "#" are left
// out. A line that begins with a dot or slash is the path of another binary
// mailing list; with "&" the rest is an address; any other line is an address.
// The error is one of those above. A NUL is one in comments too.
func CompileList(text []byte) ([]byte, error) {
	list := make([]byte, 0, len(text)+len(text)/8)
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		text = rest
		if bytes.IndexByte(line, 0) >= 0 {
			return nil, errListNUL
		}
		line = bytes.TrimRight(line, " \t") // bytes of ASCII: nothing of Unicode
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		c := Command{Kind(line[0]), string(line)}
		switch {
		case c.IsList():
		case c.Kind == Recipient:
			c.Text = c.Text[1:]
		default:
			c.Kind = Recipient
		}
		if c.Kind == Recipient && len(c.Text) > MaxAddress {
			return nil, errListLong
		}
		list = c.Append(list)
	}
	return list, nil
}

// ListText is the text that CompileList makes the list of, one entry on each
// line. On an error, which is ErrFormat, it has the entries of a list that was
// cut; of one with anything else wrong, an LF in an entry included, it is nil.
func ListText(list []byte) ([]byte, error) {
	entries, err := ParseList(list)
	if err != nil && err != errCut {
		return nil, err
	}
	text := make([]byte, 0, len(list))
	for _, c := range entries {
		s := c.String()
		if strings.IndexByte(s, '\n') >= 0 {
			return nil, ErrFormat
		}
		text = append(append(text, s...), '\n')
	}
	return text, err
}
