package aliastools

import (
	"errors"

	"goqmail/internal/aliases"
	"goqmail/internal/control"
	"goqmail/internal/newfile"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// aliasTable is the table that newaliases compiles; its other files are named
// after it.
const aliasTable = "/etc/aliases"

// Newaliases is newaliases: it compiles /etc/aliases into /etc/aliases.cdb by
// way of /etc/aliases.tmp. Its arguments count for nothing. Exit 0; 100 for an
// address that is too long; 111 for anything else.
// Spec: spec/fastforward.md section 6.
func Newaliases(p *prog.Process) int { return newaliases(p, aliasTable) }

// newaliases compiles the table at path.
func newaliases(p *prog.Process, path string) int {
	g := program{p, "newaliases"}
	h, text, code := g.source(path)
	if h == nil {
		return code
	}
	name, tmp := path+".cdb", path+".tmp"
	f, err := newfile.CreateCDB(sys.Cwd(), tmp, name)
	if err != nil {
		return g.fatal(exitFail, "unable to create "+tmp, err)
	}
	if err = f.Publish(); err == nil {
		err = aliases.Compile(text, h, f.Put)
	}
	if err != nil {
		f.Abandon()
		return g.badLine(err, exitBad, tmp)
	}
	if err := f.Finish(); err != nil {
		return g.fatal(exitFail, "unable to write to "+tmp, err)
	}
	return g.move(f.File, name, tmp)
}

// Newinclude is newinclude: it compiles the :include: file that its argument
// names into the binary mailing list of that name with .bin, by way of .tmp.
// Exit 0; 100 without an argument; 111 for anything else.
// Spec: spec/fastforward.md section 7.
func Newinclude(p *prog.Process) int {
	g := program{p, "newinclude"}
	if len(p.Args) < 2 {
		return g.usage(" list")
	}
	path := p.Args[1]
	h, text, code := g.source(path)
	if h == nil {
		return code
	}
	bin, tmp := aliases.ListNames(path)
	f, err := newfile.Create(sys.Cwd(), tmp, bin)
	if err != nil {
		return g.fatal(exitFail, "unable to write to "+tmp, err)
	}
	list, err := aliases.CompileInclude(text, h)
	if err != nil {
		f.Abandon()
		return g.badLine(err, exitFail, tmp)
	}
	return g.finishList(f, list, bin, tmp)
}

// badLine ends a program after a failure to compile: long is the exit code for
// an address that is too long, tmp where records could not be put.
func (g program) badLine(err error, long int, tmp string) int {
	var bad *aliases.Error
	switch {
	case !errors.As(err, &bad):
		return g.fatal(exitFail, "unable to write to "+tmp, err)
	case bad.Long:
		return g.fatal(long, bad.Text, nil)
	}
	return g.fatal(exitFail, bad.Text, nil)
}

// source reads what completes addresses and the file at path; without them h is
// nil and the exit code that ends the program is returned.
func (g program) source(path string) (h *aliases.Hosts, text []byte, code int) {
	if h, code = g.hosts(); h == nil {
		return nil, nil, code
	}
	text, err := readSource(path)
	if err != nil {
		return nil, nil, g.unreadable(path, err)
	}
	return h, text, 0
}

// hosts reads what completes addresses; without it h is nil and the exit code
// that ends the program is returned, the failure having been told.
func (g program) hosts() (h *aliases.Hosts, code int) {
	home, err := sys.Cwd().OpenSearchDir(g.p.Home)
	if err != nil {
		return nil, g.fatal(exitFail, "unable to chdir to "+g.p.Home, err)
	}
	_ = home.Close() // it was only to tell a bad home from a bad control
	r, err := control.Open(g.p.Home)
	if err != nil {
		return nil, g.fatal(exitFail, "unable to read controls", err)
	}
	defer r.Close()
	first := control.EnvironmentFirst(g.p.Env.Get)
	_, named := r.Me()
	d, err := r.AddressDefaults(func(file, value string) string {
		if !named && value == file {
			value = "me" // as in C, without control/me; not each file's own name
		}
		return first(file, value)
	})
	var bad *control.HostError
	switch {
	case errors.As(err, &bad):
		return nil, g.fatal(exitFail, bad.Error(), nil)
	case err != nil:
		return nil, g.fatal(exitFail, "unable to read controls", err)
	}
	return &aliases.Hosts{Default: d.Host.Address(), Domain: d.Domain.Address(), Plus: d.Plus.Address()}, 0
}
