// Package checkpassword is checkpassword: it verifies a name and a password that
// a server hands it on descriptor 3, becomes the account's user, and runs a
// program. Spec: spec/pop3.md section 2.
package checkpassword

import (
	"errors"
	"io"

	"goqmail/internal/auth"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/sys/creds"
)

// Exit codes; the program's own if it runs.
const (
	exitRefused = 1   // name or password is not acceptable
	exitMisused = 2   // no argument, or nothing to read on descriptor 3
	exitTrouble = 111 // it cannot be told, or the program cannot be run
)

const fatal = "checkpassword: fatal: "

const secondsPerDay = 24 * 60 * 60

// Run is checkpassword: checkpassword [-n] PROGRAM [ARG ...].
//
// With -n it only verifies: the program runs as the caller, in the same
// directory and environment.
func Run(p *prog.Process) int {
	return run(p, auth.SystemStores(p.Home, p.Now().Unix()/secondsPerDay))
}

// run is Run with files of its own for tests.
func run(p *prog.Process, stores *auth.Stores) int {
	argv := p.Args[1:]
	stay := len(argv) > 0 && argv[0] == "-n"
	if stay {
		argv = argv[1:]
	}
	if len(argv) == 0 {
		return p.Die(exitMisused, "checkpassword: usage: checkpassword [-n] program [arg ...]")
	}
	account, code := verify(p, stores)
	if code != 0 {
		return code
	}
	if !stay {
		if err := become(p.Env, account); err != nil {
			return p.Die(exitTrouble, fatal, err.Error())
		}
	}
	return p.Die(exitTrouble, fatal, "unable to run ", argv[0], ": ", sys.ErrText(execute(argv, p.Env)))
}

// verify reads descriptor 3, closes it, and checks what it says. The code is 0
// when it is right. Nothing is said of a wrong password, and never anything of
// what was read.
func verify(p *prog.Process, stores *auth.Stores) (auth.Account, int) {
	// One byte more than allowed, to notice that there is more.
	var buf [pipe.LoginMax + 1]byte
	defer clear(buf[:])
	fd := p.FD(pipe.FDLogin)
	n, err := io.ReadFull(fd, buf[:])
	_ = fd.Close() // read only
	switch {
	case err == nil:
		return auth.Account{}, exitRefused
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return auth.Account{}, p.Die(exitMisused, fatal, "unable to read descriptor 3: ", sys.ErrText(err))
	}
	login, err := pipe.ParseLogin(buf[:n])
	if err != nil {
		return auth.Account{}, p.Die(exitMisused, fatal, "no name and password on descriptor 3")
	}
	account, err := stores.Check(login)
	switch {
	case err == nil:
		return account, 0
	case errors.Is(err, auth.ErrRefused):
		return auth.Account{}, exitRefused
	}
	return auth.Account{}, p.Die(exitTrouble, fatal, err.Error())
}

// An inability says what could not be done on the way to the user.
type inability struct {
	what string
	err  error
}

func (e *inability) Error() string { return "unable to " + e.what + ": " + sys.ErrText(e.err) }

// become turns this process into the user: the group and no other groups, then
// the user, then the home directory with the user's rights; and the environment
// of a login. auth gives no account with uid 0.
func become(env prog.Env, a auth.Account) error {
	if err := creds.Become(creds.ID{UID: a.UID, GID: a.GID, Groups: []uint32{a.GID}}); err != nil {
		return &inability{"become the user", err}
	}
	if err := sys.Chdir(a.Home); err != nil {
		return &inability{"enter the home directory", err}
	}
	env.Set("USER", a.Name)
	env.Set("HOME", a.Home)
	env.Set("SHELL", a.Shell)
	return nil
}

// execute looks the program up in PATH with the rights that the process has now,
// and becomes it, with descriptors 0, 1 and 2 and no others. It returns on
// failure only.
func execute(argv []string, env prog.Env) error {
	path, err := child.LookPath(argv[0], child.SearchPath(env.List()))
	if err != nil {
		return err
	}
	if err := sys.CloseOnExecFrom(pipe.FDLogin); err != nil {
		return err
	}
	return child.Exec(path, argv, env.List())
}
