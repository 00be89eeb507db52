// Package forwarddb has the formats of fastforward: the forwarding database, a
// cdb file; the language in which setforward reads and printforward writes it;
// and binary mailing lists with the text that setmaillist makes them from.
//
// The records of a forwarding database. A target is USER@HOST, @HOST (every
// user at the host) or USER@ (the user at every host), in lower case:
//
//	key ":" + target   data: commands, each ended by NUL
//	key "?" + target   data: the owner's address, without NUL; it becomes the
//	                   envelope sender of what is forwarded for the target
//
// The first byte of a command says what it is:
//
//	&ADDRESS    recipient, at most 800 bytes
//	/PATH ./PATH  binary mailing list; the byte is part of the path
//	|COMMAND    program that is fed with the message
//	!COMMAND    program that is fed with UFLINE, RPLINE and DTLINE before it
//
// Of two records with one key the first counts. A binary mailing list is a
// sequence of such commands of the first two kinds.
//
// Setforward, newaliases, setmaillist and newinclude write these; fastforward,
// printforward and printmaillist read them; files of Debian's package
// fastforward are the same. What is not in the format is ErrFormat: a reader
// that went on with a part of a list would lose mail.
//
// The package does no I/O; package cdb has the file format.
// Spec: spec/fastforward.md sections 1, 2, 3 and 5.
package forwarddb

import (
	"bytes"
	"errors"

	"goqmail/internal/address"
)

// MaxAddress is the longest recipient address in bytes.
const MaxAddress = 800

// maxStored is the longest address that readers accept, as in C: more than any
// tool writes.
const maxStored = 898

// ErrFormat says that a record or a list is not in the format.
var ErrFormat = errors.New("bad format")

// errCut is ErrFormat for data that end in the middle of a command.
var errCut = formatError("data end without NUL")

type formatError string

func (e formatError) Error() string        { return ErrFormat.Error() + ": " + string(e) }
func (e formatError) Is(target error) bool { return target == ErrFormat }

// First bytes of keys.
const (
	keyCommands = ':'
	keyOwner    = '?'
)

// CommandsKey is the key of a target's commands. Target may be in any case.
func CommandsKey(target string) []byte { return []byte(string(keyCommands) + address.Lower(target)) }

// OwnerKey is the key of a target's owner. Target may be in any case.
func OwnerKey(target string) []byte { return []byte(string(keyOwner) + address.Lower(target)) }

// A Kind is the first byte of a command.
type Kind byte

// The kinds.
const (
	Recipient Kind = '&'
	ListDot   Kind = '.' // a mailing list below the current directory
	ListSlash Kind = '/'
	Program   Kind = '|'
	Preline   Kind = '!' // a program that gets three more lines
)

// A Command is one thing to do with a message.
type Command struct {
	Kind Kind
	// Text is the address or command; of a list the whole path.
	Text string
}

// IsList tells whether the command names a mailing list.
func (c Command) IsList() bool { return c.Kind == ListDot || c.Kind == ListSlash }

// IsProgram tells whether the command runs a program.
func (c Command) IsProgram() bool { return c.Kind == Program || c.Kind == Preline }

// String is the command as it is stored, without its NUL.
func (c Command) String() string {
	if c.IsList() {
		return c.Text
	}
	return string(c.Kind) + c.Text
}

// Append adds the command as it is stored. Its Text must have no NUL.
func (c Command) Append(b []byte) []byte {
	if !c.IsList() {
		b = append(b, byte(c.Kind))
	}
	return append(append(b, c.Text...), 0)
}

// AppendAll adds commands as they are stored.
func AppendAll(b []byte, commands []Command) []byte {
	for _, c := range commands {
		b = c.Append(b)
	}
	return b
}

// parseCommand reads one command without its NUL.
func parseCommand(s []byte) (c Command, ok bool) {
	if len(s) == 0 {
		return c, false
	}
	c = Command{Kind(s[0]), string(s[1:])}
	switch c.Kind {
	case Recipient:
		return c, len(c.Text) <= maxStored
	case Program, Preline:
		return c, true
	case ListDot, ListSlash:
		c.Text = string(s)
		return c, true
	}
	return c, false
}

// ParseCommands reads the data of a target's commands. On an error, which is
// ErrFormat, it returns those before it.
func ParseCommands(data []byte) ([]Command, error) {
	return parse(data, func(Command) bool { return true })
}

// ParseList reads a binary mailing list. On an error, which is ErrFormat, it
// returns the entries before it.
func ParseList(data []byte) ([]Command, error) {
	return parse(data, func(c Command) bool { return !c.IsProgram() })
}

func parse(data []byte, allowed func(Command) bool) ([]Command, error) {
	commands := make([]Command, 0, bytes.Count(data, []byte{0}))
	for len(data) > 0 {
		i := bytes.IndexByte(data, 0)
		if i < 0 {
			return commands, errCut
		}
		c, ok := parseCommand(data[:i])
		if !ok || !allowed(c) {
			return commands, ErrFormat
		}
		commands, data = append(commands, c), data[i+1:]
	}
	return commands, nil
}
