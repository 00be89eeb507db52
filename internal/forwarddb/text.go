package forwarddb

import (
	"bytes"
	"errors"

	"goqmail/internal/address"
)

// What Compile says of a text that is not in the language.
var (
	ErrNUL     = errors.New("NUL bytes are not permitted")
	ErrNoColon = errors.New("commas are not permitted before colons")
	ErrColons  = errors.New("double colons are not permitted")
	ErrTooLong = errors.New("addresses over 800 bytes are not permitted")
	ErrNoEnd   = errors.New("final instruction must end with semicolon")
)

// Compile calls put for each record that the text describes, in its order. The
// text is a series of instructions:
//
//	target: command, command, ... ;
//
// "#" up to the end of the line is a comment. Newlines, blanks and tabs are
// dropped wherever they stand; a backslash makes the next byte literal. Empty
// commands count for nothing, and an instruction without any makes no record.
//
// A command is stored as it is when it begins with one of & . / | and !; "?"
// is followed by the owner's address; any other is a recipient's address. Kept
// from C: a backslash does not take the meaning from a command's first byte.
//
// The error is one of those above or what put returned; records before it have
// been put then.
func Compile(text []byte, put func(key, data []byte) error) error {
	c := compiler{put: put}
	for i := 0; i < len(text); i++ {
		switch b := text[i]; b {
		case 0:
			return ErrNUL
		case '#':
			end := bytes.IndexByte(text[i:], '\n')
			if end < 0 {
				end = len(text) - i
			}
			i += end
		case ' ', '\t', '\n':
		case ':':
			if c.inside {
				return ErrColons
			}
			c.target, c.inside, c.word = address.Lower(string(c.word)), true, c.word[:0]
		case ',', ';':
			if err := c.endCommand(b == ';'); err != nil {
				return err
			}
		case '\\':
			if i++; i == len(text) {
				break // it stands for nothing
			}
			if text[i] == 0 {
				return ErrNUL
			}
			c.word = append(c.word, text[i])
		default:
			c.word = append(c.word, b)
		}
	}
	if c.inside || len(c.word) > 0 {
		return ErrNoEnd
	}
	return nil
}

// A compiler is the state of Compile.
type compiler struct {
	put      func(key, data []byte) error
	word     []byte // the target or command that is being read
	target   string
	inside   bool   // the target's colon was seen and its semicolon not yet
	commands []byte // of the target, as they are stored
}

// endCommand takes the word as a command; last says that it ends the
// instruction.
func (c *compiler) endCommand(last bool) error {
	if !c.inside {
		return ErrNoColon
	}
	word := c.word
	c.word = c.word[:0]
	switch {
	case len(word) == 0:
	case word[0] == keyOwner:
		if err := c.put(OwnerKey(c.target), word[1:]); err != nil {
			return err
		}
	default:
		cmd, ok := parseCommand(word)
		if !ok {
			cmd = Command{Recipient, string(bytes.TrimPrefix(word, []byte{byte(Recipient)}))}
		}
		if cmd.Kind == Recipient && len(cmd.Text) > MaxAddress {
			return ErrTooLong
		}
		c.commands = cmd.Append(c.commands)
	}
	if !last {
		return nil
	}
	commands := c.commands
	c.inside, c.commands = false, c.commands[:0]
	if len(commands) == 0 {
		return nil
	}
	return c.put(CommandsKey(c.target), commands)
}

// AppendText adds the instruction that Compile makes the record of. The error
// is ErrFormat; b is unchanged then.
func AppendText(b, key, data []byte) ([]byte, error) {
	if len(key) == 0 || bytes.IndexByte(key, 0) >= 0 {
		return b, ErrFormat
	}
	switch key[0] {
	case keyOwner:
		if bytes.IndexByte(data, 0) >= 0 {
			return b, ErrFormat
		}
		b = append(appendEscaped(b, key[1:]), ": ?"...)
		return append(appendEscaped(b, data), ";\n"...), nil
	case keyCommands:
		commands, err := ParseCommands(data)
		if err != nil {
			return b, err
		}
		b = append(appendEscaped(b, key[1:]), ":\n"...)
		for _, c := range commands {
			b = append(appendEscaped(append(b, ", "...), []byte(c.String())), '\n')
		}
		return append(b, ";\n"...), nil
	}
	return b, ErrFormat
}

// appendEscaped adds s with a backslash before each byte that means something
// to Compile or is no printable ASCII character (127 counts as one, as in C).
func appendEscaped(b, s []byte) []byte {
	for _, c := range s {
		switch {
		case c <= ' ', c >= 0x80, c == '#', c == ',', c == ':', c == ';', c == '\\':
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return b
}
