package container

import (
	"strconv"
	"time"

	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/sys/sig"
)

// Times, and how often a service may die.
const (
	restartPause = time.Second     // before a service that ended is started again
	earlyTime    = 5 * time.Second // one that ended before has not really started
	maxEarly     = 10              // so many of these in a row, and the container gives up
	endTime      = 3 * time.Second // what everything gets after the TERM that ends deliveries
	killTime     = time.Second     // and after KILL, until the kernel has done it
)

// A machine is what a keeper acts on.
type machine interface {
	start(argv []string) (pid int, err error)
	signal(pid int, s sig.Signal)
	signalAll(s sig.Signal)
	reap() (pid int, st child.Status, left bool)
}

// A service is a program that always runs.
type service struct {
	name string
	argv []string // the whole path first

	pid   int       // 0 while it does not run
	since time.Time // when it was started
	again time.Time // when it is to be started, while it does not run
	early int       // how often in a row it has ended early
}

// A phase is how far stopping has come.
type phase int

// The phases, in order. Each but the first ends early when no process is left.
const (
	running  phase = iota
	stopping       // services have TERM; deliveries and connections have the grace
	ending         // everything has TERM
	killing        // everything has KILL
	over
)

// A keeper keeps the services running, and stops them.
type keeper struct {
	machine  machine
	services []*service
	rules    func() error // compiles the rules anew
	grace    time.Duration
	now      func() time.Time
	say      func(line string)

	phase    phase
	deadline time.Time // of the phase, except running
	failed   bool      // the exit code will not be 0
}

// run works until everything has stopped, and returns the exit code.
func (k *keeper) run(signals <-chan sig.Signal) int {
	k.due()
	for k.phase != over {
		var alarm <-chan time.Time
		if at, ok := k.next(); ok {
			alarm = time.After(max(0, at.Sub(k.now())))
		}
		select {
		case s := <-signals:
			k.obey(s)
		case <-alarm:
		}
		k.collect() // whatever the event: signals of one kind may count as one
		k.due()
	}
	k.say("stopped")
	if k.failed {
		return exitFailed
	}
	return exitStopped
}

// obey does what a signal asks for. CHLD only ends the wait for an event.
func (k *keeper) obey(s sig.Signal) {
	switch s {
	case sig.TERM, sig.INT:
		k.stop("stopping; deliveries and connections have " + seconds(k.grace))
	case sig.HUP:
		if err := k.rules(); err != nil {
			k.say("the rules stay as they were: " + err.Error())
		}
		k.toSend(s)
	case sig.ALRM:
		k.toSend(s)
	}
}

// toSend passes a signal on to qmail-send, the first service.
func (k *keeper) toSend(s sig.Signal) {
	if pid := k.services[0].pid; pid != 0 {
		k.machine.signal(pid, s)
	}
}

// stop begins to stop: nothing new comes in, and nothing is started again.
func (k *keeper) stop(why string) {
	if k.phase != running {
		return
	}
	k.say(why)
	k.phase, k.deadline = stopping, k.now().Add(k.grace)
	for i := len(k.services) - 1; i >= 0; i-- { // servers before qmail-send
		if pid := k.services[i].pid; pid != 0 {
			k.machine.signal(pid, sig.TERM)
		}
	}
}

// collect waits for all processes that have ended, our own and those that had
// lost their parents.
func (k *keeper) collect() {
	for {
		pid, st, left := k.machine.reap()
		if !left && k.phase != running {
			k.phase = over
		}
		if pid == 0 || !left {
			return
		}
		for _, s := range k.services {
			if s.pid == pid {
				k.ended(s, st)
			}
		}
	}
}

// ended notes the end of a service.
func (k *keeper) ended(s *service, st child.Status) {
	said := s.name + ", pid " + strconv.Itoa(s.pid) + ", ended: " + how(st)
	s.pid = 0
	if k.phase != running {
		k.say(said)
		// It should have ended by itself, or, when it had just been started and
		// could not know better, of the TERM.
		if k.phase == stopping && st != 0 && st.Signal() != int(sig.TERM) {
			k.failed = true
		}
		return
	}
	k.later(s, said)
}

// later arranges that a service is started again, or gives up.
func (k *keeper) later(s *service, said string) {
	s.early++
	if k.now().Sub(s.since) >= earlyTime {
		s.early = 1
	}
	if s.early == maxEarly {
		k.failed = true
		k.say(said)
		k.stop("giving up: " + s.name + " has ended " + strconv.Itoa(maxEarly) + " times within " + seconds(earlyTime) + " of its start")
		return
	}
	k.say(said + "; it is started again")
	s.again = k.now().Add(restartPause)
}

// next is when something is due; ok is false if nothing is.
func (k *keeper) next() (at time.Time, ok bool) {
	if k.phase != running {
		return k.deadline, true
	}
	for _, s := range k.services {
		if s.pid == 0 && (!ok || s.again.Before(at)) {
			at, ok = s.again, true
		}
	}
	return at, ok
}

// due does what is due: services that have to be started, a phase that is over.
func (k *keeper) due() {
	if k.phase == running {
		for _, s := range k.services {
			if s.pid == 0 && !s.again.After(k.now()) && k.phase == running {
				k.start(s)
			}
		}
		return
	}
	if k.phase == over || k.deadline.After(k.now()) {
		return
	}
	switch k.phase {
	case stopping:
		k.say("time is over: what still runs is ended")
		k.phase, k.deadline = ending, k.now().Add(endTime)
		k.machine.signalAll(sig.TERM)
	case ending:
		k.say("what did not end is killed")
		k.phase, k.deadline = killing, k.now().Add(killTime)
		k.machine.signalAll(sig.KILL)
	case killing:
		k.phase = over // the kernel ends what is left together with this process
	}
}

// start starts a service. One that cannot be started counts as one that ended.
func (k *keeper) start(s *service) {
	s.since = k.now()
	pid, err := k.machine.start(s.argv)
	if err != nil {
		k.later(s, s.name+" cannot be started: "+sys.ErrText(err))
		return
	}
	s.pid = pid
	k.say(s.name + " started, pid " + strconv.Itoa(pid))
}

// how says in words how a process ended.
func how(st child.Status) string {
	if st.Crashed() {
		return "signal " + strconv.Itoa(st.Signal())
	}
	return "exit " + strconv.Itoa(st.Code())
}

// seconds is a duration in words.
func seconds(d time.Duration) string {
	if d == time.Second {
		return "1 second"
	}
	return strconv.Itoa(int(d/time.Second)) + " seconds"
}
