package multilog

import (
	"bytes"

	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/tai64n"
)

// A logDir is one log: a directory that only one multilog writes to.
//
//	lock       flock by the multilog that writes
//	current    the newest lines; mode 644 while being written, 744 when it is
//	           finished and on disk
//	previous   what was current, on its way to its final name
//	processed  output of the processor for previous; mode 744 when complete
//	state      what the processor left on descriptor 5 last time
//	newstate   what it leaves this time
//	@STAMP.s   an old file, safely on disk
//	@STAMP.u   an old file that was being written when the system went down
//
// A finished file goes through these states. After each, a crash leaves what
// the next open repairs:
//
//	S0  current, 644, fsynced             becomes @STAMP.u
//	S1  previous, and perhaps current     each becomes @STAMP.u
//	S2  (processor) processed 644,        processed and newstate are removed,
//	    newstate                          previous becomes @STAMP.u
//	S3  (processor) processed 744,        previous is removed, processed
//	    fsynced                           becomes @STAMP.s, state is forgotten
//	S4  previous (or processed) and       the second name is removed
//	    @STAMP.s are one file
//	S5  @STAMP.s and a new current        current becomes @STAMP.u
type logDir struct {
	m         *multilog
	name      string // as in the script
	max       int64  // size at which a file is finished
	keep      int    // files that may be there, current among them
	processor string // "" for none

	dir     *sys.Dir
	lock    sys.FD
	current sys.FD
	size    int64  // of current
	pending []byte // not written yet, at most putSize bytes
}

// Modes of current and of finished files.
const (
	modeWriting  = 0o644
	modeFinished = 0o744
	finishedBit  = 0o100
)

// fail makes the error that ends multilog at its start.
func (d *logDir) fail(what, file string, err error) error {
	return &fatal{"unable to " + what + " " + d.name + file, err}
}

// open makes the directory if it is absent, locks it, and opens current, after
// giving a name to what an earlier multilog could not finish.
func (d *logDir) open() (err error) {
	d.pending = make([]byte, 0, putSize)
	_ = sys.Cwd().Mkdir(d.name, 0o700) // it may be there; opening tells
	if d.dir, err = sys.OpenDir(d.name); err != nil {
		return d.fail("open directory", "", err)
	}
	const make = sys.WriteOnly | sys.Create | sys.Append | sys.NonBlock
	d.lock, err = d.dir.Open("lock", make, 0o600)
	if err == nil {
		err = d.lock.TryLock()
	}
	if err != nil {
		return d.fail("lock directory", "", err)
	}
	info, err := d.dir.Stat("current")
	switch {
	case err == nil && info.Mode&finishedBit != 0:
		d.size = info.Size
		if d.current, err = d.dir.Open("current", sys.WriteOnly|sys.Append|sys.NonBlock, 0); err != nil {
			return d.fail("append to", "/current", err)
		}
	case err == nil || sys.IsNotExist(err):
		if err := d.repair(); err != nil {
			return err
		}
		if d.current, err = d.dir.Open("current", make, 0o600); err != nil {
			return d.fail("write to", "/current", err)
		}
	default:
		return d.fail("stat", "/current", err)
	}
	if err := d.current.Chmod(modeWriting); err != nil {
		return d.fail("set mode of", "/current", err)
	}
	return nil
}

// repair gives what a crash has left its final name, and forgets the state of
// the processor, which may not belong to it.
func (d *logDir) repair() error {
	_ = d.dir.Unlink("state") // both are usually absent
	_ = d.dir.Unlink("newstate")
	info, err := d.dir.Stat("processed")
	switch {
	case err == nil && info.Mode&finishedBit != 0: // S3
		_ = d.dir.Unlink("previous") // S4 if it fails, which only costs a second copy
		d.finish("processed", 's')
	case err == nil || sys.IsNotExist(err):
		_ = d.dir.Unlink("processed")
		d.finish("previous", 'u')
	default:
		return d.fail("stat", "/processed", err)
	}
	d.finish("current", 'u')
	state, err := d.dir.Open("state", sys.WriteOnly|sys.Create|sys.Truncate|sys.NonBlock, 0o644)
	if err != nil {
		return d.fail("write to", "/state", err)
	}
	_ = state.Close() // nothing was written
	return nil
}

// close finishes the log at the end: current is on disk and says so.
func (d *logDir) close() {
	d.flush()
	d.m.insist("unable to write "+d.name+"/current to disk", d.current.Sync)
	d.m.insist("unable to set mode of "+d.name+"/current", func() error { return d.current.Chmod(modeFinished) })
	d.syncDir()
	_ = d.current.Close() // it is on disk
	_ = d.lock.Close()    // another multilog may come
	_ = d.dir.Close()     // nothing is written through it
}

// put adds a line without its newline, or the beginning of one. Lines are
// collected, and one that does not fit goes with the next write: so files end
// with whole lines. What is written together decides where files end, and is
// as in daemontools.
func (d *logDir) put(b []byte) {
	if len(b) > putSize-len(d.pending) {
		d.flush()
	}
	if len(b) > putSize {
		d.write(b)
		return
	}
	d.pending = append(d.pending, b...)
}

// putMore adds more of a line.
func (d *logDir) putMore(b []byte) {
	for len(b) > 0 {
		if len(d.pending) == putSize {
			d.flush()
		}
		n := min(len(b), putSize-len(d.pending))
		d.pending = append(d.pending, b[:n]...)
		b = b[n:]
	}
}

// flush writes what is collected.
func (d *logDir) flush() {
	d.write(d.pending)
	d.pending = d.pending[:0]
}

// write appends b to current, finishing files on the way.
func (d *logDir) write(b []byte) {
	for len(b) > 0 {
		if d.size >= d.max {
			d.rotate()
		}
		part := b[:min(int64(len(b)), d.max-d.size)]
		if d.size+int64(len(part))+slack >= d.max {
			if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
				part = part[:i+1]
			}
		}
		n, err := d.current.Write(part)
		d.size += int64(n)
		b = b[n:]
		switch {
		case err != nil && n == 0:
			d.m.warn("unable to write to "+d.name+"/current", err)
		case d.size+slack >= d.max && part[n-1] == '\n':
			d.rotate()
		}
	}
}

// rotate finishes current and begins a new one.
func (d *logDir) rotate() {
	insist := d.m.insist
	insist("unable to write "+d.name+"/current to disk", d.current.Sync)
	_ = d.current.Close() // it is on disk: S0
	insist("unable to rename current to previous in directory "+d.name, func() error {
		return d.dir.Rename("current", "previous")
	}) // S1
	insist("unable to create "+d.name+"/current", func() (err error) {
		d.current, err = d.dir.Open("current", sys.WriteOnly|sys.Create|sys.Append|sys.NonBlock, 0o600)
		return err
	})
	d.size = 0
	insist("unable to set mode of "+d.name+"/current", func() error { return d.current.Chmod(modeWriting) })
	insist("unable to set mode of "+d.name+"/previous", func() error { return d.dir.Chmod("previous", modeFinished) })
	if d.processor == "" {
		d.finish("previous", 's')
		return
	}
	for !d.process() {
		d.m.pause()
	}
	insist("unable to remove "+d.name+"/previous", func() error { return ignoreAbsent(d.dir.Unlink("previous")) })
	insist("unable to rename newstate to state in directory "+d.name, func() error {
		return d.dir.Rename("newstate", "state")
	})
	d.finish("processed", 's')
}

// ignoreAbsent is err, but nil for a file that is not there.
func ignoreAbsent(err error) error {
	if sys.IsNotExist(err) {
		return nil
	}
	return err
}

// process runs the processor on previous: S2, then S3. It is false, having said
// why, if that must be done again.
func (d *logDir) process() bool {
	const create = sys.WriteOnly | sys.Create | sys.Truncate | sys.NonBlock
	files := [6]sys.FD{-1, -1, 2, -1, -1, -1}
	defer func() {
		for i, fd := range files {
			if i != 2 && fd >= 0 {
				_ = fd.Close() // what was written is on disk, or done again
			}
		}
	}()
	files[2] = d.m.p.FD(2)
	var proc child.Process
	var err error
	for _, f := range [...]struct {
		n     int
		name  string
		flags int
	}{
		{0, "previous", sys.ReadOnly | sys.NonBlock},
		{1, "processed", create},
		{4, "state", sys.ReadOnly | sys.Create | sys.NonBlock},
		{5, "newstate", create},
	} {
		if files[f.n], err = d.dir.Open(f.name, f.flags, modeWriting); err != nil {
			files[f.n] = -1
			break
		}
	}
	if err == nil {
		proc, err = child.Start(&child.Cmd{
			Path: "/bin/sh", Args: []string{"sh", "-c", d.processor}, Dir: d.name,
			Env: child.WithoutRuntime(d.m.p.Env.List()), Files: files[:],
		})
	}
	if err != nil {
		d.m.p.Say(2, "multilog: fatal: unable to run ", d.processor, ": ", sys.ErrText(err), "\n",
			"multilog: warning: processor failed in ", d.name, ", pausing\n")
		return false
	}
	st, err := proc.Wait()
	trouble := ""
	switch {
	case err != nil:
		trouble = "wait failed for processor in "
	case st.Crashed():
		trouble = "processor crashed in "
	case st.Code() != 0:
		trouble = "processor failed in "
	}
	if trouble != "" {
		d.m.p.Say(2, "multilog: warning: ", trouble, d.name, ", pausing\n")
		return false
	}
	d.m.insist("unable to write "+d.name+"/newstate to disk", files[5].Sync)
	d.m.insist("unable to write "+d.name+"/processed to disk", files[1].Sync)
	d.m.insist("unable to set mode of "+d.name+"/processed", func() error { return files[1].Chmod(modeFinished) })
	return true
}

// finish gives file its final name, @STAMP.s or .u, and removes old files. An
// absent file is none to finish.
func (d *logDir) finish(file string, code byte) {
	var info sys.Info
	absent := false
	d.m.insist("unable to stat "+d.name+"/"+file, func() (err error) {
		info, err = d.dir.Stat(file)
		absent = sys.IsNotExist(err)
		return ignoreAbsent(err)
	})
	if absent {
		return
	}
	if info.Nlink == 1 || !d.named(info.Ino) {
		d.link(file, code)
	}
	// S4: the new name must be on disk before the old one goes.
	d.syncDir()
	d.m.insist("unable to remove "+d.name+"/"+file, func() error { return ignoreAbsent(d.dir.Unlink(file)) })
	d.trim()
}

// link makes the final name. Of two files in one nanosecond the second gets a
// later stamp.
func (d *logDir) link(file string, code byte) {
	stamp := d.m.now()
	for {
		name := stamp.String() + "." + string(code)
		err := d.dir.Link(file, name)
		if err == nil {
			return
		}
		if sys.IsExist(err) {
			stamp = stamp.Next()
			continue
		}
		d.m.warn("unable to link to "+d.name+"/"+name, err)
		stamp = d.m.now()
	}
}

// named tells whether an old file of the log is the inode: a crash came between
// the making of the final name and the removal of the other.
func (d *logDir) named(inode uint64) bool {
	for _, name := range d.old() {
		if info, err := d.dir.Lstat(name); err == nil && info.Ino == inode {
			return true
		}
	}
	return false
}

// old lists the old files of the log, oldest first: names that begin with a
// stamp and a dot.
func (d *logDir) old() []string {
	var names, old []string
	d.m.insist("unable to read "+d.name, func() (err error) {
		names, err = d.dir.Names(".")
		return err
	})
	for _, name := range names {
		if _, ok := tai64n.Parse(name); ok && len(name) > tai64n.Len && name[tai64n.Len] == '.' {
			old = append(old, name)
		}
	}
	return old
}

// trim removes the oldest files until, with current, keep are left. One that
// cannot be removed stays: new lines matter more than the number of old files.
func (d *logDir) trim() {
	old := d.old()
	for len(old) >= d.keep {
		if err := d.dir.Unlink(old[0]); err != nil {
			d.m.p.Say(2, "multilog: warning: unable to remove ", d.name, "/", old[0], ": ", sys.ErrText(err), "\n")
		}
		old = old[1:]
	}
}

// syncDir writes the names in the directory to disk, as well as the file system
// lets it: some cannot.
func (d *logDir) syncDir() { _ = d.dir.FD().Sync() }
