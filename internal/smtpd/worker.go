package smtpd

import (
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
	"goqmail/internal/worker"
)

// A job of a worker is one client. Its arguments are the environment, whole, and
// its one file is the connection, otherwise descriptors 0 and 1.
const (
	jobConnection = iota
	jobFiles
)

const (
	maxHeld = 48 << 20 // bytes of memory above which a worker asks to be replaced
	fresh   = 10       // seconds for which our own addresses are believed
)

// serve serves the clients that tcpserver hands over. Nothing of one is there
// for the next: a session is made anew, with the control files as they are then;
// what stays is what kept says, and our addresses.
func serve(p *prog.Process, o *worker.Offer) int {
	sys.Alone(1)
	name, _, _ := pipe.ParseWorkerName(p.Args[0])
	weight := worker.Weight{Max: maxHeld}
	var k kept
	var own sock.Addresses
	var at time.Time
	addresses := func() (sock.Addresses, error) {
		var err error
		if now := p.Now(); own == nil || now.Before(at) || now.Sub(at) >= fresh*time.Second {
			own, err = sock.LocalAddresses()
			at = now
		}
		return own, err
	}
	_ = o.Serve(jobFiles, func(env []string, files []sys.FD) worker.Result {
		code := run(&prog.Process{
			Args: []string{name}, Env: prog.NewEnv(env), Home: p.Home, Now: p.Now,
			FDs: map[int]sys.FD{0: files[jobConnection], 1: files[jobConnection]},
		}, addresses, &k)
		return worker.Result{Code: code, Retire: weight.Over()}
	})
	return exitQuit // whatever ended it: the other side knows, or is gone
}
