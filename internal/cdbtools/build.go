// Package cdbtools has the programs that compile tables into cdb files, and the
// one that writes such a table: qmail-newu, qmail-newmrh, tcprules,
// tcprulescheck and qmail-pw2u. An administrator runs them; nothing starts them
// on the way of a message. The formats are in packages assign, tcprules and cdb.
//
// Spec: spec/local.md sections 8 and 9, spec/control.md section 2,
// spec/ucspi.md section 2.
package cdbtools

import (
	"errors"

	"goqmail/internal/cdb"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// Exit codes of these programs.
const (
	exitUsage = 100 // bad arguments; for tcprules also a bad line
	exitFail  = 111 // anything else; the old cdb file is as it was
)

// maxSource is the largest source that is compiled, in bytes: its cdb file could
// not be larger than 4 GiB, and it is held in memory.
const maxSource = 1 << 30

// modeCDB is the mode of a new cdb file, under the umask.
const modeCDB = 0o644

// A build is a cdb file being made under a temporary name. Readers see the old
// file until it is complete, also when the power fails:
//
//	tmp written          a crash leaves the old file, and tmp with anything in it
//	tmp fsynced          the same; tmp is complete
//	tmp renamed to name  a crash leaves the old file or the new one
//	directory fsynced    the new file stays: only now is success reported
type build struct {
	dir       *sys.Dir // tmp and name are below it
	tmp, name string
	fd        sys.FD
	w         *cdb.Writer
}

// create makes, or empties, the temporary file.
func create(dir *sys.Dir, tmp, name string) (*build, error) {
	fd, err := dir.Open(tmp, sys.WriteOnly|sys.Create|sys.Truncate, modeCDB)
	if err != nil {
		return nil, err
	}
	b := &build{dir: dir, tmp: tmp, name: name, fd: fd}
	if b.w, err = cdb.NewWriter(fd); err != nil {
		b.abandon()
		return nil, err
	}
	return b, nil
}

// abandon ends the build after a failure. The temporary file stays for whoever
// wants to look at it; the next build empties it.
func (b *build) abandon() { _ = b.fd.Close() } // a failure is being reported already

// put adds a record.
func (b *build) put(key, data []byte) error { return b.w.Put(key, data) }

// finish completes the temporary file on disk and closes it.
func (b *build) finish() error {
	err := b.w.Close()
	if err == nil {
		err = b.fd.Sync()
	}
	if cerr := b.fd.Close(); err == nil {
		err = cerr
	}
	return err
}

// move gives the temporary file its name, for good.
func (b *build) move() error {
	if err := b.dir.Rename(b.tmp, b.name); err != nil {
		return err
	}
	return b.dir.SyncDir(parent(b.name))
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

// A program is one of the programs as it ends: its name in the messages.
type program struct {
	p    *prog.Process
	name string
}

// errText is the text for an error number, or for an error of package cdb.
func errText(err error) string {
	switch {
	case errors.Is(err, cdb.ErrFormat):
		return "protocol error" // as C's cdb readers say
	case errors.Is(err, cdb.ErrTooMuchData):
		return "file too big"
	}
	return sys.ErrText(err)
}

// fatal says what failed and returns the exit code; err may be nil.
func (g program) fatal(code int, what string, err error) int {
	parts := []string{g.name, ": fatal: ", what}
	if err != nil {
		parts = append(parts, ": ", errText(err))
	}
	return g.p.Die(code, parts...)
}
