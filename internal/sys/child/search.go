package child

import (
	"errors"

	"golang.org/x/sys/unix"
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
