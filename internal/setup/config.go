package setup

import (
	"goqmail/internal/address"
	"goqmail/internal/control"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/tree"
)

// openControl opens the control directory, so that config and config-fast write
// below it.
func openControl(p *prog.Process) (*sys.Dir, error) { return sys.OpenDir(home(p) + "/control") }

// putControl makes a control file of one line, durably.
func putControl(d *sys.Dir, name, line string) error {
	return d.WriteFileDurable(name, "."+name+".tmp", []byte(line+"\n"), 0o644)
}

// appendControl adds a line to a control file.
func appendControl(d *sys.Dir, name, line string) error {
	b, err := d.ReadFile(name, control.MaxFile)
	if err != nil && !sys.IsNotExist(err) {
		return err
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		b = append(b, '\n')
	}
	return d.WriteFileDurable(name, "."+name+".tmp", append(b, line+"\n"...), 0o644)
}

// putNames writes me, defaultdomain and plusdomain.
func putNames(p *prog.Process, d *sys.Dir, fqdn string) error {
	for _, f := range [...]struct{ file, value string }{
		{"me", fqdn}, {"defaultdomain", tree.DefaultDomain(fqdn)}, {"plusdomain", tree.PlusDomain(fqdn)},
	} {
		p.Say(1, "Putting ", f.value, " into control/", f.file, "...\n")
		if err := putControl(d, f.file, f.value); err != nil {
			return tree.Step("write", "control/"+f.file, err)
		}
	}
	return putDefaults(d)
}

// putDefaults writes what a new installation should have and C qmail does not
// know, each where there is none. It says nothing of it: what config prints is
// C qmail's.
func putDefaults(d *sys.Dir) error {
	for _, f := range tree.Defaults {
		_, err := d.Stat(f.Name)
		if sys.IsNotExist(err) {
			err = putControl(d, f.Name, f.Value)
		}
		if err != nil {
			return tree.Step("write", "control/"+f.Name, err)
		}
	}
	return nil
}

// configFast writes the control files for a machine whose full name is given.
func configFast(p *prog.Process, args []string) int {
	const me = "config-fast"
	if len(args) != 1 || !tree.PlausibleName(args[0]) {
		return p.Die(exitUsage, me, ": usage: config-fast fully.qualified.host.name")
	}
	fqdn := address.Lower(args[0])
	d, err := openControl(p)
	if err != nil {
		return fatal(p, me, "open", home(p)+"/control", err)
	}
	p.Say(1, "Your fully qualified host name is ", fqdn, ".\n")
	err = putNames(p, d, fqdn)
	for _, file := range [...]string{"locals", "rcpthosts"} {
		if err == nil {
			p.Say(1, "Putting ", fqdn, " into control/", file, "...\n")
			err = tree.Step("write", "control/"+file, appendControl(d, file, fqdn))
		}
	}
	if err != nil {
		return p.Die(exitFatal, me, ": fatal: ", err.Error())
	}
	p.Say(1, "Now qmail will refuse to accept SMTP messages except to ", fqdn, ".\n",
		"Make sure to change rcpthosts if you add hosts to locals or virtualdomains!\n")
	return exitOK
}

// configure writes the first configuration of a machine, for a start at once:
// what config-fast writes, how mail is delivered by default, who may relay, and
// a Maildir for the addresses that every host must have. Each file only where
// there is none; each that is made is told.
func configure(p *prog.Process, args []string) int {
	const me = "configure"
	if len(args) != 1 || !tree.PlausibleName(args[0]) {
		return p.Die(exitUsage, me, ": usage: configure fully.qualified.host.name")
	}
	in := newInstaller(home(p))
	if err := in.open(); err != nil {
		return fatal(p, me, "open", in.Root, err)
	}
	var err error
	if in.Own = sys.Geteuid() == 0; in.Own {
		if in.IDs, err = tree.Lookup(); err != nil {
			return fatal(p, me, "", "", err)
		}
	}
	say := func(line string) { p.Say(1, line, "\n") }
	err = in.Names(args[0], say)
	for _, f := range [...]func(func(string)) error{in.Aliases, in.Delivery, in.Start, in.Rules} {
		if err == nil {
			err = f(say)
		}
	}
	if err != nil {
		return p.Die(exitFatal, me, ": fatal: ", err.Error())
	}
	return exitOK
}
