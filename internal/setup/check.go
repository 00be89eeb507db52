package setup

import (
	"goqmail/internal/hier"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// instchown gives everything its owner, group and mode: for a tree that an
// ordinary user packaged.
func instchown(p *prog.Process, _ []string) int {
	const me = "instchown"
	all, err := lookup()
	if err != nil {
		return fatal(p, me, "", "", err)
	}
	in := &installer{root: home(p), asRoot: true, ids: all}
	if in.dir, err = sys.OpenDir(in.root); err != nil {
		return fatal(p, me, "open", in.root, err)
	}
	items, err := files()
	if err != nil {
		return fatal(p, me, "read", "man or docs", err)
	}
	for _, it := range everything(items) {
		if err := in.attributes(it); err != nil {
			return p.Die(exitFatal, me, ": fatal: ", err.Error())
		}
	}
	return 0
}

// everything is the whole tree: directories, queue files, then files.
func everything(files []hier.Item) []hier.Item {
	return append(append(hier.Directories(), hier.QueueFiles()...), files...)
}

// instcheck compares the tree with what it should be and warns on descriptor 2.
// Differences do not change the exit code.
func instcheck(p *prog.Process, _ []string) int {
	const me = "instcheck"
	want, err := lookup()
	if err != nil {
		return fatal(p, me, "", "", err)
	}
	items, err := files()
	if err != nil {
		return fatal(p, me, "read", "man or docs", err)
	}
	root, entered := home(p), ""
	for _, it := range everything(items) {
		full, shown := root+"/"+it.Path(), root+"/"+it.Path()
		if it.Path() == "" {
			full, shown = root, root
		}
		if it.Type == hier.Program || it.Type == hier.Text {
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
		for _, w := range compare(full, it, want) {
			p.Say(2, me, ": warning: ", w.before, shown, w.after, "\n")
		}
	}
	return 0
}

// A warning is what is wrong with a name: before + NAME + after.
type warning struct{ before, after string }

// compare looks at owner, group, permissions and type, in this order.
func compare(full string, it hier.Item, want ids) []warning {
	st, err := sys.Cwd().Stat(full)
	if sys.IsNotExist(err) {
		return []warning{{"", " does not exist"}}
	}
	if err != nil {
		return []warning{{"unable to stat ", ": " + sys.ErrText(err)}}
	}
	var out []warning
	if int(st.UID) != want.users[it.Owner] {
		out = append(out, warning{"", " has wrong owner"})
	}
	if int(st.GID) != want.groups[it.Group] {
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
	items, err := files()
	if err != nil {
		return fatal(p, me, "read", "man or docs", err)
	}
	root := home(p)
	d, err := sys.OpenDir(root)
	if err != nil {
		return fatal(p, me, "open", root, err)
	}
	in := &installer{root: root, dir: d}
	in.clean(items, hier.StageName)        // an interrupted setup may have left them,
	in.clean(items, hier.OldName)          // a setuid qmail-queue among them
	for i := len(items) - 1; i >= 0; i-- { // qmail-queue first: nothing new enters
		if err := d.Unlink(items[i].Path()); err != nil && !sys.IsNotExist(err) {
			return fatal(p, me, "unlink", root+"/"+items[i].Path(), err)
		}
	}
	dirs := hier.Directories()
	for i := len(dirs) - 1; i >= 0; i-- {
		switch top(dirs[i].Dir) {
		case "bin", "boot", "doc", "man":
			_ = d.Rmdir(dirs[i].Dir) // stays when somebody put a file there
		}
	}
	return 0
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
