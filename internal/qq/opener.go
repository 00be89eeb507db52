package qq

import (
	"strconv"
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/workers"
)

// queueLimits are how long a qmail-queue is kept. It goes with the process that
// keeps it, so idle time does not count.
var queueLimits = workers.Limits{Jobs: 500, Age: time.Hour}

// Opener is Open for callers that hold a Sink and may queue several messages.
// From the second message on they go through one qmail-queue, if bin/qmail-queue
// is one that takes several and neither $QMAILQUEUE nor control/classic stands
// against it; each has pipes, an exit code, a time limit and a number of its own
// there. On failure the Sink is nil.
func Opener(c Config) func() (Sink, error) { return (&Keeper{}).Opener(c) }

// A Keeper keeps the qmail-queue that takes several messages for callers that
// follow one another in one process. The zero Keeper is ready for use.
type Keeper struct {
	opened int
	worker *workers.Worker
	file   *workers.Program // bin/qmail-queue
	buf    []byte           // for the next message: empty, and wiped; nil while one has it
}

// Opener is Opener of the package for the next caller.
func (k *Keeper) Opener(c Config) func() (Sink, error) {
	return (&opener{Config: c, Keeper: k}).open
}

// An opener begins the messages of one caller.
type opener struct {
	Config
	*Keeper
	asked, able bool // whether a qmail-queue may be kept was looked at, and the answer
}

// open begins a message.
func (o *opener) open() (Sink, error) {
	if o.opened++; o.opened > 1 && !o.asked {
		_, own := o.Config.program()
		o.asked, o.able = true, own && !workers.Classic(o.Home)
	}
	if o.able {
		if m := o.byWorker(); m != nil {
			return m, nil
		}
	}
	m, err := Open(o.Config)
	if err != nil {
		return nil, err // not a nil *Message in an interface
	}
	return m, nil
}

// byWorker begins a message with the worker, or with a new one; nil if that
// cannot be, for whatever reason, and then nothing has happened to the message.
func (o *opener) byWorker() *Message {
	if o.file == nil {
		o.file = &workers.Program{Dir: sys.Cwd(), Path: o.Home + "/" + ownProgram, Mark: pipe.MarkQueue}
	}
	v, able := o.file.Look()
	if !able {
		return nil
	}
	if w := o.worker; w != nil && (w.Version != v || !w.Usable(queueLimits)) {
		w.Dismiss()
		o.worker = nil
	}
	if o.worker == nil && !o.start(v) {
		return nil
	}
	m, err := o.give()
	if err != nil {
		o.worker.Kill()
		o.worker = nil
		return nil
	}
	return m
}

// start starts a worker. The file of a setuid program cannot be read by all, so
// it has to say itself whether it is one; a C qmail-queue finds an empty message without
// an envelope, and gives up.
func (o *opener) start(v workers.Version) bool {
	w, err := workers.StartSaid(o.file, ownProgram, v, func(arg0 string, files []sys.FD) (child.Process, error) {
		return child.Start(&child.Cmd{
			Path: ownProgram, Args: []string{arg0}, Dir: o.Home, Env: child.WithoutRuntime(o.Env), Files: files,
		})
	})
	o.worker = w
	return err == nil
}

// A job is a message in the hands of a worker.
type job struct {
	keeper  *Keeper
	worker  *workers.Worker
	pending workers.Pending
	number  int
}

// give makes pipes for a message and hands their far ends to the worker.
func (k *Keeper) give() (*Message, error) {
	message, toMessage, err := sys.Pipe()
	if err != nil {
		return nil, err
	}
	envelope, toEnvelope, err := sys.Pipe()
	if err != nil {
		closeAll([]sys.FD{message, toMessage})
		return nil, err
	}
	p, err := k.worker.Send(nil, []sys.FD{message, envelope})
	closeAll([]sys.FD{message, envelope})
	if err != nil {
		closeAll([]sys.FD{toMessage, toEnvelope})
		return nil, err
	}
	return &Message{
		job: &job{keeper: k, worker: k.worker, pending: p}, started: true,
		message: toMessage, envelope: toEnvelope, custom: -1, buf: k.takeBuf(),
	}, nil
}

// takeBuf gives a message its memory.
func (k *Keeper) takeBuf() []byte {
	buf := k.buf
	if k.buf = nil; buf == nil {
		buf = make([]byte, 0, bufSize)
	}
	return buf
}

// takeBack keeps the memory of a message that is done, and wipes it.
func (k *Keeper) takeBack(m *Message) {
	clear(m.buf[:cap(m.buf)])
	k.buf, m.buf = m.buf[:0], nil
}

// result waits for the worker's answer. A worker that ended without one counts
// as a queue program that ended in that way, but never as success.
func (j *job) result(failed bool) string {
	j.worker.AwaitBriefly()
	a, err := j.pending.Wait()
	if err != nil {
		if st := j.worker.Ended(); st.Crashed() || st.Code() != queue.ExitOK {
			return ended(st, failed, "")
		}
		return queue.ResultCrashed
	}
	n, err := strconv.Atoi(a.Text)
	if err != nil || n <= 0 {
		return queue.ResultCrashed
	}
	j.number = n
	return queue.Result(int(a.Code), failed, "")
}
