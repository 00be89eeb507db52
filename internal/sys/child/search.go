package child

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

// StartSearch starts the program that c.Path names, looked up in path as
// execvp(3) does, which users' commands expect: a file that is no program the
// kernel knows, such as a script without its "#!" line, is given to /bin/sh.
func StartSearch(c *Cmd, path string) (Process, error) {
	file, err := LookPath(c.Path, path)
	if err != nil {
		return Process{}, err
	}
	as := *c
	as.Path = file
	p, err := Start(&as)
	if !errors.Is(err, unix.ENOEXEC) {
		return p, err
	}
	as.Path = "/bin/sh"
	as.Args = append([]string{"/bin/sh", file}, c.Args[min(1, len(c.Args)):]...)
	return Start(&as)
}

// SearchPath is $PATH of env, or DefaultPath without one.
func SearchPath(env []string) string {
	for _, v := range env {
		if path, ok := strings.CutPrefix(v, "PATH="); ok {
			return path
		}
	}
	return DefaultPath
}

// ExecSearch replaces this process by the program with a name, found in the
// SearchPath of env as LookPath does. The program keeps the
// descriptors. It returns only on failure. A program without a name is a
// directory of PATH and so EACCES, as in the C programs.
func ExecSearch(name string, argv, env []string) error {
	if name == "" {
		return sys.NewError("exec", name, unix.EACCES)
	}
	file, err := LookPath(name, SearchPath(env))
	if err != nil {
		return err
	}
	return Exec(file, argv, env)
}

// StartSelf starts the program of this process once more, whatever has become of
// its file: c.Path is not looked at, but for a system without /proc, where it is
// looked up in path. The descriptors of this process that an Exec would hand on
// stay so.
func StartSelf(c *Cmd, path string) (Process, error) {
	inherited, _ := sys.Inherited(3) // without /proc none are known, and none kept
	defer func() {
		for _, fd := range inherited {
			_ = fd.CloseOnExec(false) // it was open a moment ago
		}
	}()
	as := *c
	as.Path = "/proc/self/exe"
	p, err := Start(&as)
	if !sys.IsNotExist(err) {
		return p, err
	}
	return StartSearch(c, path)
}
