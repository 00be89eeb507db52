package cdbtools

import (
	"errors"

	"goqmail/internal/assign"
	"goqmail/internal/newfile"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// Files of qmail-newu, below the home directory.
const (
	assignFile = "users/assign"
	usersCDB   = "users/cdb"
	usersTmp   = "users/cdb.tmp"
)

// umaskTable lets everyone read the files and only the owner write them.
const umaskTable = 0o033

// Newu is qmail-newu: it compiles users/assign into users/cdb. Exit 0, or 111
// with one line on descriptor 2.
func Newu(p *prog.Process) int {
	g := program{p, "qmail-newu"}
	sys.Umask(umaskTable)
	home, err := sys.OpenDir(p.Home)
	if err != nil {
		return g.fatal(exitFail, "unable to chdir", nil)
	}
	defer func() { _ = home.Close() }() // read only
	src, err := home.Open(assignFile, sys.ReadOnly, 0)
	if err != nil {
		return g.fatal(exitFail, "unable to open "+assignFile, nil)
	}
	defer func() { _ = src.Close() }() // read only
	b, err := newfile.CreateCDB(home, usersTmp, usersCDB)
	if err != nil {
		return g.fatal(exitFail, "unable to open "+usersTmp, nil)
	}
	text, err := src.ReadAll(maxSource)
	if err != nil {
		b.Abandon()
		return g.fatal(exitFail, "unable to read "+assignFile, nil)
	}
	if err := assign.Compile(text, b.Put); err != nil {
		b.Abandon()
		if errors.Is(err, assign.ErrFormat) {
			return g.fatal(exitFail, "bad format in "+assignFile, nil)
		}
		return g.fatal(exitFail, "unable to write "+usersTmp, nil)
	}
	if b.Finish() != nil {
		return g.fatal(exitFail, "unable to write "+usersTmp, nil)
	}
	if b.Move() != nil {
		return g.fatal(exitFail, "unable to move "+usersTmp+" to "+usersCDB, nil)
	}
	return exitOK
}
