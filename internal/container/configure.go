package container

import (
	"errors"
	"strings"

	"goqmail/internal/address"
	"goqmail/internal/control"
	"goqmail/internal/hier"
	"goqmail/internal/prog"
	"goqmail/internal/role"
	"goqmail/internal/sys"
	"goqmail/internal/tree"
)

// prefix begins the variables that say what is in control files.
const prefix = "CONTROL_"

// configure prepares the tree: directories and queue where volumes are empty,
// control files from the environment and a first configuration where they are
// missing, compiled rules. What exists is not changed. code is not 0 when that
// failed; it has said why.
func configure(p *prog.Process, say func(string), wanted []want) (c *configuration, code int) {
	files, err := fromEnvironment(p.Env)
	if err != nil {
		return nil, p.Die(exitUsage, me, ": fatal: ", err.Error())
	}
	c = &configuration{home: p.Home, listen: "0", run: runDir, wanted: wanted}
	if l, ok := p.Env.Get("LISTEN"); ok {
		c.listen = l
	}
	ids, err := tree.Lookup()
	if err == nil {
		m := &tree.Maker{Root: p.Home, Own: true, IDs: ids}
		c.uid, c.gid = ids.Users[role.Daemon], ids.Groups[role.Nofiles]
		err = c.prepare(m, files, sys.Hostname(), say)
	}
	if err != nil {
		return nil, p.Die(exitFailed, me, ": fatal: ", err.Error())
	}
	return c, 0
}

// A file is a control file that the environment gives.
type file struct{ name, content string }

// extra are control files that no program reads by itself: name and whether it
// has lines.
var extra = map[string]bool{"defaultdelivery": false, "tcp.qmqp": true, "tcp.pop3": true}

// fromEnvironment reads the variables CONTROL_NAME. NAME is a control file's in
// upper case, with _ for a dot. In lists and rules blanks separate lines as LF
// does; anything else is one line.
func fromEnvironment(env prog.Env) (files []file, err error) {
	for _, e := range env.List() {
		variable, value, _ := strings.Cut(e, "=")
		name, ok := strings.CutPrefix(variable, prefix)
		if !ok {
			continue
		}
		name = strings.ReplaceAll(address.Lower(name), "_", ".")
		isList, known := extra[name]
		if f, ok := control.FileNamed(name); ok && f.Kind != control.KindCompiled {
			isList, known = f.Kind == control.KindList || f.Kind == control.KindSwitch, true
		}
		if !known {
			return nil, badValue(variable + ": there is no control file " + name)
		}
		if isList {
			value = strings.Join(words(value), "\n")
		}
		if value != "" || isList {
			value += "\n"
		}
		files = append(files, file{name, value})
	}
	return files, nil
}

// words cuts a value at blanks, tabs and LF.
func words(s string) []string { return address.Fields(s, " \t\n") }

// prepare makes what is missing below the home.
//
//	directories, queue    as setup makes them
//	control/NAME          from the environment, me last of all
//	alias/, rules         the rest of a first configuration
func (c *configuration) prepare(m *tree.Maker, files []file, hostname string, say func(string)) (err error) {
	if m.Dir, err = sys.OpenDir(m.Root); err != nil {
		return tree.Step("open", m.Root, err)
	}
	if err := directories(m); err != nil {
		return err
	}
	name := hostname
	for _, f := range files {
		if f.name == "me" {
			name = strings.TrimSuffix(f.content, "\n")
			continue
		}
		made, err := m.Put("control", f.name, f.content, role.Owner)
		if err != nil {
			return err
		}
		if made {
			say(m.Root + "/control/" + f.name + " made")
		}
	}
	if err := c.names(m, name, say); err != nil {
		return err
	}
	if err := aliases(m, say); err != nil {
		return err
	}
	if err := tree.MakePath(c.run); err != nil {
		return tree.Step("mkdir", c.run, err)
	}
	return c.compileRules()
}

// names makes the names of this host if it has none, and reads what the services
// need of control.
func (c *configuration) names(m *tree.Maker, name string, say func(string)) error {
	had, err := m.Has("control/me")
	if err == nil {
		err = m.Names(name, say)
	}
	var bad *tree.NoNameError
	if errors.As(err, &bad) {
		return badValue("this host needs a name: set " + prefix + "ME")
	}
	if err != nil {
		return err
	}
	if !had && !strings.Contains(name, ".") {
		say("the name of this host is " + name + ", which other hosts cannot know; set " + prefix + "ME for a first start")
	}
	r, err := control.Open(m.Root)
	if err != nil {
		return err
	}
	c.control = r.Dir()
	var ok bool
	if c.host, ok = r.Me(); !ok || !tree.PlausibleName(c.host) {
		return badValue(m.Root + "/control/me has no host name")
	}
	if c.delivery, ok, err = r.Line("defaultdelivery"); !ok {
		c.delivery = "./Maildir/"
	}
	return err
}

// directories makes the site's directories and the queue. An existing control or
// users stays as it is: it may be read-only, and reading is all that it is for.
func directories(m *tree.Maker) error {
	var dirs []hier.Item
	for _, it := range hier.StateDirectories() {
		if it.Dir == "control" || it.Dir == "users" {
			if has, err := m.Has(it.Dir); err != nil {
				return err
			} else if has {
				continue
			}
		}
		dirs = append(dirs, it)
	}
	return m.Queue(dirs)
}

// aliases gives the addresses that every host must have a place in an alias/ that
// is empty.
func aliases(m *tree.Maker, say func(string)) error {
	names, err := m.Dir.Names("alias")
	if err != nil {
		return tree.Step("read", m.Root+"/alias", err)
	}
	if len(names) > 0 {
		return nil
	}
	return m.Aliases(say)
}
