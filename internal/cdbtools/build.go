// Package cdbtools has the programs that compile tables into cdb files, and the
// one that writes such a table: qmail-newu, qmail-newmrh, tcprules,
// tcprulescheck and qmail-pw2u. An administrator runs them; nothing starts them
// on the way of a message. The formats are in packages assign, tcprules and cdb.
//
// Spec: spec/local.md sections 8 and 9, spec/control.md section 2,
// spec/ucspi.md section 2.
package cdbtools

import (
	"errors"

	"goqmail/internal/cdb"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// Exit codes of these programs.
const (
	exitOK    = 0
	exitUsage = 100 // bad arguments; for tcprules also a bad line
	exitFail  = 111 // anything else; the old cdb file is as it was
)

// maxSource is the largest source that is compiled, in bytes: its cdb file could
// not be larger than 4 GiB, and it is held in memory.
const maxSource = 1 << 30

// A program is one of the programs as it ends: its name in the messages.
type program struct {
	p    *prog.Process
	name string
}

// errText is the text for an error number, or for an error of package cdb.
func errText(err error) string {
	switch {
	case errors.Is(err, cdb.ErrFormat):
		return "protocol error" // as C's cdb readers say
	case errors.Is(err, cdb.ErrTooMuchData):
		return "file too big"
	}
	return sys.ErrText(err)
}

// fatal says what failed and returns the exit code; err may be nil.
func (g program) fatal(code int, what string, err error) int {
	parts := []string{g.name, ": fatal: ", what}
	if err != nil {
		parts = append(parts, ": ", errText(err))
	}
	return g.p.Die(code, parts...)
}
