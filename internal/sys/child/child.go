// Package child starts programs and waits for them: one of the keys of the
// suite (docs/ARCHITECTURE.md). It does not change uids; sys/creds does.
//
// A child has exactly the descriptors it is given; everything else is closed.
// Signals that this process handles have their default action in the child.
package child

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

// A Cmd says how to start a program.
type Cmd struct {
	Path  string   // file to execute; relative names start at Dir
	Args  []string // argv, the name first
	Env   []string // NAME=VALUE
	Dir   string   // directory to start in; empty: this process's
	Files []sys.FD // descriptor n of the child is Files[n]; -1: closed

	// Leaf puts GOMAXPROCS=1 into the environment: for programs of the suite
	// that start nothing themselves.
	Leaf bool
	// Crash puts GOTRACEBACK=crash into the environment, so that a Go program
	// whose runtime fails dies by SIGABRT and not with exit 2.
	Crash bool

	// Watch ends a program whose start cannot be learned of: for one that waits
	// for this process. The run-time's timer behind it opens two descriptors, in
	// the lowest free numbers.
	Watch bool

	// Cred is set by sys/creds only.
	Cred *syscall.Credential
}

// A Process is a started program that has not been waited for.
type Process struct{ PID int }

// Start starts the program. An error means that nothing runs: the program
// could not be executed, the directory not entered, or no process made. Whatever
// is missing for want of descriptors is EMFILE.
func Start(c *Cmd) (Process, error) {
	if err := sys.CloseOnExecFrom(3); err != nil {
		return Process{}, err
	}
	attr := &syscall.ProcAttr{Dir: c.Dir, Env: c.environ(), Files: make([]uintptr, len(c.Files)), Sys: &syscall.SysProcAttr{Credential: c.Cred}}
	for i, fd := range c.Files {
		attr.Files[i] = uintptr(fd)
		if fd < 0 {
			attr.Files[i] = ^uintptr(0)
		}
	}
	for {
		pid, err := forkExec(c, attr)
		if err == syscall.EINTR {
			continue
		}
		if err == syscall.EBADF {
			// The child had no room for its descriptors while it put them in
			// order: dup3 says so in this way. It is trouble that passes.
			err = syscall.EMFILE
		}
		if err != nil {
			return Process{}, sys.NewError("exec", c.Path, err)
		}
		return Process{pid}, nil
	}
}

// silence is how long forkExec waits for the rest of syscall.ForkExec once the
// program runs; it is microseconds.
const silence = 2 * time.Second

// forkExec is syscall.ForkExec, which learns from a pipe whether the program
// could be executed. If that pipe cannot be read it waits for the end of the
// program, which may itself wait for this process, as qmail-queue does for its
// message. With c.Watch the program is killed then, and ForkExec returns the error.
func forkExec(c *Cmd, attr *syscall.ProcAttr) (int, error) {
	if !c.Watch {
		return syscall.ForkExec(c.Path, c.Args, attr)
	}
	fd := -1 // set when the program runs, as clone with CLONE_VFORK returns no earlier
	attr.Sys.PidFD = &fd
	var watch *time.Timer
	watch = time.AfterFunc(silence, func() {
		if fd < 0 {
			watch.Reset(silence)
			return
		}
		_ = unix.PidfdSendSignal(fd, syscall.SIGKILL, nil, 0) // it may have ended
	})
	pid, err := syscall.ForkExec(c.Path, c.Args, attr)
	// a watch that is at work just now keeps the descriptor for itself
	if watch.Stop() && err == nil && fd >= 0 {
		_ = syscall.Close(fd) // nothing was written to it
	}
	return pid, err
}

// environ is Env with the additions that Leaf and Crash ask for.
func (c *Cmd) environ() []string {
	if !c.Leaf && !c.Crash {
		return c.Env
	}
	env := WithoutRuntime(c.Env)
	if c.Leaf {
		env = append(env, "GOMAXPROCS=1")
	}
	if c.Crash {
		env = append(env, crashEnv)
	}
	return env
}

const crashEnv = "GOTRACEBACK=crash"

// WithCrash is env with the addition that Crash asks for: for a program of the
// suite that this process becomes by Exec.
func WithCrash(env []string) []string { return append(WithoutRuntime(env), crashEnv) }

// WithoutRuntime is env without the variables that Leaf and Crash add: what a
// program of the suite hands on to programs that are not of the suite.
func WithoutRuntime(env []string) []string {
	out := make([]string, 0, len(env)+2)
	for _, e := range env {
		if !strings.HasPrefix(e, "GOMAXPROCS=") && !strings.HasPrefix(e, "GOTRACEBACK=") {
			out = append(out, e)
		}
	}
	return out
}

// Wait waits until the process ended. The error is that of wait4 itself.
func (p Process) Wait() (Status, error) {
	var ws syscall.WaitStatus
	for {
		_, err := syscall.Wait4(p.PID, &ws, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		return Status(ws), sys.NewError("wait", "", err)
	}
}

// WaitAny waits for any child of this process.
func WaitAny() (pid int, st Status, err error) {
	var ws syscall.WaitStatus
	for {
		pid, err = syscall.Wait4(-1, &ws, 0, nil)
		if err != syscall.EINTR {
			return pid, Status(ws), sys.NewError("wait", "", err)
		}
	}
}

// Reap collects a child that has ended, without waiting; pid is 0 when none has.
func Reap() (pid int, st Status, err error) {
	var ws syscall.WaitStatus
	pid, err = syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
	return pid, Status(ws), sys.NewError("wait", "", err)
}

// Kill sends a signal to the process.
func (p Process) Kill(sig syscall.Signal) error {
	return sys.NewError("kill", "", syscall.Kill(p.PID, sig))
}

// Number is PID.
func (p Process) Number() int { return p.PID }

// KillNow ends the process; it has no say in it.
func (p Process) KillNow() error { return p.Kill(syscall.SIGKILL) }

// A Status is a raw wait status.
type Status int

// Crashed tells whether a signal ended the process.
func (s Status) Crashed() bool { return s&0x7f != 0 }

// Signal is the number of the signal that ended the process, 0 if none did.
func (s Status) Signal() int { return int(s & 0x7f) }

// Code is the exit code; it means nothing when Crashed.
func (s Status) Code() int { return int(s >> 8 & 0xff) }

// Raw is the number as wait4 gave it, as tcpserver logs it.
func (s Status) Raw() int { return int(s) }

// Exec replaces this process by a program, which keeps its descriptors. It
// returns only on failure.
func Exec(path string, argv, env []string) error {
	return sys.NewError("exec", path, syscall.Exec(path, argv, env))
}

// LookPath finds a program as execvp does: a name with a slash is taken as it
// is; else each directory of path is tried in order, an empty one meaning the
// current directory. The error is a temporary one that was met on the way, if
// there was one: the program may be there; else that of a file which exists but
// may not be executed; else ENOENT.
func LookPath(name, path string) (string, error) {
	if name == "" {
		return "", sys.NewError("exec", name, unix.ENOENT)
	}
	if strings.IndexByte(name, '/') >= 0 {
		return name, nil
	}
	var seen error
	for {
		dir, rest, more := strings.Cut(path, ":")
		if dir == "" {
			dir = "."
		}
		file := dir + "/" + name
		err := executable(file)
		if err == nil {
			return file, nil
		}
		if sys.Temporary(err) || seen == nil && errors.Is(err, unix.EACCES) {
			seen = err
		}
		if !more {
			break
		}
		path = rest
	}
	if seen == nil {
		seen = unix.ENOENT
	}
	return "", sys.NewError("exec", name, seen)
}

// DefaultPath is searched when PATH is not set.
const DefaultPath = "/bin:/usr/bin"

// executable tells whether file is something that execve would take.
func executable(file string) error {
	st, err := sys.Cwd().Stat(file)
	if err != nil {
		return err
	}
	if !st.IsRegular() {
		return unix.EACCES
	}
	return unix.Faccessat(unix.AT_FDCWD, file, unix.X_OK, unix.AT_EACCESS)
}
