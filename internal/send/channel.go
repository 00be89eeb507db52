package send

import (
	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
)

// A channel is one of the two ways out: the messages that wait for it, the file
// being read, the deliveries that run, and the spawner at the other end.
type channel struct {
	which    queue.Channel
	isAlive  bool // the spawner is there
	due      heap[entry]
	pass     *pass      // the open recipient file, or nil
	slots    []delivery // by delivery number
	free     heap[slot] // numbers not in use
	writing  bool       // a command is with the writer; it is the only one buffered
	command  []byte     // that command; the writer's while writing
	commands chan []byte
}

// used is the number of deliveries that run.
func (c *channel) used() int { return len(c.slots) - len(c.free) }

// newChannel makes a channel of n slots.
func newChannel(which queue.Channel, n int) *channel {
	c := &channel{which: which, isAlive: true, slots: make([]delivery, n), commands: make(chan []byte, 1)}
	for i := range n {
		c.free.push(slot(i))
	}
	return c
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
	var d pipe.ReportDecoder
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
