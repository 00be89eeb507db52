// Package feed runs a command of a user's with some lines and then a message on
// its descriptor 0, for the programs that put such lines before a message:
// predate, qsmhook, dot-forward. The command need not read all of it. Preline,
// for which that is an error, does not use it.
package feed

import (
	"io"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
)

// A Stage says what went wrong.
type Stage int

// The stages.
const (
	Pipe  Stage = iota + 1 // no pipe was to be had
	Start                  // the command could not be started
	Input                  // the message could not be read to its end; the command was ended
	Wait                   // the command's end could not be learned of
	Crash                  // a signal ended the command
)

// An Error is a command that has no exit code.
type Error struct {
	Stage Stage
	Err   error // of the system call; nil for Crash
}

// Error says what failed.
func (e *Error) Error() string {
	what := [...]string{Pipe: "pipe", Start: "start", Input: "read", Wait: "wait", Crash: "crashed"}[e.Stage]
	if e.Err == nil {
		return what
	}
	return what + ": " + e.Err.Error()
}

// Unwrap gives the error of the system call.
func (e *Error) Unwrap() error { return e.Err }

// Run starts command, its first word looked up in the caller's $PATH, with p's
// descriptors 1 and 2 and environment; writes first and then all of in to its
// descriptor 0; and returns its exit code. The error is an *Error.
func Run(p *prog.Process, command []string, first string, in io.Reader) (code int, err error) {
	r, w, err := sys.Pipe()
	if err != nil {
		return 0, &Error{Pipe, err}
	}
	env := p.Env.List()
	proc, err := child.StartSearch(&child.Cmd{
		Path: command[0], Args: command, Env: env, Files: []sys.FD{r, p.FD(1), p.FD(2)},
	}, child.SearchPath(env))
	_ = r.Close() // a pipe's end that nothing was read from
	if err != nil {
		_ = w.Close() // nor written to
		return 0, &Error{Start, err}
	}
	if err := write(w, first, in); err != nil {
		end(proc, w)
		return 0, &Error{Input, err}
	}
	_ = w.Close() // a pipe: nothing can be lost here
	st, err := proc.Wait()
	switch {
	case err != nil:
		return 0, &Error{Wait, err}
	case st.Crashed():
		return 0, &Error{Crash, nil}
	}
	return st.Code(), nil
}

// write writes first and then all of in to a command that reads w. The command
// may stop reading; the error is that of reading in.
func write(w sys.FD, first string, in io.Reader) error {
	data := []byte(first)
	buf := make([]byte, 32<<10)
	for {
		if _, err := w.Write(data); err != nil {
			return nil // it wants no more
		}
		n, err := in.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		data = buf[:n]
	}
}

// sigTerm is the signal that end sends.
const sigTerm = 15

// end ends a command whose input cannot be read to its end. It is killed while
// its pipe is still open, so that it does not take what it has read for all of
// the message: qmail-inject would queue it.
func end(proc child.Process, w sys.FD) {
	_ = proc.Kill(sigTerm) // it may have ended
	_ = w.Close()          // for one that ignores the signal
	_, _ = proc.Wait()     // how it ended does not matter any more
}
