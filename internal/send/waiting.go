package send

import (
	"io"
	"math"

	"goqmail/internal/address"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
)

// A pass that meets a recipient whose destination has no room leaves it, and all that
// follow for the same destination, to the line there (see destinations.go), and goes
// on with the next. When there is room the first in the line is served: its file is
// read on from where it was left, for one recipient of this destination. So a file
// is read once for the message, and once more for each destination that it waits for,
// however many recipients there are.
//
// A message that waits for one destination and nothing else has no job; it is taken
// up as if it was due. One that has begun something else keeps its job until all of
// it has ended, or the next attempt is due, which begins with the whole file. What a
// job waits for has no influence on the marks in the file, and so none on what a
// crash leaves.

// lagsMax is how many waits may have a job. Those that are too many follow the
// retry schedule, as if they had been deferred.
const lagsMax = 50000

// A parked is a job that waits for nothing but destinations, and when its time is
// over. It may have gone on since.
type parked struct {
	time int64
	job  *job
}

func (p parked) before(o parked) bool { return p.time < o.time }

// serve is one step of a channel: that of a message that waits for its destination,
// or that of any other. Both have the first turn in turn.
func (s *server) serve(c *channel, now int64) (worked bool) {
	if c.dests == nil {
		return s.step(c, now)
	}
	c.dests.isTurn = !c.dests.isTurn
	if c.dests.isTurn {
		return s.startWaiting(c, now) || s.step(c, now)
	}
	return s.step(c, now) || s.startWaiting(c, now)
}

// mustWait tells whether a recipient that is in no file yet has to wait.
func (s *server) mustWait(c *channel, rcpt string, now int64) bool {
	return c.dests.of(rcpt).mustWait(now, false)
}

// leaveToLine tells whether a pass leaves the recipient that it has met.
func (s *server) leaveToLine(p *pass, rcpt string, at int64) bool {
	j, ds := p.job, p.job.c.dests
	d := ds.of(rcpt)
	switch {
	case d != nil && p.number != 0 && d.behind == p.number:
		return true // as an earlier one
	case d == nil || !d.mustWait(s.clock(), j.dying):
		s.keepPlace(p)
		return false
	case ds.jobs-ds.stale >= lagsMax:
		s.keepPlace(p)
		j.open++
		return true
	}
	if p.number == 0 {
		ds.passes++
		p.number = ds.passes
	}
	d.behind = p.number
	if j.open == 0 && j.lags == 0 && p.only == nil {
		p.only, p.onlyAt = d, at
		d.isKept, d.idle = true, 0
		return true
	}
	s.keepPlace(p)
	s.lag(j, d, at)
	return true
}

// keepPlace puts the job of a pass into the line that it met first. That was put off
// because the message may have nothing else to wait for.
func (s *server) keepPlace(p *pass) {
	if d := p.only; d != nil {
		p.only, d.isKept = nil, false
		s.lag(p.job, d, p.onlyAt)
	}
}

// lag puts a job into a line.
func (s *server) lag(j *job, d *destination, at int64) {
	j.lags++
	j.c.dests.jobs++
	j.c.dests.join(d, wait{j.birth, j.id, at, j}, s.clock())
}

// endInLine decides, at the end of a pass, how its message waits.
func (s *server) endInLine(p *pass) {
	j := p.job
	if p.only == nil || !j.atEnd || j.active > 1 || j.waiting > 0 || j.open > 0 {
		s.keepPlace(p)
		return
	}
	j.over, p.only.isKept = true, false
	j.c.dests.join(p.only, wait{j.birth, j.id, p.onlyAt, nil}, s.clock())
}

// endAt tells a destination of the end of a delivery.
func (s *server) endAt(d *delivery, letter byte) {
	if d.dest == nil {
		return
	}
	switch d.job.c.dests.end(d.dest, d.number, letter, s.clock()) {
	case isHeld:
		s.log.put(sendlog.Held(nil, d.dest.domain, d.dest.hold))
	case isReleased:
		s.logReleased([]string{d.dest.domain})
	}
}

// logReleased says which destinations are not held any more.
func (s *server) logReleased(domains []string) {
	for _, domain := range domains {
		s.log.put(sendlog.Released(nil, domain))
	}
}

// startWaiting serves the first in the line of a destination that has room.
func (s *server) startWaiting(c *channel, now int64) (worked bool) {
	ds := c.dests
	ds.wake(now)
	for p, ok := ds.parked.min(); ok && p.time <= now; p, ok = ds.parked.min() {
		ds.parked.pop()
		s.wakeParked(p.job)
		worked = true
	}
	if !s.mayStart(c) || s.jobs >= s.jobsMax {
		return worked
	}
	d := ds.next(now)
	if d == nil {
		return worked
	}
	w := d.line.pop()
	if w.job == nil {
		if w.job = s.takeUp(c, w.id, now); w.job == nil {
			c.due.push(entry{now + sleepSysfail, w.id})
			ds.look(d, now)
			return true
		}
	} else {
		if w.job.active == 0 {
			s.jobs++
		}
		w.job.active++
	}
	if at, more := s.startFrom(d, w); more {
		if at != w.at {
			w.since = now // the others have their turn
		}
		w.at = at
		d.line.push(w)
	} else {
		w.job.lags--
		ds.jobs--
	}
	ds.look(d, now)
	s.release(w.job)
	return true
}

// takeUp makes the job of a message that waited without.
func (s *server) takeUp(c *channel, id queue.ID, now int64) *job {
	sender, birth, err := s.readInfo(id)
	if err != nil {
		s.log.notice(infoNotice(err, sendlog.TroubleOpening), queue.Info.Path(id))
		return nil
	}
	j := s.openJob(id, c, sender, s.reborn(birth, now), now)
	j.atEnd, j.lags = true, 1
	c.dests.jobs++
	return j
}

// startFrom starts the delivery for a destination's next recipient in a message. It
// returns where the one after that is, or how far it has looked; more is false when
// the message has none, or the pass has caught up, which goes on with them.
func (s *server) startFrom(d *destination, w wait) (next int64, more bool) {
	j := w.job
	path := j.c.which.Kind().Path(j.id)
	fd, err := s.open(path)
	if err != nil {
		s.log.notice(sendlog.TroubleOpening, path)
		j.open++ // those that are left wait for the next attempt
		return 0, false
	}
	defer func() { _ = fd.Close() }() // read only
	end := int64(math.MaxInt64)
	if p := j.c.pass; p != nil && p.job == j {
		end = p.file.offset
	}
	isStarted := false
	file := newRecordsFrom(fd, w.at)
	for range doneAtOnce {
		rec, at, err := file.next()
		switch {
		case at >= end:
			d.behind = 0
			return 0, false
		case err == io.EOF:
			return 0, false
		case err != nil:
			s.log.notice(sendlog.TroubleReadLater, path)
			j.open++
			return 0, false
		case rec.Letter == queue.LetterRecipient:
			if _, domain, _ := address.SplitLast(rec.Text); !address.EqualFold(domain, d.domain) {
				continue
			}
			if isStarted {
				return at, true
			}
			isStarted = true
			j.open++
			s.start(j, rec.Text, at)
		case rec.Letter != queue.LetterDone:
			s.log.notice(sendlog.UnknownRecord, path)
			j.open++
			return 0, false
		}
	}
	return file.offset, true
}

// staysInLine tells whether a job that nothing holds any more goes on, because it
// waits for a destination. When its next attempt is due, it does not: that begins
// with the whole file.
func (s *server) staysInLine(j *job) bool {
	if j.over {
		return true
	}
	if j.lags == 0 {
		j.over = true
		if j.isTimed {
			j.c.dests.ended++
			j.c.dests.sweepParked()
		}
		return false
	}
	ds, now := j.c.dests, s.clock()
	if now < j.retry && j.alarms == s.alarms {
		if !j.isTimed {
			j.isTimed = true
			ds.parked.push(parked{j.retry, j})
		}
		return true
	}
	if j.isTimed {
		ds.ended++
	}
	ds.stale += j.lags
	j.lags, j.over = 0, true
	j.open++ // those that were not met; the file stays
	ds.sweep(now)
	return false
}

// lift obeys SIGALRM: nothing is held, and jobs that only wait are due.
func (s *server) lift(c *channel, now int64) {
	if c.dests == nil {
		return
	}
	s.logReleased(c.dests.lift(now))
	all := c.dests.parked
	c.dests.parked = nil
	for _, p := range all {
		s.wakeParked(p.job)
	}
}

// wakeParked looks at a job that is no longer in parked, and gives its message back
// to the schedule if it still only waits.
func (s *server) wakeParked(j *job) {
	j.isTimed = false
	if j.over {
		j.c.dests.ended--
		return
	}
	s.closeJob(j)
}

// sweepParked takes the jobs that have ended out when they have become many.
func (ds *destinations) sweepParked() {
	if ds.ended < sweepAfter || ds.ended < len(ds.parked)/2 {
		return
	}
	old := ds.parked
	ds.parked, ds.ended = nil, 0
	for _, p := range old {
		if !p.job.over {
			ds.parked.push(p)
		}
	}
}

// setDomainLimits obeys SIGHUP. Deliveries that run count from now on.
func (s *server) setDomainLimits(limits domainLimits) {
	c := s.channels[queue.ChanRemote]
	s.logReleased(c.dests.setLimits(limits, s.clock()))
	for i := range c.slots {
		d := &c.slots[i]
		if d.job != nil && d.dest == nil {
			d.dest = c.dests.begin(d.rcpt, d.number, s.clock())
		}
	}
}

// againInLine notes all times anew, because the clock was set back.
func (s *server) againInLine(c *channel, now int64) {
	if c.dests == nil {
		return
	}
	c.dests.again(now)
	old := c.dests.parked
	c.dests.parked = nil
	for _, p := range old {
		p.job.retry = s.soon(p.job.retry, now)
		c.dests.parked.push(parked{p.job.retry, p.job})
	}
}

// keepTimesInLine is keepTimes for messages without a job: their next attempt is due.
// For others nothing is noted, as for those that a pass had just opened.
func (s *server) keepTimesInLine(c *channel) {
	if c.dests == nil {
		return
	}
	for _, d := range c.dests.all {
		for _, w := range d.line {
			if w.job != nil {
				continue
			}
			path := c.which.Kind().Path(w.id)
			if now := s.clock(); s.queue.Chtimes(path, now, now) != nil {
				s.log.notice(sendlog.CannotUtime, path)
			}
		}
	}
}

// nextTime is when a destination or a job that waits has to be looked at.
func (ds *destinations) nextTime() int64 {
	next := int64(math.MaxInt64)
	if ds == nil {
		return next
	}
	if a, ok := ds.alarms.min(); ok {
		next = a.time
	}
	if p, ok := ds.parked.min(); ok {
		next = min(next, p.time)
	}
	return next
}
