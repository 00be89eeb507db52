// Package setup installs, checks and configures the suite: what "make setup
// check", config and config-fast run. It is run by the administrator in the
// build tree. Spec: spec/install.md.
package setup

import (
	"errors"
	"io"
	"sort"
	"strings"

	"goqmail/internal/accounts"
	"goqmail/internal/conf"
	"goqmail/internal/hier"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// Exit codes.
const (
	exitOK    = 0
	exitUsage = 100
	exitFatal = 111
)

// commands are the program's sub-commands.
var commands = map[string]func(*prog.Process, []string) int{
	"instpackage":      instpackage,
	"instchown":        instchown,
	"instcheck":        instcheck,
	"uninstall":        uninstall,
	"config":           config,
	"config-fast":      configFast,
	"configure":        configure,
	"nullclient":       nullClient,
	"sendmail-links":   sendmailLinks,
	"sendmail-unlinks": sendmailUnlinks,
	"version":          version,
}

// Run runs one sub-command.
func Run(p *prog.Process) int {
	sys.Umask(0o077)
	if len(p.Args) > 1 {
		if f, ok := commands[p.Args[1]]; ok {
			return f(p, p.Args[2:])
		}
	}
	names := make([]string, 0, len(commands))
	for n := range commands {
		names = append(names, n)
	}
	sort.Strings(names)
	return p.Die(exitUsage, "install: usage: install "+strings.Join(names, "|")+" [ arg ... ]")
}

// home is where the tree lies while it is installed: $DESTDIR before the home.
func home(p *prog.Process) string {
	dest, _ := p.Env.Get("DESTDIR")
	return dest + p.Home
}

// fatal says "NAME: fatal: unable to OP PATH: REASON" and returns 111.
func fatal(p *prog.Process, name, op, path string, err error) int {
	var nf *accounts.NotFound
	if errors.As(err, &nf) {
		return p.Die(exitFatal, name, ": fatal: ", nf.Error())
	}
	return p.Die(exitFatal, name, ": fatal: unable to ", op, " ", path, ": ", sys.ErrText(err))
}

// documents lists the files of the top that are installed in doc, besides docs/.
// VERSION tells the administrator what is installed.
var documents = []string{"README.md", "LICENSE", "VERSION"}

// files lists every program and text with its source, in the order in which
// they are put in place: qmail-queue last.
func files() ([]hier.Item, error) {
	items := hier.BootFiles()
	man, err := sys.Cwd().Names("man")
	if err != nil {
		return nil, err
	}
	for _, name := range man {
		if it, ok := hier.ManPage(name); ok {
			items = append(items, it)
		}
	}
	for _, name := range documents {
		items = append(items, hier.Document(name, name))
	}
	docs, err := sys.Cwd().Names("docs")
	if err != nil {
		return nil, err
	}
	for _, name := range docs {
		if strings.HasSuffix(name, ".md") {
			items = append(items, hier.Document(name, "docs/"+name))
		}
	}
	return append(items, hier.Programs()...), nil
}

// installedFiles lists programs and texts as files does, but the texts are those
// that the tree at root has: for a tree that came in a package, far from the
// build tree.
func installedFiles(root *sys.Dir) ([]hier.Item, error) {
	items := hier.BootFiles()
	for _, s := range hier.ManSections {
		names, err := root.Names("man/man" + s)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if it, ok := hier.ManPage(name); ok && it.Dir == "man/man"+s {
				items = append(items, it)
			}
		}
	}
	names, err := root.Names("doc")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		items = append(items, hier.Document(name, name))
	}
	return append(items, hier.Programs()...), nil
}

// copyTo writes the whole of the file source to dst.
func copyTo(dst sys.FD, source string) error {
	src, err := sys.Cwd().Open(source, sys.ReadOnly, 0)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // read only
	_, err = io.CopyBuffer(struct{ io.Writer }{dst}, struct{ io.Reader }{src}, make([]byte, 1<<18))
	return err
}

// version prints which version this tree was built as.
func version(p *prog.Process, _ []string) int {
	p.Say(1, conf.Version(), "\n")
	return exitOK
}
