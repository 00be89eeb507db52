package local

import (
	"time"

	"goqmail/internal/maildir"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sigexit"
	"goqmail/internal/worker"
)

// A job of a worker has the arguments of qmail-local and two files: the message,
// and the report that is otherwise descriptors 1 and 2.
const (
	jobMessage = iota
	jobReport
	jobFiles
)

// maxHeld is the memory, in bytes, above which a worker asks to be replaced: a
// .qmail file may have been large.
const maxHeld = 48 << 20

// serve does deliveries for one user until qmail-lspawn has no more. What a
// delivery changes of the process is its umask, which every delivery sets; the
// names in Maildirs count on.
func serve(p *prog.Process, o *worker.Offer) int {
	name, _, _ := pipe.ParseWorkerName(p.Args[0])
	sys.Alone(1)
	weight := worker.Weight{Max: maxHeld}
	var m maildir.Deliverer
	if sigexit.On(exitTemporary, sigexit.Alarm) == nil {
		m.Death = func(d time.Duration) { _ = sigexit.Death(d) } // without it a delivery that hangs is not ended
	}
	_ = o.Serve(jobFiles, func(args []string, files []sys.FD) worker.Result {
		code := deliver(&prog.Process{
			Args: append([]string{name}, args...), Env: p.Env, Home: p.Home, Now: p.Now,
			FDs: map[int]sys.FD{0: files[jobMessage], 1: files[jobReport], 2: files[jobReport]},
		}, &m)
		return worker.Result{Code: code, Retire: weight.Over() || m.Stuck()}
	})
	return exitDone // whatever ended it: the other side knows, or is gone
}
