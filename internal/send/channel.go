package send

import (
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
)

// A channel is one of the two ways out: the messages that wait for it, the file
// being read, the deliveries that run, and the spawner at the other end.
type channel struct {
	which     queue.Channel
	isAlive   bool // the spawner is there
	wide      bool // it takes delivery numbers of four bytes
	granted   int  // deliveries that it does at once
	limit     int  // how many there may be: granted, or fewer by the control file
	running   int  // how many there are; more than limit when that was lowered
	due       heap[entry]
	dests     *destinations // nil: none has a limit
	pass      *pass         // the open recipient file, or nil
	fresh     []*passenger  // messages in transit that wait, the oldest first
	wasFresh  bool          // the last delivery was of one of them
	lastFresh time.Time     // and this is when one was started last
	slots     []delivery    // by delivery number; as many as limit was at its highest
	free      heap[slot]    // numbers below limit that are not in use
	writing   bool          // a command is with the writer; it is the only one buffered
	command   []byte        // that command; the writer's while writing
	commands  chan []byte
}

// newChannel makes a channel of at most n slots, which setLimit gives it.
func newChannel(which queue.Channel, n int) *channel {
	return &channel{which: which, isAlive: true, granted: n, commands: make(chan []byte, 1)}
}

// setLimit lets a channel have as many deliveries as the control file says, or as
// the spawner does if that is fewer. Deliveries that run go on, whatever their
// number.
func (c *channel) setLimit(concurrency int) {
	c.limit = min(concurrency, c.granted)
	for len(c.slots) < c.limit {
		c.slots = append(c.slots, delivery{})
	}
	c.free = c.free[:0]
	for n := range c.limit {
		if c.slots[n].job == nil {
			c.free.push(slot(n))
		}
	}
}

// release makes a delivery number free, unless it is one too many by now.
func (c *channel) release(n int) {
	c.slots[n] = delivery{}
	c.running--
	if n < c.limit {
		c.free.push(slot(n))
	}
}

// writeCommands is the goroutine that writes to a spawner, which may block. It
// ends when the channel's commands are closed.
func (s *server) writeCommands(c *channel, fd sys.FD) {
	for b := range c.commands {
		_, err := fd.Write(b)
		s.post(commandWritten{c, err})
	}
}

// readReports is the goroutine that reads from a spawner, until it is gone.
func (s *server) readReports(c *channel, fd sys.FD) {
	d := pipe.ReportDecoder{Wide: c.wide}
	buf := make([]byte, 4096)
	for {
		n, err := fd.Read(buf)
		var got []pipe.Report
		for _, b := range buf[:n] {
			if r, ok := d.Push(b); ok {
				got = append(got, r)
			}
		}
		if len(got) > 0 {
			s.post(reportsRead{c, got})
		}
		if err != nil {
			s.post(spawnerGone{c})
			return
		}
	}
}

// commandWritten says that a spawner took the command, or that it is gone.
type commandWritten struct {
	c   *channel
	err error
}

func (e commandWritten) apply(s *server) {
	e.c.writing = false
	if e.err != nil {
		s.lose(e.c)
	}
}

// reportsRead carries reports in the order in which they came.
type reportsRead struct {
	c       *channel
	reports []pipe.Report
}

func (e reportsRead) apply(s *server) {
	for _, r := range e.reports {
		s.report(e.c, r)
	}
}

// spawnerGone says that no report will come any more.
type spawnerGone struct{ c *channel }

func (e spawnerGone) apply(s *server) { s.lose(e.c) }

// lose gives a channel up: its deliveries are not waited for, and qmail-send
// leaves when those of the other channel have ended.
func (s *server) lose(c *channel) {
	if !c.isAlive {
		return
	}
	c.isAlive = false
	s.log.notice(sendlog.LostSpawn, "")
	s.leave()
}
