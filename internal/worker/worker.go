// Package worker is the side of a program that does its job several times: it is
// offered a conversation by who started it (package workers), and gets jobs. The
// format is in pipe/worker.go.
package worker

import (
	"errors"
	"io"
	"sync"
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/sys"
)

// An Offer is the worker's end of the conversation.
type Offer struct {
	fd   sys.FD
	mark pipe.WorkerMark

	// Idle, if set, is called by Serve after an answer, before the next job is
	// waited for.
	Idle func()
}

// Offered is the offer by which the program was started as a worker, according
// to its argv[0]; nil if there is none. Its descriptor is marked close-on-exec at
// once. m is the program's mark.
func Offered(arg0 string, m pipe.WorkerMark) *Offer {
	_, n, ok := pipe.ParseWorkerName(arg0)
	if !ok || !sys.FD(n).IsPacketSocket() || sys.FD(n).CloseOnExec(true) != nil {
		return nil
	}
	return &Offer{fd: sys.FD(n), mark: m}
}

// hello says that this is a worker.
func (o *Offer) hello() error { return o.fd.SendPacket([]byte(o.mark)) }

// A Result is what became of a job.
type Result struct {
	Code   int    // exit code
	Text   string // see pipe.JobAnswer
	Retire bool   // the worker wants no more jobs
	Last   bool   // it takes no more (Serve only)
}

// errJob is Serve's error for a packet that is no job of this program's.
var errJob = errors.New("not a job")

// Serve does jobs, one at a time, until the other side has no more; each comes
// with exactly files descriptors, which are closed after it. It returns when the
// worker is to end; the error tells why, nil that the other side said so. do must
// leave nothing behind that the next job could see.
func (o *Offer) Serve(files int, do func(args []string, files []sys.FD) Result) error {
	if err := o.hello(); err != nil {
		return err
	}
	buf := make([]byte, pipe.JobMax)
	for {
		o.fd.AwaitBriefly(sys.Readable, sys.Brief) // the next job often comes at once
		n, got, err := o.fd.ReceivePacket(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		j, err := pipe.ParseJob(buf[:n])
		if err != nil || len(got) != files {
			sys.CloseAll(got)
			return errJob
		}
		r := do(j.Args, got)
		sys.CloseAll(got)
		a := pipe.JobAnswer{Number: j.Number, Code: byte(r.Code), Retire: r.Retire || r.Last, Text: r.Text}
		if err := o.fd.SendPacket(a.Append(nil)); err != nil || r.Last {
			return err
		}
		if o.Idle != nil {
			o.Idle()
		}
	}
}

// answerTime is how long an answer may wait for room in the socket. Who does not
// take answers for that long has stopped working.
const answerTime = 10 * time.Minute

// ServeMany is Serve for a worker that does any number of jobs at one time, each
// in a goroutine of its own. It returns when the last of them has ended. Retire is
// for the starter to heed: jobs may still come.
func (o *Offer) ServeMany(files int, do func(args []string, files []sys.FD) Result) {
	if o.hello() != nil {
		return
	}
	conn, err := sys.AdoptPackets(o.fd)
	if err != nil {
		return
	}
	var running sync.WaitGroup
	defer running.Wait()
	buf := make([]byte, pipe.JobMax)
	for {
		n, got, err := conn.ReceiveFiles(buf)
		if err != nil {
			return
		}
		j, err := pipe.ParseJob(buf[:n])
		if err != nil || len(got) != files {
			sys.CloseAll(got)
			return
		}
		running.Go(func() {
			r := do(j.Args, got)
			sys.CloseAll(got)
			a := pipe.JobAnswer{Number: j.Number, Code: byte(r.Code), Retire: r.Retire, Text: r.Text}
			if conn.Send(a.Append(nil), nil, answerTime) != nil {
				_ = conn.Close() // nobody listens: no more jobs
			}
		})
	}
}
