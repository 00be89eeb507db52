package aliastools

import (
	"bufio"
	"errors"

	"goqmail/internal/cdb"
	"goqmail/internal/forwarddb"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// Printforward is printforward: it writes the records of the forwarding database
// on descriptor 0, in the order of the file, as instructions that setforward
// takes. It does not look anything up, so the database may come through a pipe.
// Exit 0; 100 for what is no forwarding database; 111 for a read or write error.
// Spec: spec/fastforward.md section 3.
func Printforward(p *prog.Process) int {
	g := program{p, "printforward"}
	if p.FD(0).WasClosed() {
		return g.fatal(exitFail, "unable to read input", sys.ErrWasClosed)
	}
	out := bufio.NewWriterSize(p.FD(1), 64<<10)
	var line []byte
	s := cdb.NewScanner(bufio.NewReaderSize(p.FD(0), 64<<10))
	for s.Next() {
		var err error
		if line, err = forwarddb.AppendText(line[:0], s.Key(), s.Value()); err != nil {
			return g.badDatabase()
		}
		if _, err := out.Write(line); err != nil {
			return g.unwritable(err)
		}
	}
	// What came before the end of a cut file is shown.
	if err := out.Flush(); err != nil {
		return g.unwritable(err)
	}
	switch err := s.Err(); {
	case errors.Is(err, cdb.ErrFormat):
		return g.badDatabase()
	case err != nil:
		return g.fatal(exitFail, "unable to read input", err)
	}
	return exitOK
}

// badDatabase ends printforward. C says printmaillist in its place.
func (g program) badDatabase() int { return g.fatal(exitBad, "bad database format", nil) }

// unwritable ends a program that cannot write its output.
func (g program) unwritable(err error) int { return g.fatal(exitFail, "unable to write output", err) }

// Printmaillist is printmaillist: it writes the entries of the binary mailing
// list on descriptor 0 as lines that setmaillist takes. Exit 0; 100 for what is
// no such list; 111 for a read or write error.
// Spec: spec/fastforward.md section 5.
func Printmaillist(p *prog.Process) int {
	g := program{p, "printmaillist"}
	list, err := readInput(p)
	if err != nil {
		return g.fatal(exitFail, "unable to read input", err)
	}
	text, bad := forwarddb.ListText(list)
	if _, err := p.FD(1).Write(text); err != nil {
		return g.unwritable(err)
	}
	if bad != nil {
		return g.fatal(exitBad, "bad mailing list format", nil)
	}
	return exitOK
}
