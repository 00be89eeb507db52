package tree

import (
	"io"
	"strings"

	"goqmail/internal/address"
	"goqmail/internal/cdb"
	"goqmail/internal/conf"
	"goqmail/internal/control"
	"goqmail/internal/hier"
	"goqmail/internal/maildir"
	"goqmail/internal/role"
	"goqmail/internal/sys"
	"goqmail/internal/tcprules"
)

// DefaultRules are the rules for SMTP until a site has its own: who is on this
// host may relay.
const DefaultRules = `# Who may relay. After a change: tcprules tcp.smtp.cdb tcp.smtp.tmp < tcp.smtp
127.:allow,RELAYCLIENT=""
::1:allow,RELAYCLIENT=""
:allow
`

// defaultDelivery is the delivery instruction of a first configuration.
const defaultDelivery = "./Maildir/\n"

// A NoNameError says that a host name cannot be written into control files.
type NoNameError struct{ Name string }

func (e *NoNameError) Error() string { return "no usable host name: " + e.Name }

// OpenRelayError is the error of a tree that has a name but no rcpthosts. It is
// not mended: perhaps somebody has just removed the file.
type OpenRelayError struct{ Control string }

func (e *OpenRelayError) Error() string {
	return e.Control + "/me exists but " + e.Control + "/rcpthosts does not: SMTP would take mail for every host in the world"
}

// PlausibleName tells whether s could be a host name: no blanks, control bytes
// or colons, which would be something else in a control file.
func PlausibleName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 127 || s[i] == ':' || s[i] == '#' || s[i] == '@' || s[i] == '/' {
			return false
		}
	}
	return s != "" && s[0] != '-' && s[0] != '.'
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

// Has tells whether a name below the root exists, be it a broken link.
func (m *Maker) Has(name string) (bool, error) {
	_, err := m.Dir.Lstat(name)
	if sys.IsNotExist(err) {
		return false, nil
	}
	return err == nil, Step("stat", m.Root+"/"+name, err)
}

// Put makes a file where there is none, mode 0644, and tells whether it did.
func (m *Maker) Put(dir, file, content string, owner role.User) (made bool, err error) {
	return m.put(dir, file, content, owner, 0o644)
}

// put is Put with a mode.
func (m *Maker) put(dir, file, content string, owner role.User, mode uint32) (made bool, err error) {
	path := dir + "/" + file
	if has, err := m.Has(path); has || err != nil {
		return false, err
	}
	if err := m.Dir.WriteFileDurable(path, dir+"/"+hier.StageName(file), []byte(content), mode); err != nil {
		return false, Step("write", m.Root+"/"+path, err)
	}
	if m.Own {
		return true, Step("chown", m.Root+"/"+path, m.Dir.Chown(path, m.IDs.Users[owner], m.IDs.Groups[role.Qmail]))
	}
	return true, nil
}

// control makes a control file where there is none and tells say of it.
func (m *Maker) control(file, content string, say func(string)) error {
	made, err := m.Put("control", file, content, role.Owner)
	if made && err == nil {
		say(m.Root + "/control/" + file + " made")
	}
	return err
}

// Defaults are control files that a new installation gets because they are better
// than what their absence means, which is what C qmail does.
var Defaults = [...]struct{ Name, Value string }{
	{"remoteshare", "1"},
}

// Names writes the control files of a host that is called fqdn, each where there
// is none: me, defaultdomain, plusdomain, locals (the host), rcpthosts (what
// locals has). With a name already in me and no rcpthosts it is OpenRelayError.
func (m *Maker) Names(fqdn string, say func(string)) error {
	if has, err := m.Has("control/me"); err != nil {
		return err
	} else if has {
		open, err := m.Has("control/rcpthosts")
		if err == nil && !open {
			err = &OpenRelayError{m.Root + "/control"}
		}
		return err
	}
	if !PlausibleName(fqdn) {
		return &NoNameError{fqdn}
	}
	fqdn = address.Lower(fqdn)
	for _, f := range [...]struct{ file, value string }{
		{"defaultdomain", DefaultDomain(fqdn)}, {"plusdomain", PlusDomain(fqdn)}, {"locals", fqdn},
	} {
		if err := m.control(f.file, f.value+"\n", say); err != nil {
			return err
		}
	}
	for _, f := range Defaults {
		if err := m.control(f.Name, f.Value+"\n", say); err != nil {
			return err
		}
	}
	locals, err := m.Dir.ReadFile("control/locals", control.MaxFile)
	if err != nil {
		return Step("read", m.Root+"/control/locals", err)
	}
	if err := m.control("rcpthosts", string(locals), say); err != nil {
		return err
	}
	return m.control("me", fqdn+"\n", say) // last: it tells that the others have been made
}

// systemAliases are the addresses that every host must have.
var systemAliases = [...]string{"postmaster", "mailer-daemon", "root"}

// Aliases gives the addresses that every host must have a Maildir in alias/,
// each where it is no alias yet.
func (m *Maker) Aliases(say func(string)) error {
	for _, a := range systemAliases {
		made, err := m.Put("alias", ".qmail-"+a, defaultDelivery, role.Alias)
		if err != nil {
			return err
		}
		if made {
			say(m.Root + "/alias/.qmail-" + a + " made")
		}
	}
	const box = "alias/Maildir"
	if has, err := m.Has(box); has || err != nil {
		return err
	}
	if failed, err := maildir.Make(m.Root + "/" + box); err != nil {
		return Step("mkdir", failed, err)
	}
	for _, d := range [...]string{"", "/" + maildir.Tmp, "/" + maildir.New, "/" + maildir.Cur} {
		if !m.Own {
			break
		}
		if err := m.Dir.Chown(box+d, m.IDs.Users[role.Alias], m.IDs.Groups[role.Alias.Primary()]); err != nil {
			return Step("chown", m.Root+"/"+box+d, err)
		}
	}
	say(m.Root + "/" + box + " made")
	return nil
}

// Delivery says how users without a .qmail file get mail: Maildirs.
func (m *Maker) Delivery(say func(string)) error {
	return m.control("defaultdelivery", defaultDelivery, say)
}

// rc is the start script of a first configuration, for start scripts that keep
// the log in files.
const rc = `#!/bin/sh
# Starts qmail; boot/service and the system's start scripts run this.
# Users without a .qmail file get what control/defaultdelivery says.
exec HOME/boot/send multilog t /var/log/qmail/send
`

// Start makes the start script, rc.
func (m *Maker) Start(say func(string)) error {
	made, err := m.put(".", "rc", strings.ReplaceAll(rc, "HOME", conf.Home()), role.Owner, 0o755)
	if made && err == nil {
		say(m.Root + "/rc made")
	}
	return err
}

// Rules makes control/tcp.smtp and its compiled form, each where there is none.
func (m *Maker) Rules(say func(string)) error {
	if err := m.control("tcp.smtp", DefaultRules, say); err != nil {
		return err
	}
	if has, err := m.Has("control/tcp.smtp.cdb"); has || err != nil {
		return err
	}
	source, err := m.Dir.ReadFile("control/tcp.smtp", control.MaxFile)
	if err != nil {
		return Step("read", m.Root+"/control/tcp.smtp", err)
	}
	file, err := CompileRules(source)
	if err != nil {
		return err
	}
	return m.control("tcp.smtp.cdb", string(file), say)
}

// CompileRules is the cdb file of tcpserver's rules. A line that is none is the
// error.
func CompileRules(source []byte) ([]byte, error) {
	var f memory
	w, err := cdb.NewWriter(&f)
	if err == nil {
		err = tcprules.Compile(source, w.Put)
	}
	if err == nil {
		err = w.Close()
	}
	return f.b, err
}

// A memory is a file in memory.
type memory struct {
	b   []byte
	pos int
}

// Write writes at the offset.
func (m *memory) Write(p []byte) (int, error) {
	n := copy(m.b[m.pos:], p)
	m.b = append(m.b, p[n:]...)
	m.pos += len(p)
	return len(p), nil
}

// Seek moves the offset, from the start only; beyond the end there are zeros.
func (m *memory) Seek(off int64, whence int) (int64, error) {
	if whence != io.SeekStart || off < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	for int64(len(m.b)) < off {
		m.b = append(m.b, 0)
	}
	m.pos = int(off)
	return off, nil
}
