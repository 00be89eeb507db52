package aliases

import (
	"bytes"
	"strings"

	"goqmail/internal/forwarddb"
)

// Compile calls put for each record that an alias table describes, in the order
// in which newaliases writes them. The error is an *Error or what put returned;
// records before the bad line have been put then.
func Compile(text []byte, h *Hosts, put func(key, data []byte) error) error {
	return eachLine(text, func(line []byte) error { return compileLine(line, h, put) })
}

// owner is what the alias of a list's owner begins with.
const owner = "owner-"

// compileLine puts the records of one line: that of the owner, then that of the
// alias. A line of comments and punctuation alone makes none.
func compileLine(line []byte, h *Hosts, put func(key, data []byte) error) error {
	a := alias{hosts: h}
	if err := items(line, a.take); err != nil {
		return err
	}
	if !a.any {
		return nil
	}
	if !a.found || len(a.commands) == 0 {
		return unparsable(line)
	}
	if list, ok := strings.CutPrefix(a.target, owner); ok {
		if err := put(forwarddb.OwnerKey(list), []byte(a.addr)); err != nil {
			return err
		}
	}
	return put(forwarddb.CommandsKey(a.target), forwarddb.AppendAll(nil, a.commands))
}

// An alias is one line as its items come in, the last one first. Each address
// may turn out to be the alias, so it waits for the next.
type alias struct {
	hosts    *Hosts
	any      bool // the line has an item
	commands []forwarddb.Command

	found        bool   // an address waits
	target, addr string // it as an alias, and completed
}

// take takes the next item to the left.
func (a *alias) take(it item) error {
	a.any = true
	if it.include {
		c, err := include(it.text, listSuffix, true)
		if err == nil {
			a.commands = append(a.commands, c)
		}
		return err
	}
	if it.text == "" {
		return errEmpty
	}
	if !it.at {
		switch it.text[0] {
		case '/':
			return unsupported("file", it.text)
		case '|':
			if err := clean(it.text, inPrograms, true); err != nil {
				return err
			}
			a.commands = append(a.commands, forwarddb.Command{Kind: forwarddb.Preline, Text: it.text[1:]})
			return nil
		}
		it.text += "@" // a user at every host
	}
	addr := it.text
	if strings.HasSuffix(addr, "@") {
		addr += a.hosts.Default
	}
	addr = a.hosts.complete(addr)
	if err := clean(addr, inAddresses, true); err != nil {
		return err
	}
	if len(addr) > forwarddb.MaxAddress {
		return errLong
	}
	if a.found {
		a.commands = append(a.commands, forwarddb.Command{Kind: forwarddb.Recipient, Text: a.addr})
	}
	a.found, a.target, a.addr = true, it.text, addr
	return nil
}

// CompileInclude makes a binary mailing list of an :include: file: any number of
// addresses and further :include: files on each line, which does not go on in
// the next. Lines that begin with "#" are comments. Within a line the last entry
// comes first. Programs and files are refused: whoever may write the file could
// run programs as its reader. The error is an *Error.
func CompileInclude(text []byte, h *Hosts) ([]byte, error) {
	list := make([]byte, 0, len(text)+len(text)/8)
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line = text[:i+1]
		}
		text = text[len(line):]
		if line[0] == '#' {
			continue
		}
		err := items(line, func(it item) error {
			c, err := entry(it, h)
			if err == nil && c.Text != "" {
				list = c.Append(list)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// entry is the entry of a mailing list for an item; its Text is empty for an
// address without a byte, which counts for nothing.
func entry(it item, h *Hosts) (c forwarddb.Command, err error) {
	switch {
	case it.include:
		return include(it.text, "", false)
	case it.text == "":
		return c, nil
	case it.at:
	case it.text[0] == '/':
		return c, unsupported("file", it.text)
	case it.text[0] == '|':
		return c, unsupported("program", it.text)
	default:
		it.text += "@" + h.Default
	}
	addr := h.complete(it.text)
	if err := clean(addr, inAddresses, false); err != nil {
		return c, err
	}
	if len(addr) > forwarddb.MaxAddress {
		return c, errLongEntry
	}
	return forwarddb.Command{Kind: forwarddb.Recipient, Text: addr}, nil
}
