// Package newfile makes a file, or a cdb file, under a temporary name and then
// gives it its own, so that readers see the old file until the new one is
// complete, also when the power fails:
//
//	tmp written          a crash leaves the old file, and tmp with anything in it
//	tmp fsynced          the same; tmp is complete
//	tmp renamed to name  a crash leaves the old file or the new one
//	directory fsynced    the new file stays: only now is success reported
//
// Used by the programs that compile tables: qmail-newu, qmail-newmrh, tcprules,
// setforward, setmaillist, newaliases, newinclude. Those that hold the content
// in memory anyway, and need not tell these steps apart, use
// sys.Dir.WriteFileDurable.
package newfile

import (
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

// Create makes, or empties, the file tmp below dir, with Mode under the umask.
// Name is what Move will call it; both must be on one file system.
func Create(dir *sys.Dir, tmp, name string) (*File, error) {
	fd, err := dir.Open(tmp, sys.WriteOnly|sys.Create|sys.Truncate, Mode)
	if err != nil {
		return nil, err
	}
	return &File{dir: dir, tmp: tmp, name: name, fd: fd}, nil
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

// Finish completes the temporary file on disk and closes it.
func (f *File) Finish() error {
	err := f.fd.Sync()
	if cerr := f.fd.Close(); err == nil {
		err = cerr
	}
	return err
}

// Move gives the finished temporary file its name, for good.
func (f *File) Move() error {
	if err := f.dir.Rename(f.tmp, f.name); err != nil {
		return err
	}
	return f.dir.SyncDir(parent(f.name))
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

// Finish writes the tables, completes the temporary file on disk and closes it.
func (c *CDB) Finish() error {
	if err := c.w.Close(); err != nil {
		c.Abandon()
		return err
	}
	return c.File.Finish()
}
