package maildir

import "goqmail/internal/sys"

// Make makes the Maildir name, which only its owner can enter. If it cannot make
// all of it, it leaves none behind and says which directory failed.
func Make(name string) (failed string, err error) {
	cwd := sys.Cwd()
	if err := cwd.Mkdir(name, 0o700); err != nil {
		return name, err
	}
	dir, err := cwd.OpenDir(name)
	if err != nil {
		_ = cwd.Rmdir(name) // best effort
		return name, err
	}
	defer func() { _ = dir.Close() }() // nothing was written through it
	parts := [...]string{Tmp, New, Cur}
	for i, part := range parts {
		if err := dir.Mkdir(part, 0o700); err != nil {
			for _, made := range parts[:i] {
				_ = dir.Rmdir(made) // best effort
			}
			_ = cwd.Rmdir(name) // best effort
			return name + "/" + part, err
		}
	}
	return "", nil
}
