package setup

import (
	"strings"

	"goqmail/internal/address"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// control opens the control directory, so that config and config-fast write
// below it.
func control(p *prog.Process) (*sys.Dir, error) { return sys.OpenDir(home(p) + "/control") }

// putControl makes a control file of one line, durably.
func putControl(d *sys.Dir, name, line string) error {
	return d.WriteFileDurable(name, "."+name+".tmp", []byte(line+"\n"), 0o644)
}

// appendControl adds a line to a control file.
func appendControl(d *sys.Dir, name, line string) error {
	b, err := d.ReadFile(name, 64<<20)
	if err != nil && !sys.IsNotExist(err) {
		return err
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		b = append(b, '\n')
	}
	return d.WriteFileDurable(name, "."+name+".tmp", append(b, line+"\n"...), 0o644)
}

// DefaultDomain is what config puts into defaultdomain: the name without its
// first label if it has at least three, else the name itself.
func DefaultDomain(fqdn string) string {
	if strings.Count(fqdn, ".") < 2 {
		return fqdn
	}
	_, rest, _ := strings.Cut(fqdn, ".")
	return rest
}

// PlusDomain is what config puts into plusdomain: the last two labels.
func PlusDomain(fqdn string) string {
	dots := 0
	for i := len(fqdn) - 1; i >= 0; i-- {
		if fqdn[i] == '.' {
			if dots++; dots == 2 {
				return fqdn[i+1:]
			}
		}
	}
	return fqdn
}

// putNames writes me, defaultdomain and plusdomain.
func putNames(p *prog.Process, d *sys.Dir, fqdn string) error {
	for _, f := range [...]struct{ file, value string }{
		{"me", fqdn}, {"defaultdomain", DefaultDomain(fqdn)}, {"plusdomain", PlusDomain(fqdn)},
	} {
		p.Say(1, "Putting ", f.value, " into control/", f.file, "...\n")
		if err := putControl(d, f.file, f.value); err != nil {
			return step("write", "control/"+f.file, err)
		}
	}
	return nil
}

// configFast writes the control files for a machine whose full name is given.
func configFast(p *prog.Process, args []string) int {
	const me = "config-fast"
	if len(args) != 1 || !plausibleName(args[0]) {
		return p.Die(exitUsage, me, ": usage: config-fast fully.qualified.host.name")
	}
	fqdn := address.Lower(args[0])
	d, err := control(p)
	if err != nil {
		return fatal(p, me, "open", home(p)+"/control", err)
	}
	p.Say(1, "Your fully qualified host name is ", fqdn, ".\n")
	err = putNames(p, d, fqdn)
	for _, file := range [...]string{"locals", "rcpthosts"} {
		if err == nil {
			p.Say(1, "Putting ", fqdn, " into control/", file, "...\n")
			err = step("write", "control/"+file, appendControl(d, file, fqdn))
		}
	}
	if err != nil {
		return p.Die(exitFatal, me, ": fatal: ", err.Error())
	}
	p.Say(1, "Now qmail will refuse to accept SMTP messages except to ", fqdn, ".\n",
		"Make sure to change rcpthosts if you add hosts to locals or virtualdomains!\n")
	return 0
}

// plausibleName tells whether s could be a host name: no blanks, control bytes
// or colons, which would be something else in a control file.
func plausibleName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 127 || s[i] == ':' || s[i] == '#' || s[i] == '@' {
			return false
		}
	}
	return s != "" && s[0] != '-' && s[0] != '.'
}
