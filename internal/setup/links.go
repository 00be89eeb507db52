package setup

import (
	"strings"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// A link is a name other programs call, and what it should lead to below the
// home.
type link struct {
	name, target string
	optional     bool // made only where the target is installed
}

// links are the names that sendmail-links makes.
var links = []link{
	{"/usr/sbin/sendmail", "/bin/sendmail", false},
	{"/usr/lib/sendmail", "/bin/sendmail", false},
	{"/usr/bin/mailq", "/bin/sendmail", false},
	{"/usr/bin/newaliases", "/bin/newaliases", true}, // a null client has no aliases
}

// dpkgDir has a NAME.list for every Debian package: the files it owns.
const dpkgDir = "/var/lib/dpkg/info"

// sendmailLinks makes the links. What stood there is kept as NAME.old without
// its setuid and setgid bits. It refuses, before it touches anything, where a
// package owns one of the names: the package manager would put it back.
func sendmailLinks(p *prog.Process, _ []string) int {
	const me = "sendmail-links"
	dest, _ := p.Env.Get("DESTDIR")
	var todo []link
	for _, l := range links {
		if text, err := sys.Cwd().Readlink(dest + l.name); err == nil && text == p.Home+l.target {
			continue // made before
		}
		if _, err := sys.Cwd().Stat(dest + p.Home + l.target); err != nil && l.optional {
			continue
		}
		if pkg := packageOwning(dest, l.name); pkg != "" {
			return p.Die(exitFatal, me, ": fatal: ", l.name, " belongs to the package ", pkg, "; remove it first")
		}
		if _, err := sys.Cwd().Lstat(dest + l.name + ".old"); err == nil {
			if _, err := sys.Cwd().Lstat(dest + l.name); err == nil {
				return p.Die(exitFatal, me, ": fatal: ", l.name, " and ", l.name, ".old both exist; move one away")
			}
		}
		todo = append(todo, l)
	}
	for _, l := range todo {
		if err := makeLink(dest+l.name, p.Home+l.target); err != nil {
			return fatal(p, me, "link", dest+l.name, err)
		}
		p.Say(1, l.name, " -> ", p.Home, l.target, "\n")
	}
	return exitOK
}

// makeLink puts a symbolic link at name and keeps what was there.
func makeLink(name, target string) error {
	cwd := sys.Cwd()
	st, err := cwd.Lstat(name)
	if err == nil {
		if err := cwd.Rename(name, name+".old"); err != nil {
			return err
		}
		if st.IsRegular() && st.Mode&0o6000 != 0 {
			if err := cwd.Chmod(name+".old", st.Perm()&^0o6000); err != nil {
				return err
			}
		}
	} else if !sys.IsNotExist(err) {
		return err
	}
	return cwd.Symlink(target, name)
}

// sendmailUnlinks removes the links that sendmail-links made and gives what
// stood there its name back.
func sendmailUnlinks(p *prog.Process, _ []string) int {
	const me = "sendmail-unlinks"
	dest, _ := p.Env.Get("DESTDIR")
	for _, l := range links {
		name := dest + l.name
		text, err := sys.Cwd().Readlink(name)
		if err != nil || text != p.Home+l.target {
			continue // not ours
		}
		if err := sys.Cwd().Unlink(name); err != nil {
			return fatal(p, me, "unlink", name, err)
		}
		if err := sys.Cwd().Rename(name+".old", name); err != nil && !sys.IsNotExist(err) {
			return fatal(p, me, "rename", name+".old", err)
		}
		p.Say(1, l.name, " removed\n")
	}
	return exitOK
}

// packageOwning names the Debian package that owns a file, or "". Where /bin is
// a link to /usr/bin a list may say /bin/mailq for /usr/bin/mailq.
func packageOwning(dest, file string) string {
	dir, err := sys.OpenDir(dest + dpkgDir)
	if err != nil {
		return "" // no dpkg here
	}
	defer func() { _ = dir.Close() }() // read only
	owner := ""
	_ = dir.EachName(".", func(name string) bool { // an unreadable list owns nothing
		const ext = ".list"
		if len(name) <= len(ext) || name[len(name)-len(ext):] != ext {
			return true
		}
		b, err := dir.ReadFile(name, 64<<20)
		if err == nil && (hasLine(b, file) || hasLine(b, strings.TrimPrefix(file, "/usr"))) {
			owner = name[:len(name)-len(ext)]
		}
		return owner == ""
	})
	return owner
}

// hasLine tells whether b has a line equal to s.
func hasLine(b []byte, s string) bool {
	for len(b) > 0 {
		n := 0
		for n < len(b) && b[n] != '\n' {
			n++
		}
		if string(b[:n]) == s {
			return true
		}
		b = b[min(n+1, len(b)):]
	}
	return false
}
