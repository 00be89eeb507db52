package setup

import (
	"errors"
	"net/netip"
	"strings"

	"goqmail/internal/address"
	"goqmail/internal/hier"
	"goqmail/internal/prog"
	"goqmail/internal/role"
	"goqmail/internal/sys"
	"goqmail/internal/tree"
)

// refuseNull refuses to put a queue into a null client's tree, where nothing
// would ever deliver what is in it. A tree that cannot be looked at is left to
// what comes next.
func (in *installer) refuseNull() error {
	if in.open() != nil {
		return nil
	}
	defer func() { _ = in.Dir.Close() }() // only read
	if !tree.IsNullClient(in.Dir) {
		return nil
	}
	return errors.New(in.Root + " is a null client; make setup-nullclient upgrades it. For a full installation, remove " + in.Root + "/" + hier.NullQueue + " first")
}

// nullClient installs what a host needs that gives all its mail to QMQP servers:
//
//	nullclient [ NAME [ SITE [ SERVER ... ] ] ]
//
// NAME is this host's, SITE is put behind addresses without a host, SERVER is an
// IPv4 address. They are written into control files that do not exist yet; an
// empty one means that it is not given. A full installation is refused before
// anything is touched. No accounts are needed.
func nullClient(p *prog.Process, args []string) int {
	const me = "nullclient"
	set, err := nullControls(args)
	if err != nil {
		return p.Die(exitUsage, me, ": ", err.Error())
	}
	in := newInstaller(home(p))
	in.Own, in.IDs = sys.Geteuid() == 0, tree.RootOnly()
	if err := in.refuseFull(); err != nil {
		return p.Die(exitFatal, me, ": fatal: ", err.Error())
	}
	if err := in.nullClient(); err != nil {
		return p.Die(exitFatal, me, ": fatal: ", err.Error())
	}
	for _, c := range set {
		made, err := in.Put("control", c.file, c.text, role.Owner)
		if err != nil {
			return p.Die(exitFatal, me, ": fatal: ", err.Error())
		}
		if made {
			p.Say(1, in.Root, "/control/", c.file, " made\n")
		}
	}
	for _, file := range [...]string{"me", "qmqpservers"} {
		if has, err := in.Has("control/" + file); err == nil && !has {
			p.Say(1, in.Root, "/control/", file, " is missing: no mail can be sent before it is there\n")
		}
	}
	return exitOK
}

// A controlText is a control file to be made.
type controlText struct{ file, text string }

// nullControls are the control files that the arguments ask for. The site's name
// goes behind addresses; this host's name makes Message-IDs unique.
func nullControls(args []string) (set []controlText, err error) {
	add := func(file, value string) {
		if value != "" {
			set = append(set, controlText{file, value + "\n"})
		}
	}
	var name, site string
	for i, to := range [...]*string{&name, &site} {
		if len(args) > i && args[i] != "" {
			if !tree.PlausibleName(args[i]) {
				return nil, errors.New("no host name: " + args[i])
			}
			*to = address.Lower(args[i])
		}
	}
	add("me", name)
	add("idhost", name)
	if domain := site; domain != "" {
		add("defaulthost", site)
		add("defaultdomain", site)
		add("plusdomain", tree.PlusDomain(site))
	} else if name != "" {
		add("defaulthost", name)
		add("defaultdomain", tree.DefaultDomain(name))
		add("plusdomain", tree.PlusDomain(name))
	}
	var servers []string
	for _, s := range args[min(2, len(args)):] {
		if ip, err := netip.ParseAddr(s); err != nil || !ip.Is4() {
			return nil, errors.New("no IPv4 address of a server: " + s)
		}
		servers = append(servers, s)
	}
	add("qmqpservers", strings.Join(servers, "\n"))
	return set, nil
}

// refuseFull refuses a tree that has a queue, or a qmail-queue of its own.
func (in *installer) refuseFull() error {
	err := in.open()
	if sys.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return tree.Step("open", in.Root, err)
	}
	defer func() { _ = in.Dir.Close() }() // only read
	if tree.IsNullClient(in.Dir) {
		return nil
	}
	for _, name := range [...]string{"queue", hier.NullQueue} {
		if has, err := in.Has(name); err != nil || has {
			if err == nil {
				err = errors.New(in.Root + "/" + name + " exists: this is a full installation, and a null client has no queue")
			}
			return err
		}
	}
	return nil
}

// nullClient puts a null client in place: programs first, then the link by which
// they find qmail-qmqpc.
func (in *installer) nullClient() error {
	if err := tree.MakePath(in.Root); err != nil {
		return tree.Step("mkdir", in.Root, err)
	}
	if err := in.open(); err != nil {
		return tree.Step("open", in.Root, err)
	}
	if err := in.directories(hier.NullDirectories()); err != nil {
		return err
	}
	items, err := nullFiles()
	if err != nil {
		return tree.Step("read", "man", err)
	}
	link := items[len(items)-1]
	if err := in.replace(items[:len(items)-1]); err != nil {
		return err
	}
	if tree.IsNullClient(in.Dir) {
		return nil
	}
	if err := in.Dir.Symlink(link.Target, link.Path()); err != nil {
		return tree.Step("link", in.Root+"/"+link.Path(), err)
	}
	return tree.Step("fsync", in.Root+"/bin", in.Dir.SyncDir("bin"))
}

// nullDocuments are the documents of a null client, with their sources.
var nullDocuments = [...]struct{ name, source string }{
	{"NULLCLIENT.md", "docs/NULLCLIENT.md"}, {"LICENSE", "LICENSE"}, {"VERSION", "VERSION"},
}

// nullFiles lists the files of a null client, the link last.
func nullFiles() ([]hier.Item, error) {
	names, err := sys.Cwd().Names("man")
	if err != nil {
		return nil, err
	}
	var items []hier.Item
	for _, name := range names {
		if it, ok := hier.ManPage(name); ok && hier.IsNullPage(name) {
			items = append(items, it)
		}
	}
	for _, d := range nullDocuments {
		items = append(items, hier.Document(d.name, d.source))
	}
	return append(items, hier.NullPrograms()...), nil
}
