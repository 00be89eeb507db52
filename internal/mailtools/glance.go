package mailtools

import (
	"bufio"
	"bytes"
	"io"

	"goqmail/internal/header"
)

// A glance is what qbiff and maildirwatch show of a message.
type glance struct {
	from      string // the whole From field
	sender    string // of Return-Path, with its angle brackets
	recipient string // of Delivered-To
	text      []byte // Subject, then the body, with its empty line and line ends
}

// glanceSize is how much of a message is looked at, in bytes: of one that is
// nothing but a header of this size no body is shown.
const glanceSize = 1 << 20

// take looks at a message until there are max bytes of text. Of several fields
// of a name the last counts, but each Subject is shown. The error is that of
// reading.
func (g *glance) take(in io.Reader, max int) error {
	lines := lineReader{bufio.NewReader(io.LimitReader(in, glanceSize))}
	var s header.Splitter
	inBody := false
	for len(g.text) < max {
		line, err := lines.next()
		if err != nil {
			return err
		}
		if line == nil {
			g.field(s.End())
			break
		}
		if inBody {
			g.text = append(g.text, line...)
			continue
		}
		var field []byte
		field, inBody = s.Line(line)
		g.field(field)
		if inBody {
			if line[0] != '\n' {
				g.text = append(g.text, '\n')
			}
			g.text = append(g.text, line...)
		}
	}
	g.text = g.text[:min(len(g.text), max)]
	return nil
}

// field notes a field of the header; nil is none.
func (g *glance) field(field []byte) {
	value := bytes.TrimLeft(header.FieldBody(field), " \t\r\n")
	if len(value) == 0 {
		return
	}
	line := string(value[:len(value)-1])
	switch header.FieldOf(field) {
	case header.FieldSubject:
		g.text = append(g.text, value...)
	case header.FieldFrom:
		g.from = string(field[:len(field)-1])
	case header.FieldReturnPath:
		g.sender = line
	case header.FieldDeliveredTo:
		g.recipient = line
	}
}
