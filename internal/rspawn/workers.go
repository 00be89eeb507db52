package rspawn

import (
	"errors"
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/spawn"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/workers"
)

// remoteLimits are how long a qmail-remote is kept, remoteWidth how many
// deliveries it has at one time: all that a crash of one can defer.
var remoteLimits = workers.Limits{Jobs: 20000, Age: 15 * time.Minute, Idle: 10 * time.Second}

const remoteWidth = 64

// The remotes are the qmail-remotes that run. A nil one has none.
type remotes struct {
	s      *spawner
	pool   workers.Shared
	finder workers.Finder
}

func newRemotes(s *spawner) *remotes {
	return &remotes{
		s: s, pool: workers.Shared{Limits: remoteLimits, Width: remoteWidth}, finder: workers.Finder{Mark: pipe.MarkRemote},
	}
}

// close tells all workers to go.
func (r *remotes) close() {
	if r != nil {
		r.pool.Close()
	}
}

// find is the qmail-remote along PATH, if it can be a worker.
func (r *remotes) find() (p *workers.Program, v workers.Version, able bool) {
	file, err := child.LookPath(defaultRemote, r.s.path)
	if err != nil {
		return nil, v, false
	}
	p = r.finder.At(file)
	v, able = p.Look()
	return p, v, able
}

// deliver has a worker do a delivery. done is false if none can: then nothing
// was done, and a qmail-remote of its own must do it.
func (r *remotes) deliver(d *spawn.Delivery) (v spawn.Verdict, done bool) {
	args := []string{d.Host, d.Sender, d.Recipient}
	if r == nil || !workers.Fits(args) {
		return v, false
	}
	program, version, able := r.find()
	if !able {
		return v, false
	}
	const tries = 3
	for range tries {
		place, err := r.pool.Get(version, func() (*workers.Worker, error) { return r.start(program, version) })
		if err != nil {
			return v, false // another program, or trouble that will get its report if it lasts
		}
		var out pipe.RemoteOutput
		a, err := d.Job(func(files []sys.FD) (workers.Pending, error) {
			return place.Worker().Send(args, files)
		}, &out)
		place.Free()
		switch {
		case errors.Is(err, workers.ErrRefused), errors.Is(err, workers.ErrUnfit):
			continue
		case errors.Is(err, workers.ErrGone):
			return crashed, true
		case err != nil:
			return notStarted(err), true
		}
		return report(child.Status(int(a.Code)<<8), &out), true
	}
	return v, false
}

// start starts a qmail-remote that stays. Its file cannot be read by us, as setup
// makes it, so it must say itself that it is a worker; a C qmail-remote finds no
// arguments, and ends.
func (r *remotes) start(p *workers.Program, v workers.Version) (*workers.Worker, error) {
	return workers.StartSaid(p, defaultRemote, v, func(arg0 string, files []sys.FD) (child.Process, error) {
		return child.Start(&child.Cmd{Path: p.Path, Args: []string{arg0}, Env: r.s.env.List(), Files: files, Leaf: true, Crash: true})
	})
}
