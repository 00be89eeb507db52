// Package showctl is qmail-showctl: it tells in words how the suite was built
// and what each control file means. The table of files is control.Files.
//
// Spec: spec/logs.md section 8, spec/control.md section 2.
package showctl

import (
	"bufio"
	"errors"
	"strconv"

	"goqmail/internal/accounts"
	"goqmail/internal/address"
	"goqmail/internal/conf"
	"goqmail/internal/control"
	"goqmail/internal/prog"
	"goqmail/internal/rcpthosts"
	"goqmail/internal/role"
	"goqmail/internal/sys"
)

// Exit codes. What is wrong with single files is said in the output.
const (
	exitOK   = 0
	exitFail = 111 // an account of the suite, or the directory of control files, cannot be read
)

// showctl is one run of the program.
type showctl struct {
	c   *control.Reader
	out *bufio.Writer
}

// Run is qmail-showctl. Everything it says goes to descriptor 1, except that an
// account of the suite is missing.
func Run(p *prog.Process) int {
	s := &showctl{out: bufio.NewWriter(p.FD(1))}
	defer func() { _ = s.out.Flush() }() // there is nobody else to tell
	if err := s.header(p.Home); err != nil {
		return p.Die(exitFail, "fatal: ", err.Error())
	}
	return s.files(p.Home)
}

// files tells what is in control/ and returns the exit code.
func (s *showctl) files(path string) int {
	home, err := sys.OpenDir(path)
	if err != nil {
		s.say("Oops! Unable to chdir to ", path, ".\n")
		return exitFail
	}
	defer func() { _ = home.Close() }() // read only
	if s.c, err = control.Open(path); err != nil {
		s.say(whyNot(home))
		return exitFail
	}
	defer s.c.Close()
	for _, f := range control.Files {
		if !f.Ours {
			s.file(f)
		}
	}
	names, err := s.c.Dir().Names(".")
	if err != nil {
		s.say("Oops! Unable to open current directory.\n")
		return exitFail
	}
	s.others(names)
	return exitOK
}

// header tells how the suite was built and who its accounts are.
func (s *showctl) header(home string) error {
	var uids, gids []string
	table := accounts.Open()
	for _, u := range role.Users() {
		n, err := table.UID(u)
		if err != nil {
			return err
		}
		uids = append(uids, strconv.FormatUint(uint64(n), 10))
	}
	for _, g := range []role.Group{role.Nofiles, role.Qmail} {
		n, err := table.GID(g)
		if err != nil {
			return err
		}
		gids = append(gids, strconv.FormatUint(uint64(n), 10))
	}
	s.say("qmail home directory: ", home, ".\n")
	s.say("user-ext delimiter: ", string([]byte{conf.Break()}), ".\n")
	s.say("paternalism (in decimal): ", strconv.FormatUint(uint64(conf.Patrn()), 10), ".\n")
	s.say("silent concurrency limit: ", strconv.Itoa(conf.Spawn()), ".\n")
	s.say("subdirectory split: ", strconv.FormatUint(conf.Split(), 10), ".\n")
	s.say("user ids: ")
	s.list(uids)
	s.say("group ids: ")
	s.list(gids)
	return nil
}

// list says the parts with commas between them and a dot at the end.
func (s *showctl) list(parts []string) {
	for i, part := range parts {
		if i > 0 {
			s.say(", ")
		}
		s.say(part)
	}
	s.say(".\n")
}

// whyNot is the message for control files that cannot be opened. As in C, the
// one about control/me has no newline.
func whyNot(home *sys.Dir) string {
	dir, err := home.OpenSearchDir("control")
	if err != nil {
		return "Oops! Unable to chdir to control.\n"
	}
	defer func() { _ = dir.Close() }() // read only
	list, err := dir.OpenDir(".")
	if err != nil {
		return "Oops! Unable to open current directory.\n"
	}
	_ = list.Close() // read only
	return "Oops! Trouble reading control/me."
}

// errNone is what value returns for a file that is absent.
var errNone = errors.New("absent")

// file says what one file means.
func (s *showctl) file(f control.File) {
	s.say("\n")
	s.safe(f.Name)
	s.say(": ")
	switch f.Kind {
	case control.KindList:
		s.lines(s.rcpthosts(f))
	case control.KindCompiled:
		s.say(s.compiled(f), "\n")
	case control.KindSwitch:
		s.say(f.None, "\n")
	default:
		s.line(f)
	}
}

// line says what a line or an int means.
func (s *showctl) line(f control.File) {
	value, err := s.value(f)
	if err == errNone {
		s.say("(Default.) ")
		value = f.Default
		if me, ok := s.c.Me(); ok && f.Kind == control.KindLineOrMe {
			value = me
		}
	} else if err != nil {
		s.trouble()
		return
	}
	s.say(f.Before)
	s.safe(value)
	s.say(f.After, "\n")
}

// value reads a line or an int; errNone: it is absent.
func (s *showctl) value(f control.File) (string, error) {
	if f.Kind != control.KindInt {
		value, ok, err := s.c.Line(f.Name)
		if err == nil && !ok {
			err = errNone
		}
		return value, err
	}
	const none = -1
	n, err := s.c.Int(f.Name, none)
	if err == nil && n == none {
		err = errNone
	}
	return strconv.Itoa(n), err
}

// lines says what each line of a list means.
func (s *showctl) lines(f control.File) {
	lines, ok, err := s.c.List(f.Name)
	switch {
	case err != nil:
		s.trouble()
		return
	case !ok:
		s.say("(Default.) ", f.None)
	}
	s.say("\n")
	for _, line := range lines {
		s.say(f.Before)
		s.safe(line)
		s.say(f.After, "\n")
	}
}

// rcpthosts is f with the words for morercpthosts without rcpthosts: then it has
// no effect.
func (s *showctl) rcpthosts(f control.File) control.File {
	if f.Name != rcpthosts.MoreFile || s.exists(rcpthosts.File) {
		return f
	}
	f.None = "No rcpthosts; morercpthosts is irrelevant."
	f.Before = "No rcpthosts; doesn't matter that morercpthosts has "
	return f
}

// compiled says whether a cdb file is at least as new as its source.
func (s *showctl) compiled(f control.File) string {
	cdb, cdbErr := s.c.Dir().Stat(f.Name)
	src, srcErr := s.c.Dir().Stat(f.Source)
	switch {
	case cdbErr != nil && srcErr != nil:
		return "(Default.) " + f.None
	case srcErr != nil:
		return "Oops! " + f.Name + " exists but " + f.Source + " doesn't."
	case cdbErr != nil:
		return "Oops! " + f.Source + " exists but " + f.Name + " doesn't."
	case src.Mtime > cdb.Mtime:
		return "Oops! " + f.Name + " is older than " + f.Source + "."
	}
	return "Modified recently enough; hopefully up to date."
}

// others says what the files are that C qmail does not have.
func (s *showctl) others(names []string) {
	for _, name := range names {
		f, ok := control.FileNamed(name)
		switch {
		case !ok:
			s.say("\n")
			s.safe(name)
			s.say(": I have no idea what this file does.\n")
		case f.Ours:
			s.file(f)
		}
	}
}

// exists tells whether a file is there, whatever it is.
func (s *showctl) exists(name string) bool {
	_, err := s.c.Dir().Stat(name)
	return err == nil
}

// trouble says that a file is there but cannot be read.
func (s *showctl) trouble() { s.say("Oops! Trouble reading this file.\n") }

// say adds to the output; bufio keeps the first error.
func (s *showctl) say(parts ...string) {
	for _, part := range parts {
		_, _ = s.out.WriteString(part)
	}
}

// safe says a string with ? for every byte that is not printable ASCII.
func (s *showctl) safe(text string) {
	s.say(string(address.Printable(text, '?')))
}
