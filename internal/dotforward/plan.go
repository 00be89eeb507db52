package dotforward

import (
	"bytes"
	"slices"
	"strings"

	"goqmail/internal/address"
	"goqmail/internal/token822"
)

// A step is one instruction of a file.
type step struct {
	program bool   // text is a command for /bin/sh, else an address
	text    string // never has a NUL
}

// String is the step as -n prints it.
func (s step) String() string {
	if s.program {
		return "pipe through " + s.text
	}
	return "forward " + s.text
}

// A plan is what a file says: the steps in the order of its lines, and within a
// line, as in the original, from the last to the first.
type plan struct {
	steps  []step
	direct bool // the mailbox gets the message too
}

// empty tells whether the file says nothing.
func (p *plan) empty() bool { return len(p.steps) == 0 && !p.direct }

// A lineError is a line that no message can be delivered by.
type lineError struct {
	line string
	path string // the file delivery that it asks for; "" when it is no address list
}

// Error says what is wrong.
func (e *lineError) Error() string {
	if e.path != "" {
		return "file delivery " + e.path + " not supported"
	}
	return "unable to parse this line: " + e.line
}

// A reader reads the lines of a file for one user.
//
//	# text         a comment
//	a, B <b>       addresses as in a header field, completed as there
//	\user, user    the user's own mailbox: $USER, or $USER@$HOST, in any case
//	"|command"     a program; |"command" is the same
//
// Where an unquoted @ stands it is an address, whatever it begins with. Groups,
// files (/path) and lists (:include:/path) are errors, and so is what is no
// address list. Every line stands for itself.
type reader struct {
	user, host string // $USER, $HOST; "" matches nothing
	defaults   token822.Defaults
}

// read reads the whole content of a file. The error is a *lineError.
func (r *reader) read(content []byte) (*plan, error) {
	p := &plan{}
	for len(content) > 0 {
		line, rest, _ := bytes.Cut(content, []byte("\n"))
		content = rest
		if len(line) > 0 && line[0] == '#' {
			continue
		}
		if err := r.line(p, string(line)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// line adds what one line says.
func (r *reader) line(p *plan, line string) error {
	wrong := &lineError{line: line}
	l, err := token822.Parse(line)
	if err != nil || strings.IndexByte(line, 0) >= 0 {
		return wrong
	}
	l = slices.DeleteFunc(l, func(t token822.Token) bool { return t.Kind == token822.Comment })
	if path, ok := includes(l); ok {
		wrong.path = path
		return wrong
	}
	l, ok := commands(l)
	if !ok || grouped(l) {
		return wrong
	}
	bad := false
	_, err = l.Rewrite(func(addr token822.List) token822.List {
		switch path, ok := r.add(p, addr); {
		case bad:
		case !ok:
			bad, wrong.path = true, path
		}
		return nil
	})
	if bad || err != nil {
		return wrong
	}
	return nil
}

// add adds one address. It is not ok if it names the file path, or nothing.
func (r *reader) add(p *plan, addr token822.List) (path string, ok bool) {
	text := addr.Address()
	if text == "" {
		return "", true // <> or ""
	}
	if !addr.Has(token822.At) {
		switch {
		case text[0] == '|':
			p.steps = append(p.steps, step{true, text[1:]})
			return "", true
		case text[0] == '/':
			return text, false
		case address.EqualFold(text, r.user):
			p.direct = true
			return "", true
		}
	}
	// joe@mx may only now turn out to be the user.
	full := r.defaults.Complete(addr).Address()
	switch me := r.user + "@" + r.host; {
	case full == "":
		return "", false
	case address.EqualFold(text, me), address.EqualFold(full, me):
		p.direct = true
	default:
		p.steps = append(p.steps, step{false, full})
	}
	return "", true
}

// includes tells whether a line begins with ":include:", and what that names.
func includes(l token822.List) (path string, ok bool) {
	if len(l) < 3 || l[0].Kind != token822.Colon || l[2].Kind != token822.Colon ||
		!address.EqualFold(l[1].Text, "include") {
		return "", false
	}
	return l.Address(), true
}

// grouped tells whether a ":" or ";" stands outside angle brackets, where ":"
// ends a source route.
func grouped(l token822.List) bool {
	in := false
	for _, t := range l {
		switch t.Kind {
		case token822.Left:
			in = true
		case token822.Right:
			in = false
		case token822.Colon:
			if !in {
				return true
			}
		case token822.Semicolon:
			return true
		}
	}
	return false
}

// commands makes one token of a | and the quoted string after it, as Sendmail
// reads |"command". It is not ok if an address that begins with an unquoted |
// goes on with another word before an @: that is a command without its quotes,
// and neither its first word nor the others are meant by themselves.
func commands(l token822.List) (out token822.List, ok bool) {
	for len(l) > 0 {
		n := 0 // the tokens of this address
		for n < len(l) && l[n].Kind != token822.Comma && l[n].Kind != token822.Left && l[n].Kind != token822.Right {
			n++
		}
		addr := l[:n]
		if n > 0 && addr[0].Kind == token822.Atom && strings.HasPrefix(addr[0].Text, "|") {
			if n > 1 && addr[0].Text == "|" && addr[1].Kind == token822.Quoted && !addr.Has(token822.At) {
				addr = append(token822.List{{Kind: token822.Quoted, Text: "|" + addr[1].Text}}, addr[2:]...)
			}
			if sideBySide(addr) {
				return nil, false
			}
		}
		out = append(out, addr...)
		if n < len(l) {
			out = append(out, l[n])
			n++
		}
		l = l[n:]
	}
	return out, true
}

// sideBySide tells whether two words have nothing between them, on this side of
// an @.
func sideBySide(l token822.List) bool {
	was := false
	for _, t := range l {
		if t.Kind == token822.At {
			return false
		}
		if was && t.Word() {
			return true
		}
		was = t.Word()
	}
	return false
}
