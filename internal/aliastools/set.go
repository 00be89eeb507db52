package aliastools

import (
	"errors"

	"goqmail/internal/forwarddb"
	"goqmail/internal/newfile"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// Setforward is setforward: it compiles the instructions on descriptor 0 into
// the forwarding database that its first argument names, by way of the file that
// its second one names. Exit 0; 100 for wrong arguments or instructions; else
// 111. Spec: spec/fastforward.md section 2.
func Setforward(p *prog.Process) int {
	g := program{p, "setforward"}
	if len(p.Args) < 3 {
		return g.usage(" data.cdb data.tmp")
	}
	name, tmp := p.Args[1], p.Args[2]
	f, err := newfile.CreateCDB(sys.Cwd(), tmp, name)
	if err != nil {
		return g.fatal(exitFail, "unable to create "+tmp, err)
	}
	text, code := g.input(f.File)
	if text == nil {
		return code
	}
	err = forwarddb.Compile(text, f.Put)
	if err == nil {
		err = f.Finish()
	} else {
		f.Abandon()
	}
	switch {
	case err == nil:
		return g.move(f.File, name, tmp)
	case isAny(err, forwarddb.ErrNUL, forwarddb.ErrNoColon, forwarddb.ErrColons, forwarddb.ErrTooLong, forwarddb.ErrNoEnd):
		return g.fatal(exitBad, err.Error(), nil)
	}
	return g.fatal(exitFail, "unable to write to "+tmp, err)
}

// isAny tells whether err is one of errs.
func isAny(err error, errs ...error) bool {
	for _, e := range errs {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// Setmaillist is setmaillist: it compiles the lines on descriptor 0 into the
// binary mailing list that its first argument names, by way of the file that its
// second one names. Exit 0; 100 for wrong arguments; else 111.
// Spec: spec/fastforward.md section 5.
func Setmaillist(p *prog.Process) int {
	g := program{p, "setmaillist"}
	if len(p.Args) < 3 {
		return g.usage(" list.bin list.tmp")
	}
	bin, tmp := p.Args[1], p.Args[2]
	f, err := newfile.Create(sys.Cwd(), tmp, bin)
	if err != nil {
		return g.fatal(exitFail, "unable to create "+tmp, err)
	}
	text, code := g.input(f)
	if text == nil {
		return code
	}
	list, err := forwarddb.CompileList(text)
	if err != nil {
		f.Abandon()
		return g.fatal(exitFail, err.Error(), nil)
	}
	return g.finishList(f, list, bin, tmp)
}

// input reads descriptor 0 to its end, for the file f. Without it text is nil,
// f is given up, and the exit code that ends the program is returned.
func (g program) input(f *newfile.File) (text []byte, code int) {
	text, err := readInput(g.p)
	if err != nil {
		f.Abandon()
		return nil, g.fatal(exitFail, "unable to read input", err)
	}
	return text, 0 // empty, but never nil
}
