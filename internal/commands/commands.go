package commands

import (
	"bytes"

	"goqmail/internal/address"
)

// An Argument is what follows a verb: the rest of the line after the blanks
// behind the verb. Blanks at its end are part of it.
type Argument struct {
	Text string
	Cut  bool // the line was so long that its end was dropped
}

// A Command is one verb of a protocol.
type Command struct {
	Name  string // in any case
	Do    func(Argument) error
	Flush bool // answers are written at once, not when the next line is waited for
}

// Parse cuts a line, without its end, into verb and argument. A NUL ends the
// line; the verb ends at the first blank, and only the byte 0x20 is one.
func Parse(line []byte) (verb, arg []byte) {
	if i := bytes.IndexByte(line, 0); i >= 0 {
		line = line[:i]
	}
	verb = line
	if i := bytes.IndexByte(line, ' '); i >= 0 {
		verb, arg = line[:i], line[i:]
		for len(arg) > 0 && arg[0] == ' ' {
			arg = arg[1:]
		}
	}
	return verb, arg
}

// Serve reads lines and runs the command that each names, ASCII case aside;
// other is for lines that name none. It ends with the first error: of reading,
// of writing (a *WriteError), or of a command.
func Serve(c *Conn, table []Command, other Command) error {
	for {
		line, cut, err := c.Line()
		if err != nil {
			return err
		}
		verb, arg := Parse(line)
		cmd := find(table, verb)
		if cmd == nil {
			cmd = &other
		}
		if err := cmd.Do(Argument{string(arg), cut}); err != nil {
			return err
		}
		if cmd.Flush {
			if err := c.Flush(); err != nil {
				return err
			}
		}
	}
}

// find is the command with that name, or nil.
func find(table []Command, verb []byte) *Command {
	for i := range table {
		if len(verb) == len(table[i].Name) && address.EqualFold(string(verb), table[i].Name) {
			return &table[i]
		}
	}
	return nil
}
