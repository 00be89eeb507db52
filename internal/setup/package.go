package setup

import (
	"goqmail/internal/accounts"
	"goqmail/internal/hier"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/tree"
)

// instfiles begins the messages of instpackage.
const instfiles = "instfiles"

// A part is what instpackage installs.
type part string

// The parts; the first two are C's.
const (
	whole     part = ""
	queueOnly part = "queue-only"
	packaged  part = "package" // what a package may carry: programs and texts, nobody's but the builder's
	state     part = "state"   // what it may not: queue, control, users, alias
)

// directories lists the part's directories, parents first.
func (part part) directories() []hier.Item {
	switch part {
	case queueOnly:
		return hier.QueueDirectories()
	case packaged:
		return hier.PackageDirectories()
	case state:
		return hier.StateDirectories()
	}
	return hier.Directories()
}

// instpackage installs the tree, or a part of it. As root every file gets its
// owner before its name, so that a live system never sees a half-made program;
// instchown then has nothing left to do. As another user, and in what is to be
// packaged, owners stay as they are.
func instpackage(p *prog.Process, args []string) int {
	part, ok := parsePart(args)
	if !ok {
		return p.Die(exitUsage, "instpackage: usage: instpackage [ queue-only | package | state ]")
	}
	in := newInstaller(home(p))
	in.Own = sys.Geteuid() == 0 && part != packaged
	err := in.refuseNull()
	if err != nil {
		return p.Die(exitFatal, instfiles, ": fatal: ", err.Error())
	}
	if in.Own {
		if in.IDs, err = tree.Lookup(); err != nil {
			return fatal(p, instfiles, "", "", err)
		}
	}
	if err := in.run(part); err != nil {
		return p.Die(exitFatal, instfiles, ": fatal: ", err.Error())
	}
	if in.Own && part != queueOnly && home(p) == p.Home {
		_ = accounts.WriteIDs(p.Home) // without it programs search for themselves
	}
	return exitOK
}

// parsePart reads instpackage's arguments.
func parsePart(args []string) (part, bool) {
	if len(args) == 0 {
		return whole, true
	}
	switch p := part(args[0]); p {
	case queueOnly, packaged, state:
		return p, len(args) == 1
	}
	return whole, false
}

// An installer puts the tree in place.
type installer struct{ tree.Maker }

// newInstaller is an installer of the tree at root, which it does not open.
func newInstaller(root string) *installer { return &installer{tree.Maker{Root: root}} }

// open opens the root.
func (in *installer) open() (err error) {
	in.Dir, err = sys.OpenDir(in.Root)
	return err
}

func (in *installer) run(part part) error {
	if part != queueOnly {
		if err := tree.MakePath(in.Root); err != nil {
			return tree.Step("mkdir", in.Root, err)
		}
	}
	if err := in.open(); err != nil {
		return tree.Step("switch to", in.Root, err)
	}
	defer func() { _ = in.Dir.Close() }() // nothing is written through it
	if part != packaged {
		if err := in.Queue(part.directories()); err != nil || part != whole {
			return err
		}
	} else if err := in.directories(part.directories()); err != nil {
		return err
	}
	items, err := files()
	if err != nil {
		return tree.Step("read", "man or docs", err)
	}
	for i := range items {
		if part == packaged {
			items[i].Mode &^= 0o6000 // a package's files are root's until it is configured
		}
	}
	return in.replace(items)
}

// directories makes directories.
func (in *installer) directories(items []hier.Item) error {
	for _, it := range items {
		if err := in.Directory(it); err != nil {
			return err
		}
	}
	return nil
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

// stage writes .NAME.new complete with content, owner and mode. One more name of a
// program is made one of its staged file, which comes earlier.
func (in *installer) stage(it hier.Item) error {
	tmp := at(it, hier.StageName)
	full := in.Root + "/" + tmp
	_ = in.Dir.Unlink(tmp) // left by an interrupted run
	if it.SameAs != "" {
		return tree.Step("link", full, in.Dir.Link(it.Dir+"/"+hier.StageName(it.SameAs), tmp))
	}
	fd, err := in.Dir.Open(tmp, sys.WriteOnly|sys.Create|sys.Exclusive, 0o600)
	if err != nil {
		return tree.Step("create", full, err)
	}
	if err = fill(fd, it); err != nil {
		err = tree.Step("copy", it.Source, err)
	}
	if err == nil && in.Own {
		err = tree.Step("chown", full, fd.Chown(in.IDs.Users[it.Owner], in.IDs.Groups[it.Group]))
	}
	if err == nil {
		err = tree.Step("chmod", full, fd.Chmod(it.Mode)) // after chown, which clears setuid
	}
	if err == nil {
		err = tree.Step("fsync", full, fd.Sync())
	}
	if cerr := fd.Close(); err == nil {
		err = tree.Step("close", full, cerr)
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
	_ = in.Dir.Unlink(old) // left by an interrupted run
	if err := in.Dir.Link(it.Path(), old); err != nil && !sys.IsNotExist(err) {
		return tree.Step("link", in.Root+"/"+old, err)
	}
	return tree.Step("rename", in.Root+"/"+it.Path(), in.Dir.Rename(at(it, hier.StageName), it.Path()))
}

// rollBack puts the old files back, or removes what was not there before.
func (in *installer) rollBack(items []hier.Item) {
	for i := len(items) - 1; i >= 0; i-- {
		it := items[i]
		if err := in.Dir.Rename(at(it, hier.OldName), it.Path()); sys.IsNotExist(err) {
			_ = in.Dir.Unlink(it.Path()) // it was new
		}
	}
	_ = in.syncDirs(items) // the failure that led here is reported
}

// clean removes what is left under the stage or old names.
func (in *installer) clean(items []hier.Item, name func(string) string) {
	for _, it := range items {
		_ = in.Dir.Unlink(at(it, name)) // usually not there
	}
}

// syncDirs makes the renames durable.
func (in *installer) syncDirs(items []hier.Item) error {
	last := ""
	for _, it := range items {
		if it.Dir != last {
			if err := in.Dir.SyncDir(it.Dir); err != nil {
				return tree.Step("fsync", in.Root+"/"+it.Dir, err)
			}
			last = it.Dir
		}
	}
	return nil
}
