package remote

import (
	"io"
	"net/netip"
	"sync"

	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
	"goqmail/internal/tcpto"
	"goqmail/internal/worker"
)

// A job of a worker has the arguments of qmail-remote, with one recipient, and
// two files: the message and the report.
const (
	jobMessage = iota
	jobReport
	jobFiles
)

// maxHeld is the memory, in bytes, above which a worker asks to be replaced.
const maxHeld = 64 << 20

// A carrier is a qmail-remote that stays: each delivery runs in a goroutine of
// its own, with the control files as they are when it begins. Unless
// control/remoteshare is 1 it has a connection of its own, too.
type carrier struct {
	p      *prog.Process
	name   string
	lanes  lanes
	queue  *sys.Dir // nil: there is none
	weight worker.Weight

	mu       sync.Mutex
	versions [len(controlFiles)]sys.Version // of the control files when they were read
	known    bool
	config   config
}

// controlFiles are those that readControls reads.
var controlFiles = [...]string{"me", "helohost", "timeoutremote", "timeoutconnect", "smtproutes", "remoteshare"}

// carry does deliveries until qmail-rspawn has no more.
func carry(p *prog.Process, o *worker.Offer) int {
	c := &carrier{p: p, weight: worker.Weight{Max: maxHeld}}
	c.name, _, _ = pipe.ParseWorkerName(p.Args[0])
	// Kept open: a connection may outlive the delivery that it was opened for.
	if queue, err := sys.Cwd().OpenSearchDir(p.Home + "/queue"); err == nil {
		c.queue = queue
	}
	o.ServeMany(jobFiles, c.job)
	c.lanes.close()
	return 0
}

// job does one delivery.
func (c *carrier) job(args []string, files []sys.FD) worker.Result {
	var r report
	v := safely(func() verdict { return c.deliver(args, files[jobMessage], &r) })
	r.add(v.letter, v.text)
	_, _ = files[jobReport].Write(r.buf) // if it fails, nobody is left to tell
	return worker.Result{Retire: c.weight.Over()}
}

// deliver is run for a job.
func (c *carrier) deliver(args []string, message sys.FD, r *report) verdict {
	if len(args) < 3 {
		return invoked
	}
	p := &prog.Process{
		Args: append([]string{c.name}, args...), Env: c.p.Env, Home: c.p.Home, Now: c.p.Now, FDs: map[int]sys.FD{0: message},
	}
	d := newDelivery(p, r)
	home, err := sys.Cwd().OpenSearchDir(p.Home)
	if err != nil {
		return noHome
	}
	defer func() { _ = home.Close() }() // used for names only
	if d.config, err = c.controls(home); err != nil {
		return noControls
	}
	if c.queue != nil {
		d.table = func() timeouts { return tcpto.New(c.queue, sys.Getpid(), p.Now) }
		d.timeouts = d.table()
	}
	d.dial = func(to netip.AddrPort) (io.ReadWriteCloser, error) {
		conn, err := sock.DialPolled(to, d.timeoutConnect)
		if err != nil {
			return nil, err
		}
		conn.Limit = d.timeoutRemote
		return conn, nil
	}
	if !d.share || len(d.recipients) != 1 {
		return d.run()
	}
	return c.lanes.deliver(d, message)
}

// controls is what the control files say. They are read again when one of them
// has changed.
func (c *carrier) controls(home *sys.Dir) (config, error) {
	var now [len(controlFiles)]sys.Version
	for i, name := range controlFiles {
		st, err := home.Stat("control/" + name)
		if err != nil && !sys.IsNotExist(err) {
			return readControls(c.p.Home) // which says what is wrong
		}
		now[i] = st.Version() // the zero one for a file that is not there
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known && now == c.versions {
		return c.config, nil
	}
	conf, err := readControls(c.p.Home)
	c.versions, c.config, c.known = now, conf, err == nil
	return conf, err
}
