package mailtools

import (
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// Maildirmake is maildirmake: it makes a Maildir, which only its owner can
// enter. Spec: spec/local.md section 12.
func Maildirmake(p *prog.Process) int {
	if len(p.Args) < 2 {
		return p.Die(exitPermanent, "maildirmake: usage: maildirmake name")
	}
	sys.Umask(0o077)
	name := p.Args[1]
	if failed, err := makeMaildir(name); err != nil {
		return p.Die(exitTemporary, "maildirmake: fatal: unable to mkdir ", failed, ": ", sys.ErrText(err))
	}
	return exitOK
}

// makeMaildir makes name and what belongs into it. If it cannot make all of it,
// it leaves none behind and says which one failed.
func makeMaildir(name string) (failed string, err error) {
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
	parts := [...]string{"tmp", "new", "cur"}
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
