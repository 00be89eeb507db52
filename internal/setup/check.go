package setup

import (
	"goqmail/internal/hier"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/tree"
)

// A wanted tree is what should be at a place.
type wanted struct {
	items []hier.Item
	ids   tree.IDs
}

// want finds out what should be in the tree at root: a null client's if it is
// one; else all that the build tree has, or, with the argument "installed", all
// that came with the tree itself.
func want(root *sys.Dir, args []string) (w wanted, err error) {
	if tree.IsNullClient(root) {
		items, err := nullFiles()
		return wanted{append(hier.NullDirectories(), items...), tree.RootOnly()}, tree.Step("read", "man", err)
	}
	if w.ids, err = tree.Lookup(); err != nil {
		return w, err
	}
	var items []hier.Item
	if len(args) == 1 {
		items, err = installedFiles(root)
	} else {
		items, err = files()
	}
	w.items = everything(items)
	return w, tree.Step("read", "man or docs", err)
}

// installed tells whether the arguments are none, or one that is "installed".
func installed(args []string) bool {
	return len(args) == 0 || len(args) == 1 && args[0] == "installed"
}

// instchown gives everything its owner, group and mode: for a tree that an
// ordinary user packaged.
func instchown(p *prog.Process, args []string) int {
	const me = "instchown"
	if !installed(args) {
		return p.Die(exitUsage, me, ": usage: instchown [ installed ]")
	}
	in := newInstaller(home(p))
	if err := in.open(); err != nil {
		return fatal(p, me, "open", in.Root, err)
	}
	w, err := want(in.Dir, args)
	if err != nil {
		return p.Die(exitFatal, me, ": fatal: ", err.Error())
	}
	in.Own, in.IDs = true, w.ids
	for _, it := range w.items {
		if it.Type == hier.Link {
			continue // its owner and mode mean nothing
		}
		if err := in.Attributes(it); err != nil {
			return p.Die(exitFatal, me, ": fatal: ", err.Error())
		}
	}
	return exitOK
}

// everything is the whole tree: directories, queue files, then files.
func everything(files []hier.Item) []hier.Item {
	return append(append(hier.Directories(), hier.QueueFiles()...), files...)
}

// instcheck compares the tree with what it should be and warns on descriptor 2.
// Differences do not change the exit code.
func instcheck(p *prog.Process, args []string) int {
	const me = "instcheck"
	if !installed(args) {
		return p.Die(exitUsage, me, ": usage: instcheck [ installed ]")
	}
	root, entered := home(p), ""
	w, err := wantAt(root, args)
	if err != nil {
		return p.Die(exitFatal, me, ": fatal: ", err.Error())
	}
	for _, it := range w.items {
		full, shown := root+"/"+it.Path(), root+"/"+it.Path()
		if it.Path() == "" {
			full, shown = root, root
		}
		if it.Type == hier.Program || it.Type == hier.Text || it.Type == hier.Link {
			if dir := root + "/" + it.Dir; dir != entered {
				d, err := sys.OpenDir(dir)
				if err != nil {
					return fatal(p, me, "switch to", dir, err)
				}
				_ = d.Close() // nothing is done with it
				entered = dir
			}
			shown = ".../" + it.Path()
		}
		for _, c := range compare(full, it, w.ids) {
			p.Say(2, me, ": warning: ", c.before, shown, c.after, "\n")
		}
	}
	return exitOK
}

// wantAt is want for a tree that may be missing altogether: then it should be a
// full one.
func wantAt(root string, args []string) (wanted, error) {
	d, err := sys.OpenDir(root)
	if err != nil {
		if len(args) > 0 {
			return wanted{}, tree.Step("open", root, err)
		}
		d = sys.Cwd()
	}
	defer func() { _ = d.Close() }() // only read
	return want(d, args)
}

// A warning is what is wrong with a name: before + NAME + after.
type warning struct{ before, after string }

// compare looks at owner, group, permissions and type, in this order.
func compare(full string, it hier.Item, want tree.IDs) []warning {
	if it.Type == hier.Link {
		return compareLink(full, it)
	}
	st, err := sys.Cwd().Stat(full)
	if sys.IsNotExist(err) {
		return []warning{{"", " does not exist"}}
	}
	if err != nil {
		return []warning{{"unable to stat ", ": " + sys.ErrText(err)}}
	}
	var out []warning
	if int(st.UID) != want.Users[it.Owner] {
		out = append(out, warning{"", " has wrong owner"})
	}
	if int(st.GID) != want.Groups[it.Group] {
		out = append(out, warning{"", " has wrong group"})
	}
	if st.Perm() != it.Mode {
		out = append(out, warning{"", " has wrong permissions"})
	}
	if !rightType(st, it.Type) {
		out = append(out, warning{"", " has wrong type"})
	}
	return out
}

// compareLink looks at a symbolic link: its text is all that counts.
func compareLink(full string, it hier.Item) []warning {
	text, err := sys.Cwd().Readlink(full)
	switch {
	case sys.IsNotExist(err):
		return []warning{{"", " does not exist"}}
	case err != nil || text != it.Target:
		return []warning{{"", " is not a link to " + it.Target}}
	}
	return nil
}

// rightType tells whether the file is of the item's type.
func rightType(st sys.Info, t hier.Type) bool {
	switch t {
	case hier.Dir:
		return st.IsDir()
	case hier.FIFO:
		return st.IsFIFO()
	}
	return st.IsRegular()
}

// uninstall removes programs, start scripts, manual pages and documents. The
// queue, control, users and alias stay, and so does every directory that holds
// something else.
func uninstall(p *prog.Process, _ []string) int {
	const me = "uninstall"
	in := newInstaller(home(p))
	if err := in.open(); err != nil {
		return fatal(p, me, "open", in.Root, err)
	}
	items, err := files()
	if tree.IsNullClient(in.Dir) {
		items, err = nullFiles()
	}
	if err != nil {
		return fatal(p, me, "read", "man or docs", err)
	}
	in.clean(items, hier.StageName)        // an interrupted setup may have left them,
	in.clean(items, hier.OldName)          // a setuid qmail-queue among them
	for i := len(items) - 1; i >= 0; i-- { // qmail-queue first: nothing new enters
		if err := in.Dir.Unlink(items[i].Path()); err != nil && !sys.IsNotExist(err) {
			return fatal(p, me, "unlink", in.Root+"/"+items[i].Path(), err)
		}
	}
	dirs := hier.Directories()
	for i := len(dirs) - 1; i >= 0; i-- {
		switch top(dirs[i].Dir) {
		case "bin", "boot", "doc", "man":
			_ = in.Dir.Rmdir(dirs[i].Dir) // stays when somebody put a file there
		}
	}
	return exitOK
}

// top is the first part of a path.
func top(path string) string {
	for i := 0; i < len(path); i++ {
		if path[i] == '/' {
			return path[:i]
		}
	}
	return path
}
