package enqueue

import (
	"strconv"
	"time"

	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sigexit"
	"goqmail/internal/worker"
)

// A job of a worker has two files, the message and the envelope, and no
// arguments. The text of its answer is its number, as it stands in the Received
// line and the envelope, in decimal.
const (
	jobMessage = iota
	jobEnvelope
	jobFiles
)

// numberStep is what the numbers of two messages of one process differ by: more
// than any process number, so that no other process has one of them.
const numberStep = 1 << 22

// maxJobs is how many messages one process takes.
const maxJobs = 500

// A patient source is fed soon, and nothing else is to be done meanwhile: the
// message, and in a process that stays, with a processor for each flush, the
// envelope too.
type patient struct{ sys.FD }

func (p patient) Read(b []byte) (int, error) {
	if p.AwaitBriefly(sys.Readable, sys.Brief) {
		return p.ReadReady(b)
	}
	return p.FD.Read(b)
}

func (p patient) ReadyWithin(d time.Duration) bool {
	return p.AwaitBriefly(sys.Readable, d) || d > sys.Brief && p.FD.ReadyWithin(d-sys.Brief)
}

// serve takes messages until the caller has no more. Each has the time that a
// process of its own would have; one that fails leaves nothing behind, and does
// not end the process. A panic does, and a packet that is not what it should be:
// any user may be at the other end. An envelope that is none has the answer that
// it would have otherwise, and is the last.
func (t *taker) serve(o *worker.Offer) int {
	sys.Alone(1 + messFlushes) // those and the flush of the envelope
	pid, done := sys.Getpid(), 0
	start := t.now().Unix()
	ss := &spares{dir: t.dir, name: func(seq int) string {
		return string(queue.Pid) + "/" + queue.PidName(pid, start, queue.PidTries+seq)
	}}
	defer ss.remove()
	next := newAhead(t.dir)
	o.Idle = next.make
	err := o.Serve(jobFiles, func(args []string, files []sys.FD) worker.Result {
		number := pid + done*numberStep
		done++
		if len(args) != 0 || sigexit.Death(queue.DeathSeconds*time.Second) != nil {
			return worker.Result{Code: queue.ExitBug, Last: true}
		}
		s := &diskStore{Dir: t.dir, spares: ss, ahead: next}
		code := t.take(s, patient{files[jobMessage]}, patient{files[jobEnvelope]}, false, number)
		s.close()
		return worker.Result{Code: code, Text: strconv.Itoa(number), Last: done >= maxJobs || code == queue.ExitLetter}
	})
	if err != nil {
		return queue.ExitBug
	}
	return queue.ExitOK
}
