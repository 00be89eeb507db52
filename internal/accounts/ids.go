package accounts

import (
	"goqmail/internal/conf"
	"goqmail/internal/role"
	"goqmail/internal/sys"
)

// OpenAt makes a Table that takes numbers from users/ids below home, as long as
// that file can be believed, and else is what Open makes.
func OpenAt(home string) *Table {
	t := Open()
	t.home = home
	return t
}

// Quick is OpenAt for the suite's own home.
func Quick() *Table { return OpenAt(conf.Home()) }

// believed is users/ids, if it can be believed as far as the one file is
// concerned that its versions has.
func (t *Table) believed(name string, version func(role.IDs) role.FileVersion) (role.IDs, bool) {
	if t.home == "" {
		return role.IDs{}, false
	}
	if !t.looked {
		t.looked = true
		t.ids, t.hasIDs = readIDs(t.home + "/" + role.IDsFile)
	}
	if !t.hasIDs {
		return role.IDs{}, false
	}
	st, err := sys.Cwd().Stat(name)
	return t.ids, err == nil && versionOf(st) == version(t.ids)
}

func passwdVersion(i role.IDs) role.FileVersion { return i.Passwd }
func groupVersion(i role.IDs) role.FileVersion  { return i.Group }

// readIDs reads the file if it is root's and nobody else may write it.
func readIDs(path string) (i role.IDs, ok bool) {
	const notRoots = 0o022 // group and others may write
	fd, err := sys.Cwd().Open(path, sys.ReadOnly|sys.NonBlock|sys.NoFollow, 0)
	if err != nil {
		return i, false
	}
	defer func() { _ = fd.Close() }() // read only
	st, err := fd.Stat()
	if err != nil || !st.IsRegular() || st.UID != 0 || st.Mode&notRoots != 0 || st.Size > role.IDsMax {
		return i, false
	}
	b, err := fd.ReadAll(role.IDsMax)
	if err != nil {
		return i, false
	}
	return role.ParseIDs(b)
}

func versionOf(st sys.Info) role.FileVersion {
	const second = 1e9
	return role.FileVersion{
		Dev: st.Dev, Ino: st.Ino, Size: st.Size,
		Mtime: st.Mtime*second + st.MtimeNano, Ctime: st.Ctime*second + st.CtimeNano,
	}
}

// WriteIDs writes users/ids below home, for programs that start later. It needs
// root. A failure costs them time only.
func WriteIDs(home string) error {
	const tmp = role.IDsFile + ".tmp"
	var i role.IDs
	for _, f := range [...]struct {
		name string
		to   *role.FileVersion
	}{{PasswdFile, &i.Passwd}, {GroupFile, &i.Group}} {
		st, err := sys.Cwd().Stat(f.name) // before it is read: a change meanwhile shows
		if err != nil {
			return err
		}
		*f.to = versionOf(st)
	}
	t := Open()
	var err error
	for _, u := range role.Users() {
		if i.UIDs[u], err = t.UID(u); err != nil {
			return err
		}
	}
	for _, g := range [...]role.Group{role.Qmail, role.Nofiles} {
		if i.GIDs[g], err = t.GID(g); err != nil {
			return err
		}
	}
	if old, ok := readIDs(home + "/" + role.IDsFile); ok && old == i {
		return nil // a file that would say the same stays
	}
	dir, err := sys.Cwd().OpenSearchDir(home)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }() // used for names only
	return dir.WriteFileDurable(role.IDsFile, tmp, i.Append(nil), 0o644)
}
