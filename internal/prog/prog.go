// Package prog is how a program of the suite starts and ends: arguments,
// environment, descriptors, clock; exit codes; what happens on a panic.
//
// A program package has one function Run(*Process) int; its main calls
// Main(Run). Tests make a Process of their own.
package prog

import (
	"os"
	"runtime/debug"
	"time"

	"goqmail/internal/conf"
	"goqmail/internal/sys"
	"goqmail/internal/sys/single"
)

// A Process is what a program sees of the world.
type Process struct {
	Args []string // argv, the name first; never empty
	Env  Env
	Home string // the suite's home: conf.Home() but in tests
	Now  func() time.Time

	// FDs maps descriptor numbers in tests; nil: the numbers themselves.
	FDs map[int]sys.FD
}

// Main runs a program and exits with its code.
//
// A Go panic would exit 2, which C's spawners take as a permanent failure, so
// that our own bug would bounce mail. SetTraceback("crash") makes it die by
// SIGABRT instead, which they report as temporary.
func Main(run func(*Process) int) {
	AbortOnFatal()
	os.Exit(run(Self()))
}

// AbortOnFatal makes a panic, and a fatal error of the run-time that nothing can
// catch, end in SIGABRT.
func AbortOnFatal() { debug.SetTraceback("crash") }

// smallHeap is the heap, in bytes, from which on KeepSmall saves memory.
const smallHeap = 32 << 20

// KeepSmall makes the run-time give memory back early once there is much of it,
// at the price of processor time: for programs that hold what strangers send,
// and end soon.
func KeepSmall() { debug.SetMemoryLimit(smallHeap) }

// leanPercent is how much garbage, in per cent of what is in use, KeepLean lets
// come together; the run-time's own choice is 100.
const leanPercent = 25

// KeepLean makes the run-time collect garbage four times as often: for programs
// that hold much for a long time and make little garbage.
func KeepLean() { debug.SetGCPercent(leanPercent) }

// MainSilent is Main for a setuid program: nothing of a panic is shown, and it
// exits with code.
func MainSilent(run func(*Process) int, code int) {
	defer func() {
		if recover() != nil {
			os.Exit(code)
		}
	}()
	os.Exit(run(Self()))
}

// Self is the Process of the running program.
func Self() *Process {
	args := os.Args
	if len(args) == 0 {
		args = []string{""}
	}
	env := os.Environ()
	if single.Entered() {
		env = env[1:] // not the caller's, nor for programs started from here
	}
	return &Process{Args: args, Env: NewEnv(env), Home: conf.Home(), Now: sys.Now}
}

// FD is descriptor n as the program was given it.
func (p *Process) FD(n int) sys.FD {
	if fd, ok := p.FDs[n]; ok {
		return fd
	}
	return sys.FD(n)
}

// Say writes the parts to descriptor n in one write. A failure is ignored:
// there is nobody left to tell.
func (p *Process) Say(n int, parts ...string) {
	var b []byte
	for _, s := range parts {
		b = append(b, s...)
	}
	_, _ = p.FD(n).Write(b)
}

// Die says the parts and a newline on descriptor 2 and returns code, for
// "return p.Die(111, ...)".
func (p *Process) Die(code int, parts ...string) int {
	p.Say(2, append(append([]string(nil), parts...), "\n")...)
	return code
}

// An Env is an environment; variables keep their order.
type Env struct{ list *[]string }

// NewEnv makes an environment of NAME=VALUE strings; of two with one name the
// first counts, as in getenv.
func NewEnv(list []string) Env {
	l := append([]string(nil), list...)
	return Env{&l}
}

// find is the index of name's entry, or -1.
func (e Env) find(name string) int {
	if e.list == nil {
		return -1
	}
	for i, s := range *e.list {
		if len(s) > len(name) && s[len(name)] == '=' && s[:len(name)] == name {
			return i
		}
	}
	return -1
}

// Get is the value of a variable; ok tells a set empty one from an unset one.
func (e Env) Get(name string) (value string, ok bool) {
	i := e.find(name)
	if i < 0 {
		return "", false
	}
	return (*e.list)[i][len(name)+1:], true
}

// Set gives a variable a value; it must not be used on the zero Env.
func (e Env) Set(name, value string) {
	if i := e.find(name); i >= 0 {
		(*e.list)[i] = name + "=" + value
		return
	}
	*e.list = append(*e.list, name+"="+value)
}

// Unset removes a variable, every entry of it.
func (e Env) Unset(name string) {
	for i := e.find(name); i >= 0; i = e.find(name) {
		*e.list = append((*e.list)[:i], (*e.list)[i+1:]...)
	}
}

// List is a copy of the environment for a program to be started.
func (e Env) List() []string {
	if e.list == nil {
		return nil
	}
	return append([]string(nil), *e.list...)
}

// Clone is an independent copy.
func (e Env) Clone() Env { return NewEnv(e.List()) }
