// Package send is qmail-send: it decides where each recipient goes and when it
// is tried, gives it to a spawner, keeps the marks, and tells the sender about
// failures. Spec: spec/send.md.
//
// One goroutine, loop, owns all messages and deliveries. Others wait for
// something and hand it events: two read reports, two write commands, one
// watches todo/ and preprocesses, one finds what was in the queue before, one
// cleans mess/, and short-lived ones finish messages, inject bounces and store
// the texts of failures. The queue on disk
// is at every moment in a state from which a new qmail-send goes on; the
// comments before each series of system calls say in which.
//
//	send.go        start and end
//	controls.go    control files, SIGHUP
//	rewrite.go     channel and address of a recipient
//	server.go      the loop, the queues, signals
//	scan.go        finding the messages of a queue at the start
//	channel.go     the conversation with a spawner
//	jobs.go        a message on a channel; the retry schedule
//	passes.go      reading recipient files
//	destinations.go  how many deliveries a domain may have, and when
//	waiting.go     recipients that wait for their domain
//	deliveries.go  starting deliveries, taking reports, marks
//	bouncefile.go  texts of failures
//	bounces.go     the bounce message
//	finish.go      the end of a message
//	todo.go        preprocessing
//	output.go      the files that it makes
//	boarding.go    messages that need none
//	transit.go     the same, on their way
//	cleanup.go     rubbish in mess/
//	cleaner.go     the conversation with qmail-clean
package send

import (
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sig"
	"goqmail/internal/workers"
)

// Exit codes.
const (
	exitOK    = 0   // told to leave, or a partner is gone
	exitStart = 111 // could not start; the log says why
)

// heapGrowth is for sys.KeepHeapSmall: what is on the heap is the queues' entries
// and little else.
const heapGrowth = 10

// minFiles is the number of descriptors that is made sure of at the start: those
// of a batch of new messages, of bounces, and some to spare.
const minFiles = 1024

// umask is for all files that qmail-send makes.
const umask = 0o077

// Run is the program.
func Run(p *prog.Process) int {
	sys.OneAtATime()
	sys.RaiseNoFile(minFiles)
	sys.KeepHeapSmall(heapGrowth)
	s, notice := prepare(p)
	if notice != "" {
		s.log.notice(notice, "")
		return exitStart
	}
	// For people who look at the process; all names are looked up below s.queue.
	_ = sys.Chdir(p.Home + "/queue")
	s.run()
	return exitOK
}

// prepare does everything that can fail at the start, in the order of
// spec/send.md section 3. The notice says what failed; the server has a log
// even then.
func prepare(p *prog.Process) (*server, sendlog.Notice) {
	s := newServer(p)
	home, err := sys.Cwd().OpenSearchDir(p.Home)
	if err != nil {
		return s, sendlog.StartHome
	}
	defer func() { _ = home.Close() }() // read only
	set, rt, err := readControls(p.Home)
	if err != nil {
		return s, sendlog.StartControls
	}
	s.set = set
	s.routes.Store(rt)
	if s.queue, err = home.OpenSearchDir("queue"); err != nil {
		return s, sendlog.StartQueueDir
	}
	s.fsyncDir = s.queue.SyncDir
	if d, err := s.queue.OpenDir(string(queue.Todo)); err == nil {
		s.syncfs = d.SyncAll
	}
	if s.wake, err = sys.NewEvent(); err != nil {
		return s, sendlog.StartMutex // no descriptors left: the mutex could not be opened either
	}
	if !workers.Classic(p.Home) {
		s.transit = newTransits()
	}
	sig.Ignore(sig.PIPE)
	src := sig.Watch(sig.TERM, sig.ALRM, sig.HUP)
	s.signals, s.sync = src.C, src.Sync
	sys.Umask(umask)
	if notice := s.lock(); notice != "" {
		return s, notice
	}
	if !s.handshake(p) {
		_ = s.mutex.Close() // the lock goes with it
		return s, sendlog.StartSpawn
	}
	return s, ""
}

// newServer makes a server that has nothing but its log, its clock and the
// means by which its goroutines talk.
func newServer(p *prog.Process) *server {
	s := &server{
		home: p.Home, env: p.Env.List(), now: p.Now,
		log:         &logger{to: p.FD(pipe.FDLog)},
		fsync:       sys.FD.Sync,
		pauseTime:   sleepPause * time.Second,
		transitTime: transitTime,
		events:      make(chan event, eventsAtOne),
		stop:        make(chan struct{}),
		quit:        make(chan struct{}),
		scanned:     make(chan struct{}),
	}
	s.old.listed = make(chan struct{})
	s.clean = &cleaner{request: p.FD(pipe.FDCleanRequest), reply: p.FD(pipe.FDCleanReply)}
	s.clean.lost = func() {
		s.log.notice(sendlog.LostClean, "")
		s.post(cleanGone{})
	}
	return s
}

// lock takes lock/sendmutex for the life of the process. The descriptor is
// close-on-exec: in C a qmail-queue that hangs keeps the lock.
func (s *server) lock() sendlog.Notice {
	fd, err := s.queue.Open(queue.LockSendMutex, sys.WriteOnly|sys.NonBlock, 0)
	if err != nil {
		return sendlog.StartMutex
	}
	if fd.TryLock() != nil {
		_ = fd.Close() // nothing was written
		return sendlog.StartRunning
	}
	s.mutex = fd
	return ""
}

// handshake reads the first byte of each spawner, which says how many
// deliveries it runs at once, and makes the channels. If control/spawnlimit asks
// for more than a byte can say, each spawner is asked whether it can do so.
func (s *server) handshake(p *prog.Process) bool {
	s.commandFDs = [...]sys.FD{p.FD(pipe.FDLocalCommand), p.FD(pipe.FDRemoteCommand)}
	s.reportFDs = [...]sys.FD{p.FD(pipe.FDLocalReport), p.FD(pipe.FDRemoteReport)}
	for _, ch := range [...]queue.Channel{queue.ChanLocal, queue.ChanRemote} {
		var b [1]byte
		if _, err := s.reportFDs[ch].Read(b[:]); err != nil {
			return false
		}
		s.channels[ch] = newChannel(ch, int(b[0]))
	}
	for _, c := range s.channels {
		if s.set.spawnLimit > pipe.MaxDelnum && !s.probe(c) {
			return false
		}
	}
	s.setLimits(s.set.concurrency)
	s.channels[queue.ChanRemote].dests = newDestinations(s.set.domains, s.set.lifetime)
	return true
}

// probe asks a spawner for the wide protocol, and reports false when it is gone.
func (s *server) probe(c *channel) bool {
	if _, err := s.commandFDs[c.which].Write(pipe.Probe.Append(nil)); err != nil {
		return false
	}
	var d pipe.ReportDecoder
	for {
		var b [1]byte // no more: what follows may be of the wide protocol
		if _, err := s.reportFDs[c.which].Read(b[:]); err != nil {
			return false
		}
		r, ok := d.Push(b[0])
		if !ok {
			continue
		}
		if n, ok := pipe.ParseProbeReport(r); ok {
			c.wide, c.granted = true, n
		}
		return true
	}
}

// setLimits gives both channels their limits, and says how many jobs that makes.
func (s *server) setLimits(concurrency [queue.Channels]int) {
	s.jobsMax = 0
	var open [queue.Channels]bool
	for i, c := range s.channels {
		c.setLimit(concurrency[i])
		s.jobsMax += c.limit
		open[i] = c.limit > 0
	}
	if s.transit != nil {
		s.transit.setOpen(open)
	}
}

// run is qmail-send's life after the start.
func (s *server) run() {
	defer close(s.quit)
	s.logStatus()
	for i, c := range s.channels {
		go s.writeCommands(c, s.commandFDs[i])
		go s.readReports(c, s.reportFDs[i])
		defer close(c.commands)
	}
	s.scanning = true
	s.background = 3
	go s.scanInfo()
	go s.watchTodo()
	go s.watchMess()
	s.loop()
	s.keepTimes()
	s.log.put(sendlog.Exiting(nil))
}
