// Package container is qmail-container, the first process of a container: it
// prepares the tree, starts qmail and the servers that were asked for, starts
// again what dies, waits for every process that has lost its parent, and stops
// all of it within a time limit.
//
// It is no part of the way of a message, and no log line passes through it: what
// it starts has the container's standard output as descriptors 1 and 2. There is
// one goroutine; signals, ends of processes and the clock are its events.
package container

import (
	"strconv"
	"time"

	"goqmail/internal/conf"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/sys/sig"
)

// Exit codes.
const (
	exitStopped = 0
	exitUsage   = 100
	exitFailed  = 111
)

const me = "qmail-container"

// defaultServices are run when no argument names any.
var defaultServices = []string{"smtp"}

// defaultGrace is what running deliveries and connections get after TERM. With
// what follows (endTime, killTime) it is less than 30 seconds.
const defaultGrace = 25 * time.Second

// maxGrace is the longest time that GRACE may ask for.
const maxGrace = 24 * time.Hour

// runDir is where compiled rules are.
const runDir = "/run/qmail"

// Run is the program.
func Run(p *prog.Process) int {
	// Before anything else: a signal that comes while the tree is prepared counts.
	signals := sig.Watch(sig.CHLD, sig.TERM, sig.INT, sig.HUP, sig.ALRM)
	if sys.Getpid() != 1 {
		return p.Die(exitUsage, me, ": fatal: this is not the first process of a container; if another init is there, leave it away")
	}
	names := p.Args[1:]
	if len(names) == 0 {
		names = defaultServices
	}
	wanted, err := parseServices(names)
	if err != nil {
		return p.Die(exitUsage, me, ": fatal: ", err.Error())
	}
	grace, err := parseGrace(p.Env)
	if err != nil {
		return p.Die(exitUsage, me, ": fatal: ", err.Error())
	}
	null, err := ready()
	if err != nil {
		return p.Die(exitFailed, me, ": fatal: ", err.Error())
	}
	k := &keeper{grace: grace, now: p.Now, say: func(line string) { p.Say(1, me, ": ", line, "\n") }}
	c, code := configure(p, k.say, wanted)
	if code != 0 {
		return code
	}
	k.machine = &kernel{files: []sys.FD{null, p.FD(1), p.FD(1)}, env: []string{"PATH=" + searchPath()}}
	k.services, k.rules = c.services(), c.compileRules
	return k.run(signals.C)
}

// searchPath is PATH of everything in the container.
func searchPath() string { return conf.Home() + "/bin:/usr/local/bin:/usr/bin:/bin" }

// ready makes the process independent of where it was started.
func ready() (null sys.FD, err error) {
	if err := sys.Chdir("/"); err != nil {
		return -1, err
	}
	sys.Umask(0o022)
	return sys.Cwd().Open("/dev/null", sys.ReadWrite, 0)
}

// A badValue is an argument or variable that cannot be used.
type badValue string

func (e badValue) Error() string { return string(e) }

// parseGrace reads GRACE: whole seconds.
func parseGrace(env prog.Env) (time.Duration, error) {
	text, ok := env.Get("GRACE")
	if !ok {
		return defaultGrace, nil
	}
	n, err := strconv.ParseUint(text, 10, 32)
	if d := time.Duration(n) * time.Second; err == nil && d <= maxGrace {
		return d, nil
	}
	return 0, badValue("GRACE must be a number of seconds, not " + text)
}

// A kernel is the machine that a keeper works on: the container's own.
type kernel struct {
	files []sys.FD
	env   []string
}

// start starts a program.
func (k *kernel) start(argv []string) (pid int, err error) {
	p, err := child.Start(&child.Cmd{Path: argv[0], Args: argv, Env: k.env, Files: k.files})
	return p.PID, err
}

// signal signals one process.
func (k *kernel) signal(pid int, s sig.Signal) { _ = sys.Kill(pid, int(s)) } // it may have ended

// signalAll signals every process of the container but this one.
func (k *kernel) signalAll(s sig.Signal) { _ = sys.Kill(-1, int(s)) } // there may be none

// reap collects one process that has ended. pid is 0 when all that are there
// still run; left is false when there is none at all.
func (k *kernel) reap() (pid int, st child.Status, left bool) {
	pid, st, err := child.Reap()
	return pid, st, err == nil
}
