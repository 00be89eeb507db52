package sys

import (
	"time"

	"golang.org/x/sys/unix"
)

// Umask sets the process's umask and returns the old one.
func Umask(mask int) int { return unix.Umask(mask) }

// Getpid is the process's number.
func Getpid() int { return unix.Getpid() }

// Getuid is the real user: who called a setuid program.
func Getuid() int { return unix.Getuid() }

// Geteuid is the effective user: whose rights the process has.
func Geteuid() int { return unix.Geteuid() }

// Chdir changes the directory that relative names and children start from. Only
// programs whose contract says so use it: names are looked up below a Dir.
func Chdir(path string) error { return fail("chdir", path, unix.Chdir(path)) }

// Hostname is the system's node name, at most 64 bytes on Linux; "" when it
// cannot be read.
func Hostname() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	n := 0
	for n < len(u.Nodename) && u.Nodename[n] != 0 {
		n++
	}
	return string(u.Nodename[:n])
}

// SetName sets the name that ps shows for the process, at most 15 bytes of it,
// which is otherwise that of the file that was executed. Without /proc it stays.
func SetName(name string) {
	fd, err := Cwd().Open("/proc/self/comm", WriteOnly, 0)
	if err != nil {
		return
	}
	_, _ = fd.WriteString(name) // else it stays as it is
	_ = fd.Close()              // nothing is kept
}

// RaiseNoFile raises the soft limit of open descriptors to at least n, as far
// as the hard limit allows, and returns the soft limit in force.
func RaiseNoFile(n uint64) uint64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	if l.Cur < n {
		want := unix.Rlimit{Cur: min(n, l.Max), Max: l.Max}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &want) == nil {
			l = want
		}
	}
	return l.Cur
}

// Kill sends a signal.
func Kill(pid int, sig int) error { return fail("kill", "", unix.Kill(pid, unix.Signal(sig))) }

// Exit ends the process at once with code.
func Exit(code int) { unix.Exit(code) }

// Now is the clock of programs.
func Now() time.Time { return time.Now() }
