package container

import (
	"strconv"
	"strings"

	"goqmail/internal/control"
	"goqmail/internal/netstring"
	"goqmail/internal/sys"
	"goqmail/internal/tree"
)

// A kind is a service that can be asked for.
type kind struct {
	port      uint16
	rules     string // NAME of the rules control/tcp.NAME
	otherwise string // the rules of a site that has none
	isRoot    bool   // the program needs root until it knows the user
	argv      func(c *configuration) []string
}

// Rules of a site that has none. QMQP has no other protection.
const (
	allowAll  = ":allow\n"
	localOnly = "127.:allow\n::1:allow\n:deny\n"
)

// kinds are the services by name.
var kinds = map[string]kind{
	"smtp": {port: 25, rules: "smtp", otherwise: tree.DefaultRules, argv: program("qmail-smtpd")},
	"qmtp": {port: netstring.PortQMTP, rules: "smtp", otherwise: tree.DefaultRules, argv: program("qmail-qmtpd")},
	"qmqp": {port: netstring.PortQMQP, rules: "qmqp", otherwise: localOnly, argv: program("qmail-qmqpd")},
	"pop3": {port: 110, rules: "pop3", otherwise: allowAll, isRoot: true, argv: func(c *configuration) []string {
		return []string{c.bin("qmail-popup"), c.host, c.bin("checkpassword"), c.bin("qmail-pop3d"), "Maildir"}
	}},
}

// program is an argv of one word.
func program(name string) func(*configuration) []string {
	return func(c *configuration) []string { return []string{c.bin(name)} }
}

// A want is a service that was asked for.
type want struct {
	name string
	port uint16
	kind kind
}

// parseServices reads the arguments: NAME or NAME:PORT, each pair once.
func parseServices(args []string) (list []want, err error) {
	for _, a := range args {
		name, port, hasPort := strings.Cut(a, ":")
		k, ok := kinds[name]
		if !ok {
			return nil, badValue("there is no service " + name + "; known are smtp, qmtp, qmqp, pop3")
		}
		w := want{name, k.port, k}
		if hasPort {
			n, err := strconv.ParseUint(port, 10, 16)
			if err != nil || n == 0 {
				return nil, badValue("bad port in " + a)
			}
			w.port = uint16(n)
		}
		for _, other := range list {
			if other.port == w.port {
				return nil, badValue(other.name + " and " + name + " have the same port")
			}
		}
		list = append(list, w)
	}
	return list, nil
}

// A configuration is what the services are made of.
type configuration struct {
	home     string
	host     string // control/me
	delivery string // for users without a .qmail file
	listen   string // tcpserver's first argument
	uid, gid int    // of the network servers
	run      string // directory of compiled rules
	wanted   []want
	control  *sys.Dir
}

// bin is the path of a program of the suite.
func (c *configuration) bin(name string) string { return c.home + "/bin/" + name }

// services lists what the keeper runs, qmail-send first.
func (c *configuration) services() []*service {
	list := []*service{{name: "qmail-send", argv: []string{c.bin("qmail-start"), c.delivery}}}
	for _, w := range c.wanted {
		argv := []string{c.bin("tcpserver"), "-v", "-R", "-H", "-l", c.host, "-c", "100", "-x", c.rulesFile(w.kind.rules)}
		if !w.kind.isRoot {
			argv = append(argv, "-u", strconv.Itoa(c.uid), "-g", strconv.Itoa(c.gid))
		}
		argv = append(argv, c.listen, strconv.Itoa(int(w.port)))
		name := w.name
		if w.port != w.kind.port {
			name += ":" + strconv.Itoa(int(w.port))
		}
		list = append(list, &service{name: name, argv: append(argv, w.kind.argv(c)...)})
	}
	return list
}

// rulesFile is the compiled form of rules.
func (c *configuration) rulesFile(name string) string { return c.run + "/tcp." + name + ".cdb" }

// compileRules compiles the rules of all services. The first bad one is the
// error; those before it are compiled then.
//
//	tmp written and fsynced, renamed   tcpserver sees the old rules or the new ones
func (c *configuration) compileRules() error {
	for _, w := range c.wanted {
		name := "tcp." + w.kind.rules
		source, err := c.control.ReadFile(name, control.MaxFile)
		if sys.IsNotExist(err) {
			source, err = []byte(w.kind.otherwise), nil
		}
		if err != nil {
			return tree.Step("read", "control/"+name, err)
		}
		file, err := tree.CompileRules(source)
		if err != nil {
			return badValue("control/" + name + ": " + err.Error())
		}
		path := c.rulesFile(w.kind.rules)
		if err := sys.Cwd().WriteFileDurable(path, path+".tmp", file, 0o644); err != nil {
			return tree.Step("write", path, err)
		}
	}
	return nil
}
