package inject

import (
	"bufio"
	"io"
	"slices"
	"strconv"

	"goqmail/internal/address"
	"goqmail/internal/header"
	"goqmail/internal/sys"
	"goqmail/internal/token822"
)

// A fieldSet is a set of known header fields.
type fieldSet uint64

func (s *fieldSet) add(f header.Field)     { *s |= 1 << f }
func (s fieldSet) has(f header.Field) bool { return s>>f&1 != 0 }

// hasAny tells whether one of the fields is there.
func (s fieldSet) hasAny(fields ...header.Field) bool {
	return slices.ContainsFunc(fields, s.has)
}

// A headerInfo is what the header of the message says.
type headerInfo struct {
	seen     fieldSet
	resent   bool     // a Resent field was seen: this is a forwarded message
	kept     []byte   // the fields that stay, completed, in their order
	to       []string // addresses of To, Cc, Bcc, Apparently-To
	resentTo []string // of Resent-To, -Cc, -Bcc
	toCc     []string // of To, Cc: for Mail-Followup-To
}

// readHeader reads the header and handles its fields. It returns the first line
// of the body, an empty one if the header has none of its own after it, or nil
// if the input ends with the header.
func (in *injector) readHeader(input *bufio.Reader) (body []byte, err error) {
	var s header.Splitter
	for {
		line, err := readLine(input)
		if err != nil {
			return nil, err
		}
		if line == nil {
			if f := s.End(); f != nil {
				err = in.field(f)
			}
			return nil, err
		}
		f, inBody := s.Line(line)
		if f != nil {
			if err := in.field(f); err != nil {
				return nil, err
			}
		}
		switch {
		case inBody && line[0] == '\n':
			return line, nil
		case inBody:
			return append([]byte{'\n'}, line...), nil
		}
	}
}

// readLine reads a line with its LF; a last line without LF gets one. At the
// end it returns nil.
func readLine(input *bufio.Reader) ([]byte, error) {
	line, err := input.ReadBytes('\n')
	switch {
	case err == nil:
		return line, nil
	case err != io.EOF:
		return nil, errRead
	case len(line) == 0:
		return nil, nil
	}
	return append(line, '\n'), nil
}

// field handles one header field as the table of spec/inject.md section 3 says.
func (in *injector) field(text []byte) error {
	m := &in.msg
	f := header.FieldOf(text)
	switch {
	case f == header.FieldFrom && in.conf.dropFrom,
		f == header.FieldMessageID && in.conf.dropMessageID,
		f == header.FieldReturnPath && in.conf.dropReturn:
		return nil
	}
	m.seen.add(f)
	var found *[]string // where the field's addresses go
	rewritten := true
	switch f {
	case header.FieldTo, header.FieldCc, header.FieldBcc, header.FieldApparentlyTo:
		found = &m.to
	case header.FieldResentTo, header.FieldResentCc, header.FieldResentBcc:
		m.resent = true
		found = &m.resentTo
	case header.FieldResentSender, header.FieldResentFrom, header.FieldResentReplyTo:
		m.resent = true
	case header.FieldSender, header.FieldFrom, header.FieldReplyTo, header.FieldReturnReceiptTo, header.FieldErrorsTo:
	case header.FieldReturnPath:
		return in.returnPath(text)
	case header.FieldResentDate, header.FieldResentMessageID:
		m.resent = true
		rewritten = false
	case header.FieldContentLength:
		return nil // it is wrong as soon as anything changes
	default:
		rewritten = false
	}
	if rewritten {
		done, err := in.conf.rewrite(text, func(addr string) {
			if found != nil {
				*found = append(*found, addr)
			}
			if f == header.FieldTo || f == header.FieldCc {
				m.toCc = append(m.toCc, addr)
			}
		})
		switch {
		case err == nil:
			text = done
		case found == nil:
			return errParse(string(text))
		}
		// A recipient field that is no address list stays as it is: mail to
		// somebody who is named elsewhere must not fail for it.
	}
	if f != header.FieldBcc && f != header.FieldResentBcc {
		m.kept = append(m.kept, text...)
	}
	return nil
}

// rewrite completes the addresses of a field and calls found with each, the
// last one first. On an error some may have been found already.
func (c *config) rewrite(field []byte, found func(addr string)) ([]byte, error) {
	l, err := token822.Parse(string(field))
	if err != nil {
		return nil, err
	}
	// The name and its colon are the first two tokens: names that are
	// rewritten are single atoms.
	list, err := l[2:].Rewrite(func(a token822.List) token822.List {
		a = c.defaults.Complete(a)
		found(a.Address())
		return a
	})
	if err != nil {
		return nil, err
	}
	return append(l[:2:2], list...).Unparse(token822.LineMax), nil
}

// returnPath takes the envelope sender from a Return-Path field, unless there
// is one already.
func (in *injector) returnPath(field []byte) error {
	_, err := in.conf.rewrite(field, func(addr string) {
		if in.hasSender {
			return
		}
		in.sender, in.hasSender = addr, true
		if in.conf.verpRecipient {
			in.sender += verpMark
		}
	})
	if err != nil {
		return errParse(string(field))
	}
	return nil
}

// verpMark at the end of a sender asks qmail-send for one sender per recipient
// (spec/send.md section 9).
const verpMark = "-@[]"

// addressField makes the tokens of a field with one address of user and host,
// as text that is then read like a field of the message: so a host name with
// a blank or comma in it is several addresses.
func addressField(name string, user, host string, hasHost bool, before, after token822.List) []byte {
	l := token822.List{{Kind: token822.Atom, Text: name}, {Kind: token822.Colon}}
	l = append(l, before...)
	kind := token822.Atom
	if address.NeedsQuote(user) {
		kind = token822.Quoted
	}
	l = append(l, token822.Token{Kind: kind, Text: user})
	if hasHost {
		l = append(l, token822.Token{Kind: token822.At}, token822.Token{Kind: token822.Atom, Text: host})
	}
	return append(l, after...).Unparse(0)
}

// defaultSender decides the envelope sender if neither -f nor a Return-Path
// field has.
func (in *injector) defaultSender() error {
	c := &in.conf
	defer func() { in.sender = untilNUL(in.sender) }()
	if in.hasSender {
		return nil
	}
	user := c.suser
	if c.verpMessage {
		user += "-" + in.messageTag()
	}
	if c.verpRecipient {
		user += "-"
	}
	return in.returnPath(addressField("Return-Path", user, c.shost, c.hasSHost, nil, nil))
}

// addedFields returns the fields that the message lacks, in the order in which
// they are written before its own.
func (in *injector) addedFields() (out []byte, err error) {
	m := &in.msg
	prefix := ""
	date, id, from := header.FieldDate, header.FieldMessageID, header.FieldFrom
	to, cc := header.FieldTo, header.FieldCc
	if m.resent {
		prefix = "Resent-"
		date, id, from = header.FieldResentDate, header.FieldResentMessageID, header.FieldResentFrom
		to, cc = header.FieldResentTo, header.FieldResentCc
	}
	if !m.seen.has(date) {
		out = append(out, prefix+"Date: "+header.DateZone(in.conf.now)+"\n"...)
	}
	if !m.seen.has(id) {
		out = append(out, prefix+"Message-ID: <"+header.Stamp(in.conf.now)+"."+strconv.Itoa(sys.Getpid())+
			".qmail@"+in.conf.idhost+">\n"...)
	}
	if !m.seen.has(from) {
		line, err := in.conf.fromField()
		if err != nil {
			return nil, err
		}
		// C qmail: a Resent-From is filled, and named in an error, as From.
		out = append(append(out, prefix...), line...)
	}
	if !m.seen.hasAny(to, cc) {
		out = append(out, prefix+"Cc: recipient list not shown: ;\n"...)
	}
	if !m.resent {
		out = append(out, in.followup()...)
	}
	return out, nil
}

// fromField makes a From field of the user's name and address.
func (c *config) fromField() ([]byte, error) {
	var before, after token822.List
	switch {
	case !c.hasName:
	case c.nameComment:
		after = token822.List{{Kind: token822.Comment, Text: c.name}}
	default:
		before = token822.List{{Kind: token822.Quoted, Text: c.name}, {Kind: token822.Left}}
		after = token822.List{{Kind: token822.Right}}
	}
	text := addressField("From", c.user, c.host, c.hasHost, before, after)
	out, err := c.rewrite(text, func(string) {})
	if err != nil {
		return nil, errParse(string(text))
	}
	return out, nil
}

// followup makes a Mail-Followup-To field if the message goes to a mailing list
// of $QMAILMFTFILE and has none: the addresses of To and Cc in the order of the
// message, one in each line.
func (in *injector) followup() []byte {
	m := &in.msg
	if !in.conf.hasLists || m.seen.has(header.FieldMailFollowupTo) || !slices.ContainsFunc(m.toCc, in.conf.lists.Has) {
		return nil
	}
	// Within a field addresses were found last to first, so reading backwards
	// restores their order, but puts the fields last to first.
	out := []byte(header.FieldMailFollowupTo.String() + ": ")
	for i := len(m.toCc) - 1; i >= 0; i-- {
		out = append(out, address.Quote(m.toCc[i])...)
		if i > 0 {
			out = append(out, ",\n  "...)
		}
	}
	return append(out, '\n')
}
