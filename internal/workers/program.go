package workers

import (
	"bytes"
	"errors"
	"sync"

	"goqmail/internal/pipe"
	"goqmail/internal/sys"
)

// A Version tells one file in a program's place from the next.
type Version = sys.Version

// A Program is a file that may be able to be a worker. Its fields are set before
// use.
type Program struct {
	Dir  *sys.Dir // where Path begins
	Path string
	Mark pipe.WorkerMark

	mu    sync.Mutex
	known Version
	able  bool
}

// Look tells whether the file that is at Path now has the mark. The file is read
// only when it is not the one that was there before. One that may be executed but
// not read counts as having it, until Disown says that it has not: the program
// itself has to say then whether it is a worker. Other trouble of any kind means
// no, and whoever starts the program finds out.
func (p *Program) Look() (v Version, able bool) {
	st, err := p.Dir.Stat(p.Path)
	if err != nil || !st.IsRegular() {
		return Version{}, false
	}
	v = st.Version()
	p.mu.Lock()
	defer p.mu.Unlock()
	if v == p.known {
		return v, p.able
	}
	able, err = p.read(v)
	if sys.IsAccess(err) {
		able, err = true, nil
	}
	if err != nil {
		return v, false // and look again the next time
	}
	p.known, p.able = v, able
	return v, able
}

// Disown notes that version v is no worker after all.
func (p *Program) Disown(v Version) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.known, p.able = v, false
}

// A Finder is a program that is looked up anew for each job, and so may be another
// file each time. Its Mark is set before use.
type Finder struct {
	Mark pipe.WorkerMark

	mu   sync.Mutex
	last *Program
}

// At is the program that was found at path.
func (f *Finder) At(path string) *Program {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil || f.last.Path != path {
		f.last = &Program{Dir: sys.Cwd(), Path: path, Mark: f.Mark}
	}
	return f.last
}

// chunk is how much of a file is read at once.
const chunk = 64 << 10

// errOther: the file is not the one that was looked at.
var errOther = errors.New("file was exchanged")

// read looks for the mark in the file, which must still be version v.
func (p *Program) read(v Version) (found bool, err error) {
	fd, err := p.Dir.Open(p.Path, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return false, err
	}
	defer func() { _ = fd.Close() }() // opened for reading
	st, err := fd.Stat()
	if err != nil {
		return false, err
	}
	if st.Version() != v {
		return false, errOther
	}
	mark := []byte(p.Mark)
	buf := make([]byte, 0, chunk+len(mark))
	for {
		n, err := fd.Read(buf[len(buf) : len(buf)+chunk])
		buf = buf[:len(buf)+n]
		if bytes.Contains(buf, mark) {
			return true, nil
		}
		if err != nil {
			return false, nil // the end, or a file that cannot be read: not one of ours
		}
		keep := min(len(buf), len(mark)-1)
		buf = append(buf[:0], buf[len(buf)-keep:]...)
	}
}

// classicFile is a switch: only whether it exists counts.
const classicFile = "classic"

// Classic tells whether the administrator wants a process for each job, as in C
// qmail: control/classic exists. What cannot be found out counts as yes.
func Classic(home string) bool {
	_, err := sys.Cwd().Stat(home + "/control/" + classicFile)
	return !sys.IsNotExist(err)
}
