// Package dotqmail is the format of .qmail files: the names under which a
// delivery looks for one, and the instructions in its lines. It opens no file
// and delivers nothing; package local does. Spec: spec/local.md sections 4 to 6.
//
// A file is a list of lines, each an instruction chosen by its first byte:
//
//	(empty)   nothing; as the very first line an error
//	#...      comment
//	./... /...   file delivery: Maildir if the last byte is /, else mbox
//	|...      program: the rest is a command for /bin/sh
//	+list     forward-only from here on; other lines with + are ignored
//	&...      forward to the rest
//	other     forward to the whole line
//
// Blanks and tabs at the end of a line do not count; a CR does. Lines are bytes:
// what follows a NUL is lost, except that the last byte of the whole line tells
// a Maildir from an mbox, and that qmail-local -n shows all of it.
package dotqmail

import (
	"bytes"
	"errors"
)

// A Kind says what an instruction does.
type Kind int

// The kinds of instructions. Lines without effect have none.
const (
	Maildir Kind = iota // deliver into the Maildir
	Mbox                // append to the mbox
	Program             // run the command
	Forward             // add a recipient to the one forwarded message
	List                // "+list": forward-only from here on
)

// First bytes of lines, and the one word that may follow +.
const (
	markComment = '#'
	markDot     = '.'
	markSlash   = '/'
	markProgram = '|'
	markPlus    = '+'
	markForward = '&'
	listWord    = "list"
)

// An Instruction is one line that has an effect.
type Instruction struct {
	Kind Kind
	// Line is the line without | or & and without blanks at its end; a NUL in
	// it is still there. Empty for List.
	Line string
}

// Target is what the instruction works on: the Line up to its first NUL.
func (i Instruction) Target() string {
	for n := 0; n < len(i.Line); n++ {
		if i.Line[n] == 0 {
			return i.Line[:n]
		}
	}
	return i.Line
}

// Append adds the instruction as a line with its LF. Of the two spellings of a
// forward it uses the one with &. Line must be as Parse makes it.
func (i Instruction) Append(b []byte) []byte {
	switch i.Kind {
	case Program:
		b = append(b, markProgram)
	case Forward:
		b = append(b, markForward)
	case List:
		b = append(append(b, markPlus), listWord...)
	}
	return append(append(b, i.Line...), '\n')
}

// ErrBlankFirst is the error of a file whose first line is empty but for blanks,
// tabs, or a NUL first: a half-edited file, so the delivery must wait.
var ErrBlankFirst = errors.New("first line of .qmail file is blank")

// Parse reads the lines of a file, or of a default delivery. A final LF that is
// missing is added, so that no text at all is one blank line. The only error is
// ErrBlankFirst.
func Parse(text []byte) ([]Instruction, error) {
	var out []Instruction
	for first := true; first || len(text) > 0; first = false {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		line = trimBlanks(line)
		if len(line) == 0 || line[0] == 0 {
			if first {
				return nil, ErrBlankFirst
			}
			continue
		}
		if i, ok := parseLine(line); ok {
			out = append(out, i)
		}
	}
	return out, nil
}

// parseLine reads a line that is not empty; ok is false for one without effect.
func parseLine(line []byte) (i Instruction, ok bool) {
	switch line[0] {
	case markComment:
		return i, false
	case markDot, markSlash:
		if line[len(line)-1] == '/' {
			return Instruction{Maildir, string(line)}, true
		}
		return Instruction{Mbox, string(line)}, true
	case markProgram:
		return Instruction{Program, string(line[1:])}, true
	case markPlus:
		i = Instruction{Kind: List, Line: string(line[1:])}
		if i.Target() != listWord {
			return Instruction{}, false
		}
		return Instruction{Kind: List}, true
	case markForward:
		return Instruction{Forward, string(line[1:])}, true
	}
	return Instruction{Forward, string(line)}, true
}

// trimBlanks takes blanks and tabs off the end.
func trimBlanks(line []byte) []byte {
	for len(line) > 0 && (line[len(line)-1] == ' ' || line[len(line)-1] == '\t') {
		line = line[:len(line)-1]
	}
	return line
}
