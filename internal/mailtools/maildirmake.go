package mailtools

import (
	"goqmail/internal/maildir"
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
	if failed, err := maildir.Make(name); err != nil {
		return p.Die(exitTemporary, "maildirmake: fatal: unable to mkdir ", failed, ": ", sys.ErrText(err))
	}
	return exitOK
}
