package cdbtools

import (
	"goqmail/internal/address"
	"goqmail/internal/control"
	"goqmail/internal/newfile"
	"goqmail/internal/prog"
	"goqmail/internal/rcpthosts"
	"goqmail/internal/sys"
)

// Newmrh is qmail-newmrh: it compiles control/morercpthosts into
// control/morercpthosts.cdb; keys are the lines in lower case. Exit 0, or 111
// with one line on descriptor 2.
func Newmrh(p *prog.Process) int {
	const (
		source = "control/" + rcpthosts.MoreFile
		tmp    = "control/" + rcpthosts.MoreTmp
		name   = "control/" + rcpthosts.MoreCDB
	)
	g := program{p, "qmail-newmrh"}
	sys.Umask(umaskTable)
	home, err := sys.OpenDir(p.Home)
	if err != nil {
		return g.fatal(exitFail, "unable to chdir to "+p.Home, err)
	}
	defer func() { _ = home.Close() }() // read only
	text, err := home.ReadFile(source, maxSource)
	if err != nil {
		return g.fatal(exitFail, "unable to read "+source, err)
	}
	b, err := newfile.CreateCDB(home, tmp, name)
	if err != nil {
		return g.fatal(exitFail, "unable to write to "+tmp, err)
	}
	for _, line := range control.ParseList(text) {
		if err := b.Put([]byte(address.Lower(line)), nil); err != nil {
			b.Abandon()
			return g.fatal(exitFail, "unable to write to "+tmp, err)
		}
	}
	if err := b.Finish(); err != nil {
		return g.fatal(exitFail, "unable to write to "+tmp, err)
	}
	if err := b.Move(); err != nil {
		return g.fatal(exitFail, "unable to move "+tmp+" to "+name, err)
	}
	return exitOK
}
