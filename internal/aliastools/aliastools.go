// Package aliastools has the programs around fastforward: newaliases and
// newinclude compile what Sendmail's users write, setforward and setmaillist
// compile fastforward's own texts, printforward and printmaillist turn both back
// into text. Administrators and users run them; nothing starts them on the way
// of a message. The formats are in packages forwarddb and aliases.
//
// Spec: spec/fastforward.md sections 2, 3 and 5 to 7.
package aliastools

import (
	"errors"

	"goqmail/internal/cdb"
	"goqmail/internal/newfile"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// Exit codes of these programs.
const (
	exitOK   = 0
	exitBad  = 100 // wrong arguments, or a text or file that is not in its format
	exitFail = 111 // anything else; the old file is as it was
)

// maxSource is the largest source, in bytes: it is held in memory.
const maxSource = 256 << 20

// A program is one of the programs: its name in the messages.
type program struct {
	p    *prog.Process
	name string
}

// usage says how the program is called.
func (g program) usage(args string) int {
	return g.p.Die(exitBad, g.name, ": usage: ", g.name, args)
}

// fatal says what failed and returns the exit code; err may be nil.
func (g program) fatal(code int, what string, err error) int {
	parts := []string{g.name, ": fatal: ", what}
	if err != nil {
		parts = append(parts, ": ", errText(err))
	}
	return g.p.Die(code, parts...)
}

// errText is the text for an error number, or for an error of package cdb.
func errText(err error) string {
	if errors.Is(err, cdb.ErrTooMuchData) {
		return "file too big"
	}
	return sys.ErrText(err)
}

// errNoFile is the error for a source that is neither a file nor a directory: a
// FIFO without a writer would look like an empty one, and with one could hang.
var errNoFile = errors.New("not a file")

// readSource reads the regular file at path.
func readSource(path string) ([]byte, error) {
	fd, err := sys.Cwd().Open(path, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = fd.Close() }() // read only
	st, err := fd.Stat()
	if err != nil {
		return nil, err
	}
	if !st.IsRegular() && !st.IsDir() {
		return nil, errNoFile
	}
	return fd.ReadAll(maxSource)
}

// unreadable ends a program whose source cannot be read.
func (g program) unreadable(path string, err error) int {
	if err == errNoFile {
		return g.fatal(exitFail, "unable to read "+path+": "+err.Error(), nil)
	}
	return g.fatal(exitFail, "unable to read "+path, err)
}

// finishList writes content into f and gives it its name.
func (g program) finishList(f *newfile.File, content []byte, bin, tmp string) int {
	err := f.Publish()
	if err == nil {
		_, err = f.Write(content)
	}
	if err != nil {
		f.Abandon()
	} else {
		err = f.Finish()
	}
	if err != nil {
		return g.fatal(exitFail, "unable to write to "+tmp, err)
	}
	return g.move(f, bin, tmp)
}

// move gives the finished file its name.
func (g program) move(f *newfile.File, name, tmp string) int {
	if err := f.Move(); err != nil {
		return g.fatal(exitFail, "unable to move "+tmp+" to "+name, err)
	}
	return exitOK
}

// readInput reads descriptor 0 to its end. One that is closed is not an empty
// table, which would make all aliases vanish.
func readInput(p *prog.Process) ([]byte, error) {
	if p.FD(0).WasClosed() {
		return nil, sys.ErrWasClosed
	}
	return p.FD(0).ReadAll(maxSource)
}
