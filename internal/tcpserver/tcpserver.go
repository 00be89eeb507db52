// Package tcpserver is tcpserver: it listens at a TCP port and runs a program
// for each connection, with the connection as descriptors 0 and 1, after it has
// found out who is at both ends and looked them up in rules.
//
//	accept -> goroutine: look-ups, rules -> start of the program -> its end
//
// Every connection counts against the limit from its acceptance to the end of
// its program. What strangers can make slow (names, ident) is done by a
// goroutine for each connection and delays no other; the one place where a
// program is started is server.dispatch. Spec: spec/ucspi.md section 1.
package tcpserver

import (
	"net/netip"
	"strconv"
	"sync"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/sys/sig"
	"goqmail/internal/sys/sock"
	"goqmail/internal/tcprules"
	"goqmail/internal/ucspi"
)

// Exit codes; the last two, times 256, also stand in the log for connections
// that got no program.
const (
	exitOK     = 0 // after SIGTERM
	exitUsage  = 100
	exitDenied = 100
	exitFailed = 111
)

// acceptPause is how long nothing is accepted after the kernel had no memory or
// descriptors for a connection.
const acceptPause = time.Second

// A server is the state of a running tcpserver.
type server struct {
	options
	p        *prog.Process
	sockets  listeners
	leaving  *sys.Event      // set when nothing more shall be accepted
	slots    chan struct{}   // an entry for each connection that counts
	resolver func() resolver // a new one
	start    func(c *child.Cmd, path string) (child.Process, error)
	wait     func() (pid int, st child.Status, err error) // for any program's end

	mu      sync.Mutex
	count   int           // connections that count
	pids    map[int]bool  // programs that run
	reuse   *reuse        // nil: no program serves more than one connection
	started *sync.Cond    // a program was added to pids
	busy    int           // connections that have no program yet
	closing bool          // SIGTERM came
	idle    chan struct{} // closed when closing and busy is 0
}

// Run is tcpserver [OPTIONS] HOST PORT PROGRAM [ARGUMENTS]. It serves until
// SIGTERM, and then exits 0 while the programs go on.
func Run(p *prog.Process) int {
	o, bad, code := parseOptions(p.Args[1:], p.Env)
	if code != 0 {
		return complain(p, bad, code)
	}
	term := sig.Notify(sig.TERM)
	s, err := setUp(o, p)
	if err != nil {
		if o.Verbosity == quiet {
			return exitFailed
		}
		return p.Die(exitFailed, "tcpserver: fatal: ", err.Error())
	}
	return s.run(term)
}

// setUp does everything up to the first connection. What is listened at comes
// first: it may need rights that are given up next.
func setUp(o options, p *prog.Process) (*server, error) {
	l, err := inherited(p.Env, sys.Getpid())
	if err == nil && len(l.fds) == 0 {
		l, err = o.open(ucspi.SystemResolver(p.Env))
	}
	if err == nil {
		err = o.drop()
	}
	if err == nil && o.printPort {
		err = sayPort(p, l.fds[0])
	}
	if err == nil {
		err = detach(p)
	}
	if err != nil {
		return nil, err
	}
	sys.OneAtATime()
	return newServer(o, p, l)
}

// complain says why the command line is no good.
func complain(p *prog.Process, bad string, code int) int {
	if code != exitUsage {
		return p.Die(code, "tcpserver: fatal: ", bad)
	}
	if bad != "" {
		p.Say(2, "tcpserver: ", bad, "\n")
	}
	return p.Die(code, "tcpserver: usage: ", usage)
}

// sayPort writes the port on descriptor 1.
func sayPort(p *prog.Process, l sys.FD) error {
	at, err := sock.LocalName(l)
	if err != nil {
		return unable("read port number", err)
	}
	if _, err := p.FD(1).WriteString(strconv.Itoa(int(at.Port())) + "\n"); err != nil {
		return unable("print port number", err)
	}
	return nil
}

// detach replaces descriptors 0 and 1 by /dev/null: who reads the port number
// sees its end, and no connection gets one of the two numbers.
func detach(p *prog.Process) error {
	null, err := sys.Cwd().Open("/dev/null", sys.ReadWrite, 0)
	if err != nil {
		return unable("open /dev/null", err)
	}
	for _, n := range []int{0, 1} {
		if err := null.DupTo(p.FD(n)); err != nil {
			return unable("open /dev/null", err)
		}
	}
	if null > 1 {
		_ = null.Close() // nothing was written
	}
	return nil
}

func newServer(o options, p *prog.Process, l listeners) (*server, error) {
	leaving, err := sys.NewEvent()
	if err != nil {
		return nil, unable("create event", err)
	}
	s := &server{
		options: o, p: p, sockets: l, leaving: leaving, slots: make(chan struct{}, o.limit), start: child.StartSearch, wait: child.WaitAny,
		resolver: func() resolver { return ucspi.SystemResolver(p.Env) },
		pids:     map[int]bool{}, idle: make(chan struct{}),
	}
	s.started = sync.NewCond(&s.mu)
	s.reuse = newReuse(s)
	return s, nil
}

// run serves until a signal comes; then it waits for the connections that have
// no program yet, but not after a second signal.
func (s *server) run(term <-chan sig.Signal) int {
	s.say(verbose, statusLine(0, s.limit))
	for _, l := range s.sockets.fds {
		go s.accept(l)
	}
	go s.reap()
	<-term
	if !s.close() {
		select {
		case <-term:
		case <-s.idle:
		}
	}
	return exitOK
}

// say writes lines on descriptor 2, in one write, if the verbosity asks for
// them.
func (s *server) say(level int, lines ...string) {
	if s.Verbosity >= level {
		s.p.Say(2, lines...)
	}
}

// accept takes connections as long as the limit allows; further ones wait in
// the kernel. A connection counts only when there is one, so that several
// sockets share the limit.
func (s *server) accept(l sys.FD) {
	for s.await(l) {
		s.slots <- struct{}{}
		if s.isClosing() {
			return
		}
		fd, peer, err := sock.Accept(l)
		if err != nil {
			<-s.slots
			if s.isClosing() {
				return
			}
			if !sock.Gone(err) && !sys.IsWouldBlock(err) {
				time.Sleep(acceptPause)
			}
			continue
		}
		if !s.open() {
			_ = fd.Close() // too late to serve it
			return
		}
		go s.serve(fd, peer)
		sys.Yield() // first that: the wait for the next connection holds the one processor for a while
	}
}

// await waits for a connection at a socket; false if the server is closing.
// An error is left to Accept.
func (s *server) await(l sys.FD) bool {
	ready, err := sys.WaitAny([]sys.FD{l, s.leaving.FD()}, []int16{sys.Readable, sys.Readable}, -1)
	return err != nil || !ready[1]
}

// open counts a new connection; false if the server is closing.
func (s *server) open() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.count++
	s.busy++
	s.say(verbose, statusLine(s.count, s.limit))
	return true
}

func (s *server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// close stops listening; idle says that every connection has its program.
func (s *server) close() (idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	s.leaving.Set()
	s.sockets.stop()
	return s.busy == 0
}

// serve finds out about a connection and has it served or dropped. A panic,
// which would be our bug, drops this connection only.
func (s *server) serve(fd sys.FD, peer netip.AddrPort) {
	c := &client{fd: fd}
	c.conn.Remote = peer
	defer func() {
		if recover() != nil {
			s.refuse(c, exitFailed, "", "internal error")
		}
	}()
	s.prepare(fd)
	n, err := s.newClient(fd, peer)
	if err != nil {
		s.refuse(c, exitFailed, "", "unable to read local address: "+sys.ErrText(err))
		return
	}
	c = n
	s.identify(c)
	d, err := s.decide(c.conn)
	if err != nil {
		s.refuse(c, exitFailed, "", "unable to read "+s.rules+": "+rulesText(err))
		return
	}
	s.dispatch(c, d)
}

// prepare sets the socket's options and sends the banner. What fails here the
// program will notice.
func (s *server) prepare(fd sys.FD) {
	if !s.keepIPOpts {
		_ = sock.DropOptions(fd)
	}
	if s.NoDelay {
		_ = sock.NoDelay(fd)
	}
	if s.banner != "" {
		_, _ = sys.Timed{FD: fd, Limit: bannerLimit}.Write([]byte(s.banner))
	}
}

// bannerLimit is how long a client may take to take the banner.
const bannerLimit = time.Minute

// dispatch does what the rules say: run the program for the connection or drop
// it.
func (s *server) dispatch(c *client, d tcprules.Decision) {
	if d.Deny {
		s.refuse(c, exitDenied, "deny", "")
		return
	}
	cmd := &child.Cmd{
		Path: s.argv[0], Args: s.argv, Env: environment(s.p.Env, c.conn, d.Vars),
		Files: []sys.FD{c.fd, c.fd, s.p.FD(2)},
	}
	if s.handOver(cmd, c) {
		_ = c.fd.Close() // the program has it
		return
	}
	if err := s.launch(cmd, c); err != nil {
		s.refuse(c, exitFailed, "ok", "unable to run "+s.argv[0]+": "+sys.ErrText(err))
		return
	}
	_ = c.fd.Close() // the program has it
}

// launch starts the program and notes it. The lock makes the log's order true:
// the program's end is not seen before its beginning is written.
func (s *server) launch(cmd *child.Cmd, c *client) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.start(cmd, child.SearchPath(s.p.Env.List()))
	if err != nil {
		return err
	}
	s.say(verbose, fromLine(p.PID, c.conn), decisionLine("ok", p.PID, c.conn))
	s.pids[p.PID] = true
	s.started.Signal()
	s.settled()
	return nil
}

// settled notes that a connection has its program, or will have none. The lock
// is held.
func (s *server) settled() {
	s.busy--
	if s.closing && s.busy == 0 {
		close(s.idle)
	}
}

// refuse drops a connection that gets no program. code is what C tcpserver's
// child would have exited with. word is the rules' decision, "" if there is
// none; why is a warning, "" for none.
func (s *server) refuse(c *client, code int, word, why string) {
	_ = c.fd.Close() // nothing was promised
	pid := sys.Getpid()
	s.mu.Lock()
	s.say(verbose, fromLine(pid, c.conn))
	if word != "" {
		s.say(verbose, decisionLine(word, pid, c.conn))
	}
	if why != "" {
		s.say(warnings, dropLine(why))
	}
	s.settled()
	s.ended(pid, code<<8)
	s.mu.Unlock()
	<-s.slots
}

// ended notes the end of a connection. The lock is held; the slot is still to
// be given back.
func (s *server) ended(pid, status int) {
	s.count--
	s.say(verbose, endLine(pid, status), statusLine(s.count, s.limit))
}

// reap collects the programs that end.
func (s *server) reap() {
	for {
		s.mu.Lock()
		for len(s.pids) == 0 && s.reuse.processes() == 0 {
			s.started.Wait()
		}
		s.mu.Unlock()
		pid, status, err := s.wait()
		if err != nil {
			continue
		}
		s.mu.Lock()
		ours := s.pids[pid]
		if ours {
			delete(s.pids, pid)
			s.ended(pid, status.Raw())
		} else {
			s.reuse.reaped(pid, status)
		}
		s.mu.Unlock()
		if ours {
			<-s.slots
		}
	}
}
