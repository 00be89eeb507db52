package mbox

import (
	"bufio"
	"errors"
	"io"

	"goqmail/internal/sys"
)

// ErrSame is why Extend does not create tmp: it is the mbox under another name.
var ErrSame = errors.New("it is the mbox itself")

// Extend makes the mbox name below dir hold what it holds and then what add
// writes. A new file, tmp, takes its place, so that readers and a crash find all
// of that or nothing. tmp is below dir too; if there is one already its content
// is lost and its mode kept. The error is an *Error, or the one that add
// returned.
//
//	X1  mbox opened, created if absent    a crash leaves an empty file
//	X2  flock held, however long that takes
//	X3  tmp written and fsynced           a crash leaves tmp; the next Extend starts it anew
//	X4  tmp renamed to name               a crash leaves the old mbox or the new one
//	X5  directory fsynced                 the new mbox stays
//	X6  the old file closed; the lock goes with it
//
// A failure before X4 leaves the mbox as it was, and one before X3 is complete
// empties tmp, so that it takes no room. One in X5 leaves the new mbox, which a
// loss of power may undo.
func Extend(dir *sys.Dir, name, tmp string, add func(out io.Writer) error) error {
	f, err := openLocked(dir, name)
	if err != nil {
		return err
	}
	defer func() { _ = f.fd.Close() }() // nothing was written through it
	old, err := dir.Open(name, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return &Error{Read, err}
	}
	defer func() { _ = old.Close() }() // nor through this one
	fd, limit, err := create(dir, tmp, old)
	if err != nil {
		return &Error{Create, err}
	}
	err = fill(&sys.FileWriter{FD: fd, Limit: limit}, old, add)
	if err == nil {
		err = at(Write, fd.Sync())
	}
	if err != nil {
		_ = fd.Truncate(0) // best effort: the error above is what counts
	}
	if cerr := fd.Close(); err == nil {
		err = at(Write, cerr)
	}
	if err == nil {
		err = at(Move, dir.Rename(tmp, name))
	}
	if err == nil {
		err = at(Move, f.syncParent(dir, name))
	}
	return err
}

// at is err as an *Error of a stage, nil for nil.
func at(stage Stage, err error) error {
	if err == nil {
		return nil
	}
	return &Error{stage, err}
}

// openLocked opens and locks the mbox, waiting for the lock as long as it takes.
// If somebody has replaced the mbox meanwhile, it begins again.
func openLocked(dir *sys.Dir, name string) (*file, error) {
	for {
		f, err := openOnce(dir, name)
		if err != nil {
			return nil, &Error{Open, err}
		}
		if err := f.fd.LockExclusive(); err != nil {
			_ = f.fd.Close() // nothing was written
			return nil, &Error{Lock, err}
		}
		if !f.regular || sameFile(dir, name, f.fd) {
			return f, nil
		}
		_ = f.fd.Close() // as above
	}
}

// create opens tmp empty, unless it is the file that old is. limit is how long
// it may become.
func create(dir *sys.Dir, tmp string, old sys.FD) (fd sys.FD, limit int64, err error) {
	fd, err = dir.Open(tmp, sys.WriteOnly|sys.Create|sys.NonBlock, mode)
	if err != nil {
		return -1, 0, err
	}
	f := file{fd: fd}
	st, err := fd.Stat()
	if err == nil {
		f.regular = st.IsRegular()
		var was sys.Info
		if was, err = old.Stat(); err == nil && was.Dev == st.Dev && was.Ino == st.Ino {
			err = ErrSame
		}
	}
	if err == nil && f.regular {
		err = fd.Truncate(0)
	}
	if err != nil {
		_ = fd.Close() // nothing was written
		return -1, 0, err
	}
	return fd, f.limit(), nil
}

// fill writes all of old and then what add gives.
func fill(w io.Writer, old io.Reader, add func(io.Writer) error) error {
	out := bufio.NewWriterSize(w, bufSize)
	_, err := io.Copy(out, old)
	err = at(Read, err)
	if err == nil {
		err = add(out)
	}
	if werr := out.Flush(); werr != nil { // also that of an earlier write
		return &Error{Write, werr}
	}
	return err
}
