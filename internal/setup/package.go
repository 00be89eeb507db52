package setup

import (
	"strings"

	"goqmail/internal/hier"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// instfiles begins the messages of instpackage.
const instfiles = "instfiles"

// An opError is a failed step with the word used in messages.
type opError struct {
	op, path string
	err      error
}

func (e *opError) Error() string {
	return "unable to " + e.op + " " + e.path + ": " + sys.ErrText(e.err)
}

func (e *opError) Unwrap() error { return e.err }

// step makes an opError, nil for nil.
func step(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &opError{op, path, err}
}

// instpackage installs the tree, or with the argument queue-only its queue. As
// root every file gets its owner before its name, so that a live system never
// sees a half-made program; instchown then has nothing left to do. As another
// user owners stay as they are.
func instpackage(p *prog.Process, args []string) int {
	queueOnly := len(args) == 1 && args[0] == "queue-only"
	if len(args) > 1 || len(args) == 1 && !queueOnly {
		return p.Die(exitUsage, "instpackage: usage: instpackage [ queue-only ]")
	}
	in := &installer{root: home(p), asRoot: sys.Geteuid() == 0}
	var err error
	if in.asRoot {
		if in.ids, err = lookup(); err != nil {
			return fatal(p, instfiles, "", "", err)
		}
	}
	if err := in.run(queueOnly); err != nil {
		return p.Die(exitFatal, instfiles, ": fatal: ", err.Error())
	}
	return 0
}

// An installer puts the tree in place.
type installer struct {
	root   string
	asRoot bool
	ids    ids
	dir    *sys.Dir
}

func (in *installer) run(queueOnly bool) error {
	if !queueOnly {
		if err := makePath(in.root); err != nil {
			return step("mkdir", in.root, err)
		}
	}
	var err error
	if in.dir, err = sys.OpenDir(in.root); err != nil {
		return step("switch to", in.root, err)
	}
	defer func() { _ = in.dir.Close() }() // nothing is written through it
	dirs := hier.Directories()
	if queueOnly {
		dirs = hier.QueueDirectories()
	}
	for _, it := range dirs {
		if err := in.directory(it); err != nil {
			return err
		}
	}
	if err := in.hardLinks(); err != nil {
		return err
	}
	for _, it := range hier.QueueFiles() {
		if err := in.queueFile(it); err != nil {
			return err
		}
	}
	if queueOnly {
		return nil
	}
	items, err := files()
	if err != nil {
		return step("read", "man or docs", err)
	}
	return in.replace(items)
}

// name is the item below the open root.
func name(it hier.Item) string {
	if it.Path() == "" {
		return "."
	}
	return it.Path()
}

// full is the item's whole path, for messages.
func (in *installer) full(it hier.Item) string {
	if it.Path() == "" {
		return in.root
	}
	return in.root + "/" + it.Path()
}

// directory makes a directory, or corrects owner and mode of one that exists.
func (in *installer) directory(it hier.Item) error {
	err := in.dir.Mkdir(name(it), 0o700)
	if err != nil && !sys.IsExist(err) {
		return step("mkdir", in.full(it), err)
	}
	return in.attributes(it)
}

// attributes sets owner, group and mode where they differ: on a live system
// nothing is touched that is right already. Only directories of the home may be
// symbolic links: below, where the suite's accounts can write, a link would hand
// out the rights of some other file.
func (in *installer) attributes(it hier.Item) error {
	full := in.full(it)
	flags := sys.ReadOnly | sys.NonBlock // a FIFO has no writer
	if it.Type != hier.Dir || strings.Contains(it.Dir, "/") {
		flags |= sys.NoFollow
	}
	fd, err := in.dir.Open(name(it), flags, 0)
	if err != nil {
		return step("open", full, err)
	}
	defer func() { _ = fd.Close() }() // read only
	st, err := fd.Stat()
	if err != nil {
		return step("stat", full, err)
	}
	if in.asRoot {
		uid, gid := in.ids.users[it.Owner], in.ids.groups[it.Group]
		if int(st.UID) != uid || int(st.GID) != gid {
			if err := fd.Chown(uid, gid); err != nil {
				return step("chown", full, err)
			}
			st.Mode = 0 // chown may have cleared bits
		}
	}
	if st.Perm() != it.Mode {
		return step("chmod", full, fd.Chmod(it.Mode))
	}
	return nil
}

// hardLinks refuses a file system on which the queue cannot work.
func (in *installer) hardLinks() error {
	const a, b = "queue/lock/.link-test", "queue/lock/.link-test2"
	_, _ = in.dir.Unlink(a), in.dir.Unlink(b) // left by an interrupted run
	fd, err := in.dir.Open(a, sys.WriteOnly|sys.Create|sys.Exclusive, 0o600)
	if err != nil {
		return step("create", in.root+"/"+a, err)
	}
	_ = fd.Close() // empty
	err = in.dir.Link(a, b)
	_, _ = in.dir.Unlink(a), in.dir.Unlink(b) // b is absent if the link failed
	return step("make hard links below", in.root+"/queue", err)
}

// queueFile makes lock/tcpto, lock/sendmutex or lock/trigger if it is not
// there. Unlike C an existing one keeps its content and its inode, because
// qmail-send may hold its lock.
func (in *installer) queueFile(it hier.Item) error {
	full := in.full(it)
	_, err := in.dir.Stat(name(it))
	if err != nil && !sys.IsNotExist(err) {
		return step("stat", full, err)
	}
	if err != nil {
		if it.Type == hier.FIFO {
			err = in.dir.Mkfifo(name(it), 0o600)
		} else {
			err = in.dir.WriteFileDurable(name(it), it.Dir+"/"+hier.StageName(it.Name), make([]byte, it.Size), 0o600)
		}
		if err != nil {
			return step("create", full, err)
		}
	}
	return in.attributes(it)
}

// replace exchanges all programs and texts.
//
//	every .NAME.new written, owned, fsynced   a crash or failure leaves all old files in place
//	for each: NAME linked to .NAME.old, .NAME.new renamed to NAME
//	                                          a failure renames every .NAME.old back
//	directories fsynced, every .NAME.old removed
func (in *installer) replace(items []hier.Item) error {
	done := 0
	var err error
	for i, it := range items {
		if err = in.stage(it); err != nil {
			in.clean(items[:i+1], hier.StageName)
			return err
		}
	}
	for done < len(items) && err == nil {
		if err = in.swap(items[done]); err == nil {
			done++
		}
	}
	if err == nil {
		err = in.syncDirs(items)
	}
	if err != nil {
		in.rollBack(items[:done])
	}
	in.clean(items, hier.StageName)
	in.clean(items, hier.OldName)
	return err
}

// at is the name of an item under another name in the same directory.
func at(it hier.Item, name func(string) string) string { return it.Dir + "/" + name(it.Name) }

// stage writes .NAME.new complete with content, owner and mode.
func (in *installer) stage(it hier.Item) error {
	tmp := at(it, hier.StageName)
	full := in.root + "/" + tmp
	_ = in.dir.Unlink(tmp) // left by an interrupted run
	fd, err := in.dir.Open(tmp, sys.WriteOnly|sys.Create|sys.Exclusive, 0o600)
	if err != nil {
		return step("create", full, err)
	}
	if err = fill(fd, it); err != nil {
		err = step("copy", it.Source, err)
	}
	if err == nil && in.asRoot {
		err = step("chown", full, fd.Chown(in.ids.users[it.Owner], in.ids.groups[it.Group]))
	}
	if err == nil {
		err = step("chmod", full, fd.Chmod(it.Mode)) // after chown, which clears setuid
	}
	if err == nil {
		err = step("fsync", full, fd.Sync())
	}
	if cerr := fd.Close(); err == nil {
		err = step("close", full, cerr)
	}
	return err
}

// fill writes the item's content.
func fill(fd sys.FD, it hier.Item) error {
	if literal(it) {
		return copyTo(fd, it.Source)
	}
	b, err := localText(it.Source)
	if err == nil {
		_, err = fd.Write(b)
	}
	return err
}

// swap puts one staged file in place and keeps the old one as .NAME.old.
func (in *installer) swap(it hier.Item) error {
	old := at(it, hier.OldName)
	_ = in.dir.Unlink(old) // left by an interrupted run
	if err := in.dir.Link(it.Path(), old); err != nil && !sys.IsNotExist(err) {
		return step("link", in.root+"/"+old, err)
	}
	return step("rename", in.root+"/"+it.Path(), in.dir.Rename(at(it, hier.StageName), it.Path()))
}

// rollBack puts the old files back, or removes what was not there before.
func (in *installer) rollBack(items []hier.Item) {
	for i := len(items) - 1; i >= 0; i-- {
		it := items[i]
		if err := in.dir.Rename(at(it, hier.OldName), it.Path()); sys.IsNotExist(err) {
			_ = in.dir.Unlink(it.Path()) // it was new
		}
	}
	_ = in.syncDirs(items) // the failure that led here is reported
}

// clean removes what is left under the stage or old names.
func (in *installer) clean(items []hier.Item, name func(string) string) {
	for _, it := range items {
		_ = in.dir.Unlink(at(it, name)) // usually not there
	}
}

// syncDirs makes the renames durable.
func (in *installer) syncDirs(items []hier.Item) error {
	last := ""
	for _, it := range items {
		if it.Dir != last {
			if err := in.dir.SyncDir(it.Dir); err != nil {
				return step("fsync", in.root+"/"+it.Dir, err)
			}
			last = it.Dir
		}
	}
	return nil
}
