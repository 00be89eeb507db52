package lspawn

import (
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/workers"
)

// lookupLimits are how long a qmail-getpw is kept. One answers at a time; when it
// has to wait for a directory service others are started.
var lookupLimits = workers.Limits{Jobs: 20000, Age: time.Hour, Idle: time.Minute, Keep: 2}

// The lookups are the qmail-getpws that run. A nil one has none.
type lookups struct {
	s       *spawner
	program workers.Program
	pool    workers.Pool[struct{}]
}

func newLookups(s *spawner) *lookups {
	return &lookups{
		s:       s,
		program: workers.Program{Dir: s.home, Path: getpwProgram, Mark: pipe.MarkGetpw},
		pool:    workers.Pool[struct{}]{Limits: lookupLimits},
	}
}

// close tells all workers to go.
func (l *lookups) close() {
	if l != nil {
		l.pool.Close()
	}
}

// ask has a worker look the local part up. done is false if none can, or the one
// that was asked ended: a qmail-getpw of its own must do it then.
func (l *lookups) ask(local string) (who pipe.Nughde, code int, done bool) {
	if l == nil || !workers.Fits([]string{local}) {
		return who, 0, false
	}
	version, able := l.program.Look()
	if !able {
		return who, 0, false
	}
	for w := l.pool.Get(struct{}{}, version); w != nil; w = l.pool.Get(struct{}{}, version) {
		if who, code, done = l.job(w, local); done {
			return who, code, true
		}
	}
	w, err := workers.Start(getpwProgram, pipe.MarkGetpw, version, func(arg0 string, files []sys.FD) (child.Process, error) {
		return l.s.start(&child.Cmd{
			Path: getpwProgram, Args: []string{arg0}, Dir: l.s.homeName, Env: l.s.env, Files: files, Leaf: true, Crash: true,
		}, l.s.lookup)
	})
	if err != nil {
		return who, 0, false
	}
	return l.job(w, local)
}

// job asks one worker.
func (l *lookups) job(w *workers.Worker, local string) (who pipe.Nughde, code int, done bool) {
	p, err := w.Send([]string{local}, nil)
	if err != nil {
		w.Kill()
		return who, 0, false
	}
	a, err := p.Wait()
	if err != nil {
		return who, 0, false
	}
	l.pool.Put(struct{}{}, w)
	if len(a.Text) >= pipe.AnswerText {
		return who, 0, false // it was cut
	}
	who, code = understand(int(a.Code), []byte(a.Text))
	return who, code, true
}
