// Package newfile makes a file, or a cdb file, under a temporary name and then
// gives it its own, so that readers see the old file until the new one is
// complete, also when the power fails:
//
//	tmp written          a crash leaves the old file, and tmp with anything in it
//	tmp fsynced          the same; tmp is complete
//	tmp renamed to name  a crash leaves the old file or the new one
//	directory fsynced    the new file stays: only now is success reported
//
// Tmp is locked from its creation to the end, so that two who make the same file
// at the same time do it one after the other, and neither writes into the
// other's. (The C programs do not lock; beside one of these all is as before.)
//
// Used by the programs that compile tables: qmail-newu, qmail-newmrh, tcprules,
// setforward, setmaillist, newaliases, newinclude. Those that hold the content
// in memory anyway, and need not tell these steps apart, use
// sys.Dir.WriteFileDurable.
package newfile

import (
	"time"

	"goqmail/internal/cdb"
	"goqmail/internal/sys"
)

// Mode is the mode of a new file: everyone may read it, its owner write it.
const Mode = 0o644

// A File is a file being made. It is an io.WriteSeeker.
type File struct {
	dir       *sys.Dir // tmp and name are below it
	tmp, name string
	fd        sys.FD
}

// patience is how long Create waits for another who makes the same file.
const patience = 30 * time.Second

// Create makes, or empties, the file tmp below dir, with Mode under the umask.
// Name is what Move will call it; both must be on one file system. The error is
// sys.ErrTimeout if someone else is making the file for too long.
func Create(dir *sys.Dir, tmp, name string) (*File, error) { return create(dir, tmp, name, patience) }

func create(dir *sys.Dir, tmp, name string, patience time.Duration) (*File, error) {
	for {
		// As in C no FIFO is waited for that nobody reads.
		fd, err := dir.Open(tmp, sys.WriteOnly|sys.Create|sys.NonBlock, Mode)
		if err != nil {
			return nil, err
		}
		again, err := claim(dir, tmp, fd, patience)
		if err == nil && !again {
			return &File{dir: dir, tmp: tmp, name: name, fd: fd}, nil
		}
		_ = fd.Close() // nothing was written
		if err != nil {
			return nil, err
		}
	}
}

// claim locks and empties the file. Again says that whoever had the lock before
// has given the file its name: tmp has to be made anew.
func claim(dir *sys.Dir, tmp string, fd sys.FD, patience time.Duration) (again bool, err error) {
	st, err := fd.Stat()
	if err != nil || !st.IsRegular() {
		return false, err // a device such as /dev/full is nobody's
	}
	if err := fd.LockExclusiveWithin(patience); err != nil {
		return false, err
	}
	now, err := dir.Stat(tmp)
	if sys.IsNotExist(err) || err == nil && (now.Dev != st.Dev || now.Ino != st.Ino) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, fd.Truncate(0)
}

// Publish gives the file Mode whatever the umask says, and whatever mode a
// leftover tmp had. What is no regular file keeps its mode.
func (f *File) Publish() error {
	st, err := f.fd.Stat()
	if err != nil || !st.IsRegular() || st.Perm() == Mode {
		return err
	}
	return f.fd.Chmod(Mode)
}

// Write writes all of p.
func (f *File) Write(p []byte) (int, error) { return f.fd.Write(p) }

// Seek moves the place where the next Write goes.
func (f *File) Seek(off int64, whence int) (int64, error) { return f.fd.Seek(off, whence) }

// Abandon ends the work after a failure. The temporary file stays for whoever
// wants to look at it; the next Create empties it.
func (f *File) Abandon() { _ = f.fd.Close() } // a failure is being reported already

// Finish completes the temporary file on disk. After a failure the work is
// abandoned.
func (f *File) Finish() error {
	err := f.fd.Sync()
	if err != nil {
		f.Abandon()
	}
	return err
}

// Move gives the finished temporary file its name, for good, and ends the work.
func (f *File) Move() error {
	err := f.dir.Rename(f.tmp, f.name)
	if err == nil {
		err = f.dir.SyncDir(parent(f.name))
	}
	if cerr := f.fd.Close(); err == nil {
		err = cerr // only now: the lock has kept others from tmp until here
	}
	return err
}

// parent is the directory part of a file name.
func parent(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '/' {
			return name[:i+1] // "/" of "/name"
		}
	}
	return "."
}

// A CDB is a cdb file being made.
type CDB struct {
	*File
	w *cdb.Writer
}

// CreateCDB is Create for a cdb file.
func CreateCDB(dir *sys.Dir, tmp, name string) (*CDB, error) {
	f, err := Create(dir, tmp, name)
	if err != nil {
		return nil, err
	}
	w, err := cdb.NewWriter(f)
	if err != nil {
		f.Abandon()
		return nil, err
	}
	return &CDB{f, w}, nil
}

// Put adds a record. Errors are those of cdb.Writer.Put.
func (c *CDB) Put(key, data []byte) error { return c.w.Put(key, data) }

// Finish writes the tables and completes the temporary file on disk. After a
// failure the work is abandoned.
func (c *CDB) Finish() error {
	if err := c.w.Close(); err != nil {
		c.Abandon()
		return err
	}
	return c.File.Finish()
}
