// Package workers keeps programs that do their job several times: qmail-local for
// one user, qmail-remote, qmail-getpw, qmail-queue, qmail-smtpd. Starting a process
// costs more than most of them have to do. The format of the conversation, and
// why a program of somebody else in the place of ours is safe, are in
// pipe/worker.go; what the worker itself uses is package worker.
//
//	program.go  which files can be workers
//	worker.go   one worker
//	pool.go     workers that wait for something to do
//
// What a worker sends is not trusted: an answer that nobody waits for, or that
// is none, ends the worker, and only the jobs that it has are lost with it.
// Whether there are workers at all is said by control/classic (Classic).
package workers

import (
	"errors"
	"sync"
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
)

// Errors of a worker.
var (
	// ErrUnfit: the job does not fit into a packet, as Fits would have said.
	// Nothing was sent.
	ErrUnfit = errors.New("job too long for a worker")
	// ErrRefused: the worker took no job; it is gone, or busy with something
	// that it should not be busy with. Nothing of the job was done.
	ErrRefused = errors.New("worker takes no job")
	// ErrGone: the worker ended, or was ended, with the job in its hands. What
	// was done of it nobody knows.
	ErrGone = errors.New("worker gone")
)

// How long is waited for a worker that may be hanging, or be in the hands of
// somebody who wants it to: then it is killed.
const (
	sendTime  = 10 * time.Second // until its socket has room for a job
	helloTime = 30 * time.Second // until it has said that it is a worker
	leaveTime = time.Minute      // until it has ended after it was told to go
)

// A Worker is a running worker.
type Worker struct {
	Version Version // of the file it was started from

	conn  *sys.PacketConn
	proc  Process
	mark  pipe.WorkerMark
	began time.Time
	ready chan struct{} // closed when it has said that it is a worker
	ended chan struct{} // closed when it has ended

	mu      sync.Mutex
	waiting map[uint32]chan<- pipe.JobAnswer
	last    uint32 // number of the latest job
	served  int
	retire  bool         // it asked for no more jobs
	gone    bool         // it gets no more jobs
	dead    bool         // it was killed, or has ended
	limit   *time.Timer  // kills it; nil: it may go on
	status  child.Status // when ended
}

// A Process is what was started; child.Process is one.
type Process interface {
	Number() int
	KillNow() error
	Wait() (child.Status, error)
}

// Start starts a worker: start is called with its argv[0] for program, and its
// descriptors, and must start exactly that program, which is version v of a file
// with the mark. The error is start's, or that of the system calls before it.
func Start[P Process](program string, mark pipe.WorkerMark, v Version, start func(arg0 string, files []sys.FD) (P, error)) (*Worker, error) {
	conn, theirs, err := sys.PacketPair()
	if err != nil {
		return nil, err
	}
	defer func() { _ = theirs.Close() }() // our copy
	null, err := sys.Cwd().Open("/dev/null", sys.ReadWrite, 0)
	if err != nil {
		_ = conn.Close() // nobody knows of it
		return nil, err
	}
	defer func() { _ = null.Close() }() // nothing was written
	proc, err := start(pipe.WorkerName(program, pipe.FirstWorkerFD), []sys.FD{null, null, null, theirs})
	if err != nil {
		_ = conn.Close() // as above
		return nil, err
	}
	w := &Worker{
		Version: v, conn: conn, proc: proc, mark: mark, began: time.Now(), waiting: map[uint32]chan<- pipe.JobAnswer{},
		ready: make(chan struct{}), ended: make(chan struct{}),
	}
	w.limit = time.AfterFunc(helloTime, w.Kill)
	go w.receive()
	return w, nil
}

// ErrOther: the program that was started is no worker.
var ErrOther = errors.New("no worker")

// StartSaid is Start for a file that perhaps cannot be read: it waits until the
// program has said that it is a worker. One that does not is disowned: ErrOther.
func StartSaid[P Process](p *Program, name string, v Version, start func(arg0 string, files []sys.FD) (P, error)) (*Worker, error) {
	w, err := Start(name, p.Mark, v, start)
	if err != nil {
		return nil, err
	}
	if !w.Ready() {
		p.Disown(v)
		return nil, ErrOther
	}
	return w, nil
}

// PID is the number of the worker's process.
func (w *Worker) PID() int { return w.proc.Number() }

// Ready waits until the program has said that it is a worker; false if it never
// will, so that it is another program.
func (w *Worker) Ready() bool {
	select {
	case <-w.ready:
		return true
	case <-w.ended:
	}
	select {
	case <-w.ready: // it had, and ended
		return true
	default:
		return false
	}
}

// Ended waits for the worker's end and says how it came.
func (w *Worker) Ended() child.Status {
	<-w.ended
	return w.status
}

// A Pending is a job in the hands of a worker.
type Pending struct {
	w      *Worker
	answer <-chan pipe.JobAnswer
}

// Wait waits for the answer: ErrGone when there will be none.
func (p Pending) Wait() (pipe.JobAnswer, error) {
	a, ok := <-p.answer
	if !ok {
		return a, ErrGone
	}
	return a, nil
}

// WaitFor is Wait for an answer that should be there: after the time the worker
// is killed.
func (p Pending) WaitFor(d time.Duration) (pipe.JobAnswer, error) {
	t := time.AfterFunc(d, p.w.Kill)
	defer t.Stop()
	return p.Wait()
}

// Fits tells whether a job with these arguments can be sent at all.
func Fits(args []string) bool {
	_, ok := pipe.Job{Args: args}.Append(nil)
	return ok
}

// Send gives the worker a job. The caller closes its copies of the files. The
// errors are ErrUnfit and ErrRefused.
func (w *Worker) Send(args []string, files []sys.FD) (Pending, error) {
	answer := make(chan pipe.JobAnswer, 1)
	w.mu.Lock()
	w.last++
	n := w.last
	packet, ok := pipe.Job{Number: n, Args: args}.Append(nil)
	_, taken := w.waiting[n] // after 2^32 jobs
	if !ok || w.gone || taken {
		w.mu.Unlock()
		if !ok {
			return Pending{}, ErrUnfit
		}
		return Pending{}, ErrRefused
	}
	w.waiting[n] = answer
	w.mu.Unlock()
	if err := w.conn.Send(packet, files, sendTime); err != nil {
		// A packet goes whole or not at all, so the job was not begun.
		w.mu.Lock()
		delete(w.waiting, n)
		w.mu.Unlock()
		w.Kill()
		return Pending{}, ErrRefused
	}
	return Pending{w, answer}, nil
}

// AwaitBriefly waits for a little while until the worker says something, for a
// process in which nothing else is to be done (sys.FD.AwaitBriefly). It takes no
// answer; it only makes the Wait that follows cheaper.
func (w *Worker) AwaitBriefly() { w.conn.AwaitBriefly(sys.Brief) }

// receive takes the worker's answers to those who wait for them, and waits for
// its end.
func (w *Worker) receive() {
	buf := make([]byte, pipe.AnswerMax+1)
	if n, err := w.conn.Receive(buf); err == nil && string(buf[:n]) == string(w.mark) {
		w.said()
		for {
			n, err := w.conn.Receive(buf)
			if err != nil || !w.take(buf[:n]) {
				break
			}
		}
	}
	w.Kill() // it has ended, or should have
	st, err := w.proc.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.within(0)
	if w.status = st; err != nil {
		w.status = waitFailed
	}
	for n, c := range w.waiting {
		close(c)
		delete(w.waiting, n)
	}
	close(w.ended)
}

// said notes that it is a worker.
func (w *Worker) said() {
	w.mu.Lock()
	if !w.gone {
		w.within(0)
	}
	w.mu.Unlock()
	close(w.ready)
}

// within has the worker killed after the time, which replaces one that was set
// before; 0: not at all. The lock is held.
func (w *Worker) within(d time.Duration) {
	if w.limit != nil {
		w.limit.Stop()
		w.limit = nil
	}
	if d > 0 {
		w.limit = time.AfterFunc(d, w.Kill)
	}
}

// waitFailed is the status of a worker that could not be waited for: as if a
// signal had ended it.
const waitFailed child.Status = 6

// take handles one packet; ok is false when it is not an answer to anything.
func (w *Worker) take(packet []byte) (ok bool) {
	a, err := pipe.ParseJobAnswer(packet)
	if err != nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c, ok := w.waiting[a.Number]
	if !ok {
		return false
	}
	delete(w.waiting, a.Number)
	w.served++
	w.retire = w.retire || a.Retire
	c <- a // it has room
	return true
}

// Kill ends the worker at once; its jobs get ErrGone.
func (w *Worker) Kill() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = true
	if !w.dead {
		w.dead = true
		_ = w.proc.KillNow() // not waited for yet: the number is still its own
		_ = w.conn.Close()   // somebody else may hold the other end
	}
}

// Dismiss tells a worker without jobs to go.
func (w *Worker) Dismiss() {
	w.mu.Lock()
	if !w.dead && !w.gone {
		w.within(leaveTime)
	}
	w.gone = true
	w.mu.Unlock()
	_ = w.conn.CloseWrite() // it reads the end of file
}

// Busy is how many jobs the worker has.
func (w *Worker) Busy() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting)
}

// usable tells whether the worker may have another job by the limits.
func (w *Worker) usable(l Limits, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.gone && !w.retire && w.served+len(w.waiting) < l.Jobs && now.Sub(w.began) < l.Age
}

// Usable tells whether the worker may have another job.
func (w *Worker) Usable(l Limits) bool { return w.usable(l, time.Now()) }
