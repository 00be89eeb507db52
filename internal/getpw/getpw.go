// Package getpw is qmail-getpw: it finds the account that receives a local part
// by the rule "user" or "user-anything", with the accounts of the system.
//
// It does not use the C library's getpwnam, which cannot tell "there is no such
// user" from "the directory of users is down"; with that, an outage would bounce
// mail. /etc/passwd is searched here, other sources are asked through getent,
// and what cannot be decided is exit 118, which defers the delivery.
//
// Spec: spec/local.md section 7, spec/spawn.md section 7.
package getpw

import (
	"goqmail/internal/address"
	"goqmail/internal/conf"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/role"
	"goqmail/internal/sys"
	"goqmail/internal/worker"
)

// Exit codes; qmail-lspawn exits with them in turn (spec/spawn.md section 5).
const (
	exitUsage   = 100 // no argument
	exitWrite   = 111 // the fields could not be written
	exitHome    = 115 // a home directory could not be examined; may be cured
	exitNoAlias = 116 // there is no account alias
	exitLookup  = 118 // whether there is such a user is not known; may be cured
)

// maxName is the length of the longest account name that is tried, in bytes.
const maxName = 31

// Run is qmail-getpw. Descriptor 1 gets the six fields of a pipe.Nughde.
func Run(p *prog.Process) int {
	if o := worker.Offered(p.Args[0], pipe.MarkGetpw); o != nil {
		return serve(p, o)
	}
	if len(p.Args) < 2 {
		return exitUsage
	}
	n, code := find(newUsers(p), p.Args[1])
	if code != 0 {
		return code
	}
	if _, err := p.FD(1).Write(n.Append(nil)); err != nil {
		return exitWrite
	}
	return 0
}

// A directory tells who the users are. The error means: not known.
type directory interface {
	// Prepare names all accounts that may be looked up.
	Prepare(names []string) error
	Lookup(name string) (e role.PasswdEntry, found bool, err error)
	// Owner is the uid that owns a home directory.
	Owner(home string) (uint32, error)
}

// A candidate is one way to cut a local part: an account name in lower case and
// what follows it.
type candidate struct{ name, dash, ext string }

// candidates cuts local before each break character, longest name first; the
// whole of it comes before all. Empty names, and names too long for an account,
// are left out. The dash is - whatever the break character is.
func candidates(local string) []candidate {
	var out []candidate
	for i := len(local); i > 0; i-- {
		switch {
		case i > maxName:
		case i == len(local):
			out = append(out, candidate{address.Lower(local), "", ""})
		case local[i] == conf.Break():
			out = append(out, candidate{address.Lower(local[:i]), "-", local[i+1:]})
		}
	}
	return out
}

// find returns who receives local: the first candidate that is an account, not
// root, and owns its home directory; else alias.
func find(users directory, local string) (pipe.Nughde, int) {
	all := candidates(local)
	alias := role.Alias.Name()
	names := make([]string, 0, len(all)+1)
	for _, c := range all {
		names = append(names, c.name)
	}
	if users.Prepare(append(names, alias)) != nil {
		return pipe.Nughde{}, exitLookup
	}
	for _, c := range all {
		e, found, err := users.Lookup(c.name)
		if err != nil {
			return pipe.Nughde{}, exitLookup
		}
		if !found || e.UID == 0 {
			continue
		}
		owner, err := users.Owner(e.Home)
		if sys.Temporary(err) {
			return pipe.Nughde{}, exitHome
		}
		if err == nil && owner == e.UID {
			return nughde(e, c.dash, c.ext), 0
		}
	}
	e, found, err := users.Lookup(alias)
	switch {
	case err != nil:
		return pipe.Nughde{}, exitLookup
	case !found:
		return pipe.Nughde{}, exitNoAlias
	}
	return nughde(e, "-", local), 0
}
