package remote

import (
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/smtp"
)

// A carrying is a connection of a lane.
type carrying struct {
	n        *lane
	s        *session
	began    time.Time
	messages int
	work     chan struct{} // something waits for it
}

// wake ends the connection's idleness. The lane has taken it out of idle.
func (c *carrying) wake() { close(c.work) }

// serve opens a connection for p and sends what waits in the lane, until nothing
// does for some time.
func (n *lane) serve(p *parcel) {
	defer n.leave()
	s, v := n.connect(p)
	if !n.opened(p, v) {
		return
	}
	defer s.close()
	c := &carrying{n: n, s: s, began: time.Now()}
	for first := p; c.next(first); first = nil {
	}
}

// connect opens a connection for p, up to where it can take a message.
func (n *lane) connect(p *parcel) (*session, verdict) {
	s, v := p.d.open(p.relay, p.port)
	if v != (verdict{}) {
		return nil, v
	}
	v, err := s.hello(p.d.helo)
	switch {
	case err != nil:
		v = s.died()
	case v == (verdict{}):
		return s, v
	default:
		s.quit()
	}
	s.close()
	return nil, v
}

// opened notes that a connection was opened for p, or could not be. The latter
// is the fate of everybody who waits, as all want to get to the same place,
// unless there are other connections.
func (n *lane) opened(p *parcel, v verdict) (ok bool) {
	n.all.mu.Lock()
	defer n.all.mu.Unlock()
	n.opening--
	n.forget(p)
	if v == (verdict{}) {
		return true
	}
	all := n.conns-n.opening <= 1
	n.full = time.Now().Add(laneWait)
	rest := n.waiting[:0]
	for _, o := range n.waiting {
		if all || o == p && p.fresh {
			o.tell(v)
		} else {
			rest = append(rest, o)
		}
	}
	clear(n.waiting[len(rest):])
	n.waiting = rest
	return false
}

// next sends one message, that of first if it still waits, or waits for one. It
// returns false when the connection is not to be used any more.
func (c *carrying) next(first *parcel) bool {
	n := c.n
	n.all.mu.Lock()
	batch := n.take(first)
	if len(batch) == 0 {
		return c.wait() // unlocks
	}
	n.sending = append(n.sending, batch[0])
	n.all.mu.Unlock()
	keep := c.send(batch)
	n.all.mu.Lock()
	n.forget(batch[0])
	n.all.mu.Unlock()
	c.messages++
	if keep && (c.messages >= connMessages || time.Since(c.began) >= connAge) {
		c.s.quit()
		keep = false
	}
	return keep
}

// wait waits for work. The lock is held, and given back.
func (c *carrying) wait() bool {
	n := c.n
	if n.all.done {
		n.all.mu.Unlock()
		c.s.quit()
		return false
	}
	c.work = make(chan struct{})
	n.idle = append(n.idle, c)
	n.all.mu.Unlock()
	t := time.NewTimer(connIdle)
	defer t.Stop()
	select {
	case <-c.work:
		return true
	case <-t.C:
	}
	n.all.mu.Lock()
	defer n.all.mu.Unlock()
	for i, o := range n.idle {
		if o == c {
			n.idle = append(n.idle[:i], n.idle[i+1:]...)
			c.s.quit()
			return false
		}
	}
	return !n.all.done // it was woken just now, or the lanes are closing
}

// send sends one message to the recipients of the batch, and tells each what
// became of it. keep says that the connection can take another message.
func (c *carrying) send(batch []*parcel) (keep bool) {
	s := c.s
	used := c.messages > 0
	r, err := s.command(smtp.AppendMail(nil, batch[0].d.sender))
	switch {
	case err != nil:
		c.fail(batch, used)
		return false
	case r.Code >= smtp.CodeTemporary:
		if used && r.Code < smtp.CodePermanent {
			c.again(batch) // perhaps it has had enough of this connection
		} else {
			tell(batch, refused(r, "Connected to "+s.peer+" but sender was rejected."))
		}
		s.quit()
		return false
	}
	accepted, later, ok := c.recipients(batch)
	if !ok {
		c.fail(batch, used)
		return false
	}
	c.later(later)
	if len(accepted) == 0 {
		return c.reset()
	}
	v, err := s.data(accepted[0].d.message)
	switch err {
	case nil:
		tell(accepted, v)
		return true
	case errDied:
		v = s.died()
	}
	tell(accepted, v)
	return false
}

// recipients names the recipients. Those that are refused are told; of several,
// one that is refused for now, though not the first, is sent alone later: the
// server may only not want so many at a time (RFC 5321, 4.5.3.1.10).
func (c *carrying) recipients(batch []*parcel) (accepted, later []*parcel, ok bool) {
	s := c.s
	text := s.peer + " does not like recipient."
	giveUp := verdict{failure, "Giving up on " + s.peer + ".\n"}
	for i, p := range batch {
		r, err := s.command(smtp.AppendRcpt(nil, p.d.recipients[0]))
		switch {
		case err != nil:
			return nil, nil, false
		case r.Code >= smtp.CodePermanent:
			p.d.report.add(pipe.RecipientRefused, said(text, r))
			p.tell(giveUp)
		case r.Code >= smtp.CodeTemporary && i > 0:
			p.alone = true
			later = append(later, p)
		case r.Code >= smtp.CodeTemporary:
			p.d.report.add(pipe.RecipientDeferred, said(text, r))
			p.tell(giveUp)
		default:
			p.d.report.add(pipe.RecipientAccepted, "")
			accepted = append(accepted, p)
		}
	}
	return accepted, later, true
}

// reset gives a transaction up that has no recipients.
func (c *carrying) reset() (keep bool) {
	r, err := c.s.command([]byte(smtp.CmdRset))
	if err == nil && r.Code != smtp.CodeHello {
		c.s.quit()
	}
	return err == nil && r.Code == smtp.CodeHello
}

// tell gives the verdict to all.
func tell(batch []*parcel, v verdict) {
	for _, p := range batch {
		p.tell(v)
	}
}

// again puts parcels back into the lane, for a connection of their own.
func (c *carrying) again(batch []*parcel) {
	for _, p := range batch {
		p.fresh = true
		c.n.all.submit(c.n.key, p)
	}
}

// later puts parcels back into the lane. This connection will look there next.
func (c *carrying) later(batch []*parcel) {
	c.n.all.mu.Lock()
	defer c.n.all.mu.Unlock()
	c.n.waiting = append(c.n.waiting, batch...)
}

// fail tells what became of parcels when the connection died before the message
// was sent. On one that was used before, nothing is lost but the connection.
func (c *carrying) fail(batch []*parcel, used bool) {
	for _, p := range batch {
		switch {
		case p.told:
		case used:
			p.d.report.buf = nil
			c.again([]*parcel{p})
		default:
			p.tell(c.s.died())
		}
	}
}
