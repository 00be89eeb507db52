package tcpserver

import (
	"strings"
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/workers"
)

// reuseVar, set and empty, makes every connection get a qmail-smtpd of its own:
// in tcpserver's environment, or by a rule for some clients.
const reuseVar = "SMTPDREUSE"

// reuseLimits are how long a qmail-smtpd is kept.
var reuseLimits = workers.Limits{Jobs: 1000, Age: 10 * time.Minute, Idle: 10 * time.Second, Keep: 40}

// A reuse keeps qmail-smtpds that have served a connection and can serve another
// one. What runs belongs to the server's lock.
type reuse struct {
	s       *server
	pool    workers.Pool[string]
	finder  workers.Finder
	running map[int]chan child.Status // those that were started; gets their end
}

// newReuse is nil when the program is not qmail-smtpd without arguments, or the
// administrator wants a process for each connection. Whether what is found under
// that name can serve several is looked at for each connection.
func newReuse(s *server) *reuse {
	name := s.argv[0][strings.LastIndexByte(s.argv[0], '/')+1:]
	if len(s.argv) != 1 || name != "qmail-smtpd" || workers.Classic(s.p.Home) {
		return nil
	}
	return &reuse{
		s: s, pool: workers.Pool[string]{Limits: reuseLimits}, finder: workers.Finder{Mark: pipe.MarkSMTPD},
		running: map[int]chan child.Status{},
	}
}

// processes is how many qmail-smtpds are kept or serve. The lock is held.
func (r *reuse) processes() int {
	if r == nil {
		return 0
	}
	return len(r.running)
}

// reaped takes the end of a process. The lock is held.
func (r *reuse) reaped(pid int, st child.Status) {
	if r == nil {
		return
	}
	if c, ok := r.running[pid]; ok {
		delete(r.running, pid)
		c <- st // it has room
	}
}

// A reusable is a process of which the server's reaper tells the end.
type reusable struct {
	child.Process
	r   *reuse
	end chan child.Status
}

// KillNow ends the process, unless the reaper has seen its end: then somebody
// else may have the number.
func (p reusable) KillNow() error {
	p.r.s.mu.Lock()
	defer p.r.s.mu.Unlock()
	if p.r.running[p.PID] == nil {
		return nil
	}
	return p.Process.KillNow()
}

// Wait waits until the reaper has seen the end.
func (p reusable) Wait() (child.Status, error) { return <-p.end, nil }

// handOver gives a connection to a qmail-smtpd that serves several; false if that
// cannot be, and then it was not touched.
func (s *server) handOver(cmd *child.Cmd, c *client) bool {
	r := s.reuse
	if r == nil || isOff(cmd.Env) || !workers.Fits(cmd.Env) {
		return false
	}
	file, err := child.LookPath(cmd.Path, child.SearchPath(s.p.Env.List()))
	if err != nil {
		return false
	}
	program := r.finder.At(file)
	v, able := program.Look()
	if !able {
		return false
	}
	for w := r.pool.Get(file, v); w != nil; w = r.pool.Get(file, v) {
		if s.give(w, file, cmd, c) {
			return true
		}
	}
	w, err := r.start(program, v, cmd)
	return err == nil && s.give(w, file, cmd, c)
}

// isOff tells whether the environment has an empty reuseVar.
func isOff(env []string) bool {
	for _, e := range env {
		if e == reuseVar+"=" {
			return true
		}
	}
	return false
}

// start starts a qmail-smtpd. A file that cannot be read may be another one, so
// the connection waits until the program has said what it is. Its own
// environment does not count: each connection brings one.
func (r *reuse) start(program *workers.Program, v workers.Version, cmd *child.Cmd) (*workers.Worker, error) {
	return workers.StartSaid(program, cmd.Path, v, func(arg0 string, files []sys.FD) (reusable, error) {
		files[2] = cmd.Files[2]
		r.s.mu.Lock()
		defer r.s.mu.Unlock()
		p, err := child.Start(&child.Cmd{Path: program.Path, Args: []string{arg0}, Env: cmd.Env, Files: files})
		if err != nil {
			return reusable{}, err
		}
		end := make(chan child.Status, 1)
		r.running[p.PID] = end
		r.s.started.Signal()
		return reusable{p, r, end}, nil
	})
}

// give hands the connection over and waits for its end in the background; false
// if the qmail-smtpd does not take it. The log says of each connection what it
// says of one with a program of its own; the pid may come again.
func (s *server) give(w *workers.Worker, file string, cmd *child.Cmd, c *client) bool {
	p, err := w.Send(cmd.Env, []sys.FD{c.fd})
	if err != nil {
		w.Kill() // without the server's lock, which that takes
		return false
	}
	pid := w.PID()
	s.mu.Lock()
	s.say(verbose, fromLine(pid, c.conn), decisionLine("ok", pid, c.conn))
	s.settled()
	s.mu.Unlock()
	go func() {
		status := 0
		if a, err := p.Wait(); err == nil {
			status = int(a.Code) << 8
			s.reuse.pool.Put(file, w)
		} else {
			status = w.Ended().Raw()
		}
		s.mu.Lock()
		s.ended(pid, status)
		s.mu.Unlock()
		<-s.slots
	}()
	return true
}
