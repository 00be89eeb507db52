package cdbtools

import (
	"bufio"
	"bytes"
	"io"

	"goqmail/internal/address"
	"goqmail/internal/assign"
	"goqmail/internal/conf"
	"goqmail/internal/control"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/role"
	"goqmail/internal/sys"
)

// A homeRule says what qmail-pw2u does about home directories.
type homeRule int

const (
	homeSkip homeRule = iota // -o: leave out users whose home is missing or not theirs
	homeStop                 // -h: stop when a home is missing; leave out when not theirs
	homeAny                  // -H: do not look
)

// pw2u is one run of qmail-pw2u.
type pw2u struct {
	program
	dir  *sys.Dir // the suite's home
	home homeRule

	upper  bool   // -u: allow upper-case names
	dash   string // "-", or "-/" with -/
	breakc string // byte after a user's name; "" with -C: no extensions

	include, exclude *control.Map // nil: no such file
	mailnames        control.Map

	out      *bufio.Writer
	accounts map[string]pipe.Nughde // by name in lower case; the last of a name counts
	alias    bool                   // the alias user has been found
}

// Pw2u is qmail-pw2u: it turns a passwd file on descriptor 0 into the text of
// users/assign on descriptor 1. Exit 0; 100 for a bad option; 111 with one line
// on descriptor 2.
//
// What it writes before the end of the input is lost when it stops there, and
// is without the final dot when it stops later: qmail-newu takes neither.
func Pw2u(p *prog.Process) int {
	w := &pw2u{program: program{p, "qmail-pw2u"}, dash: "-", breakc: string([]byte{conf.Break()}),
		out: bufio.NewWriterSize(p.FD(1), 1<<16), accounts: make(map[string]pipe.Nughde)}
	if code := w.options(); code != exitOK {
		return code
	}
	var err error
	if w.dir, err = sys.OpenDir(p.Home); err != nil {
		return w.fatal(exitFail, "unable to chdir", nil)
	}
	defer func() { _ = w.dir.Close() }() // read only
	for _, step := range []func() int{w.controls, w.passwd, w.subusers, w.end} {
		if code := step(); code != exitOK {
			return code
		}
	}
	return exitOK
}

// options reads the arguments; of contrary options the last counts.
func (w *pw2u) options() int {
	o := prog.NewOptions(w.p.Args[1:], "/ohHuUCc:")
	for {
		switch o.Next() {
		case 0:
			return exitOK
		case '/':
			w.dash = "-/"
		case 'o':
			w.home = homeSkip
		case 'h':
			w.home = homeStop
		case 'H':
			w.home = homeAny
		case 'u':
			w.upper = true
		case 'U':
			w.upper = false
		case 'C':
			w.breakc = ""
		case 'c':
			w.breakc = o.Value[:min(1, len(o.Value))]
		default:
			return w.p.Die(exitUsage, w.name, ": ", o.Bad)
		}
	}
}

// controls reads users/include, users/exclude and users/mailnames.
func (w *pw2u) controls() int {
	read := func(name string) (lines []string, ok bool, err error) {
		b, err := w.dir.ReadFile(name, maxSource)
		if sys.IsNotExist(err) {
			return nil, false, nil
		}
		return control.ParseList(b), err == nil, err
	}
	for _, f := range []struct {
		name string
		to   **control.Map
	}{{"users/include", &w.include}, {"users/exclude", &w.exclude}} {
		lines, ok, err := read(f.name)
		if err != nil {
			return w.fatal(exitFail, "unable to read controls", nil)
		}
		if ok {
			m := control.NewMap(lines)
			*f.to = &m
		}
	}
	lines, _, err := read("users/mailnames")
	if err != nil {
		return w.fatal(exitFail, "unable to read controls", nil)
	}
	w.mailnames = control.NewColonMap(lines)
	return exitOK
}

// passwd reads descriptor 0, writes the lines of each account, and sees to it
// that there was an alias user.
func (w *pw2u) passwd() int {
	in := bufio.NewReaderSize(w.p.FD(0), 1<<16)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil && err != io.EOF {
			return w.fatal(exitFail, "unable to read input", nil)
		}
		if code := w.account(bytes.TrimSuffix(line, []byte{'\n'})); code != exitOK {
			return code
		}
		if err == io.EOF {
			break
		}
	}
	if code := w.flush(); code != exitOK {
		return code
	}
	if !w.alias {
		return w.fatal(exitFail, "unable to find alias user", nil)
	}
	return exitOK
}

// account writes the lines for one line of the passwd file, or nothing:
// name:password:uid:gid:gecos:home:shell, the gid taken as it is.
func (w *pw2u) account(line []byte) int {
	f := bytes.SplitN(line, []byte{':'}, 7)
	if len(f) < 7 || len(f[0]) == 0 || bytes.IndexByte(line, 0) >= 0 {
		return exitOK
	}
	n := pipe.Nughde{User: string(f[0]), UID: string(f[2]), GID: string(f[3]), Home: string(f[5])}
	uid, err := pipe.ParseNumber(n.UID)
	if err != nil || uid == 0 || !w.upper && address.Lower(n.User) != n.User {
		return exitOK
	}
	if w.include != nil && !w.include.Has(n.User) || w.exclude != nil && w.exclude.Has(n.User) {
		return exitOK
	}
	if skip, code := w.skipHome(n.Home, uid); skip || code != exitOK {
		return code
	}
	w.accounts[address.Lower(n.User)] = n
	if n.User == role.Alias.Name() {
		w.alias = true
		w.entry(true, "", n, w.dash, "")
	}
	names, ok := w.mailnames.Lookup(n.User)
	if !ok {
		names = n.User
	}
	for _, name := range bytes.Split([]byte(names), []byte{':'}) {
		if len(name) > 0 {
			w.entry(false, string(name), n, "", "")
			w.extensions(string(name), n, "")
		}
	}
	return exitOK
}

// skipHome tells whether the account is left out for its home directory's sake.
// Trouble that is not a missing directory ends the program: the user might be
// there, and would lose mail.
func (w *pw2u) skipHome(home string, uid uint32) (skip bool, code int) {
	if w.home == homeAny {
		return false, 0
	}
	st, err := w.dir.Stat(home)
	if sys.IsNotExist(err) && w.home == homeSkip {
		return true, 0
	}
	if err != nil {
		return false, w.fatal(exitFail, "unable to stat "+home, nil)
	}
	return st.UID != uid, 0
}

// entry writes one line.
func (w *pw2u) entry(prefix bool, name string, n pipe.Nughde, dash, ext string) {
	n.Dash, n.Ext = dash, ext
	e := assign.Entry{Prefix: prefix, Name: name, Nughde: n}
	_, _ = w.out.Write(e.AppendLine(nil)) // flush reports it
}

// extensions writes the line for addresses NAME-anything, unless -C is given.
func (w *pw2u) extensions(name string, n pipe.Nughde, pre string) {
	if w.breakc != "" {
		w.entry(true, name+w.breakc, n, w.dash, pre)
	}
}

// subusers writes the lines for users/subusers: sub:user:pre: says that sub is
// handled by .qmail-pre of user. Lines with fewer colons are skipped.
func (w *pw2u) subusers() int {
	b, err := w.dir.ReadFile("users/subusers", maxSource)
	if err != nil && !sys.IsNotExist(err) {
		return w.fatal(exitFail, "unable to read controls", nil)
	}
	for _, line := range control.ParseList(b) {
		f := bytes.SplitN([]byte(line), []byte{':'}, 4)
		if len(f) < 4 {
			continue
		}
		sub, user, pre := string(f[0]), string(f[1]), string(f[2])
		n, ok := w.accounts[address.Lower(user)]
		if !ok {
			return w.fatal(exitFail, "unable to find "+user+" user for subuser", nil)
		}
		w.entry(false, sub, n, w.dash, pre)
		w.extensions(sub, n, pre+"-")
	}
	return exitOK
}

// end writes users/append and the line that ends the table.
func (w *pw2u) end() int {
	b, err := w.dir.ReadFile("users/append", maxSource)
	if err != nil && !sys.IsNotExist(err) {
		return w.fatal(exitFail, "unable to read controls", nil)
	}
	_, _ = w.out.Write(b) // flush reports it
	_, _ = w.out.WriteString(assign.End)
	return w.flush()
}

func (w *pw2u) flush() int {
	if w.out.Flush() != nil {
		return w.fatal(exitFail, "unable to write output", nil)
	}
	return exitOK
}
