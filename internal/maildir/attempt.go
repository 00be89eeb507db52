package maildir

import (
	"errors"
	"io"
	"sync"
	"time"

	"goqmail/internal/sys"
)

// An attempt is one delivery. It runs in a goroutine of its own so that its time
// limit can end it while it blocks.
type attempt struct {
	d    *Deliverer
	head string
	msg  io.Reader

	mu        sync.Mutex // guards what follows, which abandon looks at
	dir       *sys.Dir   // the Maildir
	tmp       string     // name to remove; "" when there is none or it is linked
	abandoned bool
}

// errAbandoned ends an attempt whose time was over before the link.
var errAbandoned = errors.New("abandoned")

// abandon makes sure that the attempt does not link any more. It returns the
// name below the Maildir that should be removed, if any.
func (a *attempt) abandon() (dir *sys.Dir, tmp string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.abandoned = true
	return a.dir, a.tmp
}

// setTmp notes the name to remove, unless the attempt was abandoned.
func (a *attempt) setTmp(name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.abandoned {
		return errAbandoned
	}
	a.tmp = name
	return nil
}

// run does the delivery.
//
//	M1  tmp/NAME exists           a crash here leaves it; readers remove it
//	M2  tmp/NAME complete, fsynced
//	M3  new/NAME linked           delivered; after a crash the sender of the report
//	                              does not know, and the message comes twice
//	M4  new fsynced               the name survives loss of power
//	M5  tmp/NAME unlinked         before it a crash leaves both names: harmless
//
// Every failure removes tmp/NAME; a failure of M4 removes new/NAME too.
func (a *attempt) run(base *sys.Dir, path string) error {
	dir, err := base.OpenSearchDir(path)
	if err != nil {
		if sys.Temporary(err) {
			return err
		}
		return errors.Join(ErrDirectory, err)
	}
	defer func() { _ = dir.Close() }() // used for names only
	a.mu.Lock()
	a.dir = dir
	a.mu.Unlock()
	fd, name, err := a.create(dir) // M1
	if err != nil {
		return err
	}
	err = a.setTmp(Tmp + "/" + name)
	if err == nil {
		err = a.write(fd)
	}
	if err == nil {
		err = fd.Sync() // M2
	}
	if cerr := fd.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = a.setTmp("") // from here on abandon leaves the names alone
	}
	if err == nil {
		err = commit(dir, name)
	}
	_ = dir.Unlink(Tmp + "/" + name) // M5; what stays is removed after TmpAge
	return err
}

// create makes a file in tmp under a name that nobody has. A name that is taken
// is tried again with a later time.
func (a *attempt) create(dir *sys.Dir) (fd sys.FD, name string, err error) {
	for i := 1; ; i++ {
		name = a.d.name()
		fd, err = dir.Open(Tmp+"/"+name, sys.WriteOnly|sys.Create|sys.Exclusive, 0o644)
		if err == nil || !sys.IsExist(err) || i == tries {
			return fd, name, err
		}
		if a.d.Sleep != nil {
			a.d.Sleep(pause)
		} else {
			time.Sleep(pause)
		}
	}
}

// write copies head and message into the file.
func (a *attempt) write(fd sys.FD) error {
	out := &sys.FileWriter{FD: fd, Limit: sys.FileSizeLimit()}
	buf := a.d.takeBuf()
	defer a.d.giveBuf(buf)
	n := copy(buf, a.head)
	if n < len(a.head) { // a sender of many kilobytes
		if _, err := io.WriteString(out, a.head); err != nil {
			return err
		}
		n = 0
	}
	for {
		m, rerr := a.msg.Read(buf[n:])
		n += m
		if rerr != nil && rerr != io.EOF {
			return errors.Join(ErrRead, rerr)
		}
		if n == len(buf) || rerr == io.EOF {
			if _, err := out.Write(buf[:n]); err != nil {
				return err
			}
			n = 0
		}
		if rerr == io.EOF {
			return nil
		}
	}
}

// commit gives the complete file its name in new and makes that durable: M3, M4.
func commit(dir *sys.Dir, name string) error {
	if err := dir.Link(Tmp+"/"+name, New+"/"+name); err != nil {
		return err
	}
	err := dir.SyncDir(New)
	if sys.IsAccess(err) {
		// The directory may be searched and written but not read. Flushing the
		// file again takes its new name along on file systems with a journal.
		err = syncFile(dir, Tmp+"/"+name)
	}
	if err != nil {
		_ = dir.Unlink(New + "/" + name) // it may come back after loss of power: a duplicate
	}
	return err
}

// syncFile flushes a file by name.
func syncFile(dir *sys.Dir, name string) error {
	fd, err := dir.Open(name, sys.WriteOnly, 0)
	if err != nil {
		return err
	}
	err = fd.Sync()
	if cerr := fd.Close(); err == nil {
		err = cerr
	}
	return err
}
