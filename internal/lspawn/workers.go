package lspawn

import (
	"errors"
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/spawn"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/sys/creds"
	"goqmail/internal/workers"
)

// A recipient is whom a qmail-local can work for: it never changes its uid, and
// never sees another user's mail.
type recipient struct {
	user, home string
	uid, gid   uint32
}

// localLimits are how long a qmail-local is kept. With fewer of them than there
// are deliveries at once, a part of those would start one each, and end it. Most
// deliveries take less time than it costs to start one, so a user who has a few gets
// another only if none of them becomes free.
var localLimits = workers.Limits{
	Jobs: 1000, Age: 10 * time.Minute, Idle: 5 * time.Second, Keep: 128,
	Enough: 3, Patience: 150 * time.Millisecond,
}

// The locals are the qmail-locals that run. A nil one has none.
type locals struct {
	s       *spawner
	program workers.Program
	pool    workers.Pool[recipient]
}

func newLocals(s *spawner) *locals {
	return &locals{
		s:       s,
		program: workers.Program{Dir: s.home, Path: localProgram, Mark: pipe.MarkLocal},
		pool:    workers.Pool[recipient]{Limits: localLimits},
	}
}

// close tells all workers to go.
func (ws *locals) close() {
	if ws != nil {
		ws.pool.Close()
	}
}

// deliver has a worker do a delivery. done is false if none can: then nothing
// was done, and a qmail-local of its own must do it.
func (ws *locals) deliver(d *spawn.Delivery, who pipe.Nughde, id creds.ID, args []string) (v spawn.Verdict, done bool) {
	if ws == nil || !workers.Fits(args) {
		return v, false
	}
	version, able := ws.program.Look()
	if !able {
		return v, false
	}
	key := recipient{who.User, who.Home, id.UID, id.GID}
	for w := ws.pool.Get(key, version); w != nil; w = ws.pool.Get(key, version) {
		if v, done = ws.job(d, w, key, args); done {
			return v, true
		}
	}
	w, err := workers.Start(localProgram, pipe.MarkLocal, version, func(arg0 string, files []sys.FD) (child.Process, error) {
		return ws.s.startLocal(arg0, nil, files, id)
	})
	if err != nil {
		ws.pool.Lose(key)
		return v, false // the same trouble, if it lasts, will get its report
	}
	return ws.job(d, w, key, args)
}

// job has one worker do a delivery; done is false if the worker did nothing.
func (ws *locals) job(d *spawn.Delivery, w *workers.Worker, key recipient, args []string) (v spawn.Verdict, done bool) {
	var out output
	a, err := d.Job(func(files []sys.FD) (workers.Pending, error) { return w.Send(args, files) }, &out)
	switch {
	case errors.Is(err, workers.ErrRefused), errors.Is(err, workers.ErrUnfit):
		ws.pool.Lose(key)
		w.Kill()
		return v, false
	case errors.Is(err, workers.ErrGone):
		ws.pool.Lose(key)
		return crashed, true
	case err != nil:
		ws.pool.Put(key, w)
		return notStarted(err), true
	}
	ws.pool.Put(key, w)
	return verdict(int(a.Code), out.text()), true
}
