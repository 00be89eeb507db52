package lspawn

import (
	"errors"
	"io"

	"goqmail/internal/assign"
	"goqmail/internal/cdb"
	"goqmail/internal/pipe"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
)

// maxNughde is how much of qmail-getpw's output is kept, in bytes. The extension
// in it may be as long as a local part in a command.
const maxNughde = pipe.CommandMax + 64<<10

// identify finds who receives the local part: what users/cdb says, else what
// qmail-getpw finds. code is not 0 if that is not to be found out.
func (s *spawner) identify(local string) (who pipe.Nughde, code int) {
	who, found, code := s.assigned(local)
	if found || code != 0 {
		return who, code
	}
	return s.ask(local)
}

// assigned looks the local part up in users/cdb. Only a file that does not exist
// means that nothing is assigned; whatever is wrong with one that does defers the
// delivery.
func (s *spawner) assigned(local string) (who pipe.Nughde, found bool, code int) {
	fd, err := s.home.Open(assignments, sys.ReadOnly|sys.NonBlock, 0)
	if sys.IsNotExist(err) {
		return who, false, 0
	}
	if err != nil {
		return who, false, exitAssign
	}
	defer func() { _ = fd.Close() }() // opened for reading
	st, err := fd.Stat()
	if err != nil || !st.IsRegular() {
		return who, false, exitAssign
	}
	return search(fd, st.Size, local)
}

// search looks the local part up in a database of size bytes. A panic of the
// reader counts as a broken database.
func search(r io.ReaderAt, size int64, local string) (who pipe.Nughde, found bool, code int) {
	defer func() {
		if recover() != nil {
			who, found, code = pipe.Nughde{}, false, exitAssign
		}
	}()
	db, err := cdb.New(r, size)
	if err != nil {
		return who, false, exitAssign
	}
	who, found, err = assign.Lookup(db, local)
	switch {
	case errors.Is(err, pipe.ErrFormat): // a record without its six fields
		return pipe.Nughde{}, false, exitBug
	case err != nil:
		return pipe.Nughde{}, false, exitAssign
	}
	return who, found, 0
}

// ask runs qmail-getpw, which may ask a directory service, and so may take its
// time: the delivery's slot is busy meanwhile, nothing else waits.
func (s *spawner) ask(local string) (who pipe.Nughde, code int) {
	if who, code, done := s.lookups.ask(local); done {
		return who, code
	}
	r, w, err := sys.ChildPipe()
	if err != nil {
		return who, exitSystem
	}
	defer func() { _ = r.Close() }() // read to its end
	null, err := sys.Cwd().Open("/dev/null", sys.ReadWrite, 0)
	if err != nil {
		null = -1
	}
	proc, err := s.start(&child.Cmd{
		Path: getpwProgram, Args: []string{getpwProgram, local}, Dir: s.homeName, Env: s.env,
		Files: []sys.FD{null, w, null}, Leaf: true, Crash: true,
	}, s.lookup)
	_ = w.Close() // our copy
	if null >= 0 {
		_ = null.Close() // nothing was written
	}
	switch {
	case err == nil:
	case sys.IsWouldBlock(err) || sys.IsNoMemory(err):
		return who, exitSystem
	case sys.IsPerm(err): // we may not become qmailp
		return who, exitBug
	default:
		return who, exitNoGetpw
	}
	var answer []byte
	buf := make([]byte, 512)
	for {
		n, err := r.Read(buf)
		answer = append(answer, buf[:min(n, maxNughde-len(answer))]...)
		if err != nil {
			break
		}
	}
	st, err := proc.Wait()
	switch {
	case err != nil || st.Crashed() || st.Code() == exitRuntime:
		return who, exitSystem
	}
	return understand(st.Code(), answer)
}

// understand is what qmail-getpw's exit code and answer mean.
func understand(code int, answer []byte) (pipe.Nughde, int) {
	if code != 0 {
		return pipe.Nughde{}, code
	}
	who, err := pipe.ParseNughde(answer)
	if err != nil {
		return who, exitBug
	}
	return who, 0
}
