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
	enough   bool          // a recipient was deferred
	work     chan struct{} // something waits for it
}

// wake ends the connection's idleness. The lane has taken it out of idle.
func (c *carrying) wake() { close(c.work) }

// serve opens a connection for p and sends what waits in the lane, until nothing
// does for some time.
func (n *lane) serve(p *parcel) {
	c := &carrying{n: n}
	v := safely(func() (v verdict) {
		c.s, v = n.connect(p)
		return v
	})
	if !n.opened(p, v) {
		return
	}
	defer n.leave()
	defer c.s.close()
	c.began = time.Now()
	for first := p; c.next(first); first = nil {
	}
}

// connect opens a connection for p, up to where it can take a message.
func (n *lane) connect(p *parcel) (*session, verdict) {
	d := *p.d // another connection may be opened for p
	if d.table != nil {
		d.timeouts = d.table()
	}
	s, v := d.open(p.relay, p.port)
	if v != (verdict{}) {
		return nil, v
	}
	v, err := s.hello(d.helo)
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
// unless others are there or on their way; then it is that of p and its company
// if they want no other.
func (n *lane) opened(p *parcel, v verdict) (ok bool) {
	n.all.mu.Lock()
	defer n.all.mu.Unlock()
	n.opening--
	n.forget(p)
	if v == (verdict{}) {
		return true
	}
	n.conns--
	n.full = time.Now().Add(laneWait)
	rest := n.waiting[:0]
	for _, o := range n.waiting {
		if n.conns == 0 || o == p && (p.fresh || p.urgent) || o.fresh && o.with(p) {
			o.tell(v)
		} else {
			rest = append(rest, o)
		}
	}
	clear(n.waiting[len(rest):])
	n.waiting = rest
	n.tidy()
	return false
}

// next sends one message, that of first if it still waits, or waits for one. It
// returns false when the connection is not to be used any more.
func (c *carrying) next(first *parcel) (keep bool) {
	n := c.n
	n.all.mu.Lock()
	batch := n.take(first, c.messages > 0)
	if len(batch) == 0 {
		return c.wait() // unlocks
	}
	n.sending = append(n.sending, batch[0])
	n.all.mu.Unlock()
	var back []retry
	if v := safely(func() verdict { keep, back = c.send(batch); return verdict{} }); v != (verdict{}) {
		tell(batch, v)
		keep, back = false, nil
	}
	n.all.mu.Lock()
	n.forget(batch[0])
	n.all.mu.Unlock()
	n.again(back)
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
// became of it, but for those that it gives back: they are to be tried again.
// keep says that the connection can take another message.
//
// A server may refuse what it would take elsewhere, because it has had enough of
// this connection, or does not want so many recipients at a time (RFC 5321,
// 4.5.3.1.10). So a message that comes second to a connection is refused only
// after a fresh one, and a recipient among others only after it was alone: what
// bounces here would have bounced from a connection of its own.
func (c *carrying) send(batch []*parcel) (keep bool, back []retry) {
	s := c.s
	s.used = c.messages > 0
	if s.used && !s.silent() {
		s.quit()
		return false, anew(batch)
	}
	r, err := s.command(smtp.AppendMail(nil, batch[0].d.sender))
	if err == nil && !s.inStep(r, smtp.CodeHello) {
		err = errDied
	}
	switch {
	case err == nil && r.Code < smtp.CodeTemporary:
	case s.used:
		s.quit()
		return false, anew(batch)
	case err != nil:
		tell(batch, s.died())
		return false, nil
	default:
		tell(batch, refused(r, "Connected to "+s.peer+" but sender was rejected."))
		s.quit()
		return false, nil
	}
	accepted, back, err := c.recipients(batch)
	if err != nil {
		return false, append(back, c.fail(accepted, len(batch) > 1)...)
	}
	if len(accepted) == 0 {
		return c.reset(), back
	}
	keep, more := c.data(accepted)
	return keep, append(back, more...)
}

// data sends the message to those who were accepted.
func (c *carrying) data(accepted []*parcel) (keep bool, back []retry) {
	s := c.s
	v, err := s.data(accepted[0].d.message)
	switch {
	case err == errDied && !s.critical:
		return false, c.fail(accepted, len(accepted) > 1)
	case err == errDied:
		tell(accepted, s.died())
		return false, nil
	case err != nil:
		tell(accepted, v)
		return false, nil
	}
	keep = v.letter == success || c.reset()
	if v.letter != success && len(accepted) > 1 {
		return keep, alone(accepted)
	}
	if v.letter == failure && s.used && !s.sent {
		return keep, anew(accepted)
	}
	tell(accepted, v)
	return keep, nil
}

// recipients names the recipients. Of several, those that are refused come back,
// but for deferrals before anybody was accepted, which are what they seem. On an
// error accepted are all whose fate is not known.
func (c *carrying) recipients(batch []*parcel) (accepted []*parcel, back []retry, err error) {
	s := c.s
	text := s.peer + " does not like recipient."
	giveUp := verdict{failure, "Giving up on " + s.peer + ".\n"}
	for i, p := range batch {
		r, err := s.command(smtp.AppendRcpt(nil, p.d.recipients[0]))
		if err != nil || !s.inStep(r, smtp.CodeHello) {
			return append(accepted, batch[i:]...), back, errDied
		}
		switch {
		case r.Code < smtp.CodeTemporary:
			p.d.report.add(pipe.RecipientAccepted, "")
			accepted = append(accepted, p)
		case i > 0 && (r.Code >= smtp.CodePermanent || len(accepted) > 0):
			back = append(back, alone([]*parcel{p})...)
		case r.Code >= smtp.CodePermanent && s.used:
			back = append(back, anew([]*parcel{p})...)
		case r.Code >= smtp.CodePermanent:
			p.d.report.add(pipe.RecipientRefused, said(text, r))
			p.tell(giveUp)
		default:
			p.d.report.add(pipe.RecipientDeferred, said(text, r))
			p.tell(giveUp)
			c.enough = true
		}
	}
	return accepted, back, nil
}

// fail is what becomes of parcels when the connection died before the message
// was sent. On one that was used before, or was asked for several, nothing is lost
// but the connection.
func (c *carrying) fail(batch []*parcel, several bool) (back []retry) {
	switch {
	case several:
		return alone(batch)
	case c.s.used:
		return anew(batch)
	}
	tell(batch, c.s.died())
	return nil
}

// A retry is a parcel that is to be tried again: alone, or else on a connection
// that had no message yet.
type retry struct {
	*parcel
	alone bool
}

func alone(batch []*parcel) []retry { return retries(batch, true) }
func anew(batch []*parcel) []retry  { return retries(batch, false) }

func retries(batch []*parcel, alone bool) (back []retry) {
	for _, p := range batch {
		back = append(back, retry{p, alone})
	}
	return back
}

// reset gives a transaction up that the server refused. One that defers has
// perhaps had enough of this connection, which ends then.
func (c *carrying) reset() (keep bool) {
	if c.enough {
		c.s.quit()
		return false
	}
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
