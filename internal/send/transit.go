package send

import (
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
)

// Most messages have one recipient, and its delivery succeeds at once. They are
// delivered out of todo/: the envelope stays in memory, and no file is made in
// info/, local/ or remote/. What is on disk meanwhile:
//
//	S4: mess/N intd/N todo/N    until the recipient is done; a crash here, and the
//	                            next qmail-send begins with the message anew
//	L1: mess/N todo/N           qmail-clean removed intd/N: as S4
//	L2: mess/N                  and todo/N: the recipient is done; what a crash here
//	                            leaves is removed when it is 36 hours old
//	L2 flushed: todo/N cannot come back when mess/N has gone
//	L3: nothing
//
// A crash between the report and L2 has the recipient get the message twice, as
// one between the report and the mark in local/N does otherwise. That is why it
// is messages with one recipient: others who got it already are spared.
//
// A message gets its files after all, and goes the usual way from then on, if the
// delivery does not succeed, if it takes longer than transitTime, if none can be
// started for so long, or if qmail-send is to leave. Bounces have them at once, as
// many of them go where nobody is; and all messages with control/classic.

const (
	// transitMax is how many messages may wait for a delivery in memory, for each
	// channel; the others stay in todo/.
	transitMax = 500
	// roomMark is how few have to wait before todo/ is scanned again.
	roomMark = 40
	// transitTime is how long a message is in transit without any news.
	transitTime = time.Second
	// transitBatch is how many messages are removed, or get files, together.
	transitBatch = 64
	// transitEnvelope is the size of an envelope, in bytes, that is too long.
	transitEnvelope = 4096
)

// A passenger is a message in transit.
type passenger struct {
	id     queue.ID
	to     queue.Channel
	sender string
	rcpt   string
	since  time.Time // when its present stage began
	job    *job      // nil while it waits for a delivery

	making   bool         // its files are being made, or will be at once, or never
	touched  bool         // some may be there
	held     *pipe.Report // waits for them; nil: none came yet
	homeless bool         // the files could not be made, and the message is left where it is
}

// apply takes a message from the goroutine that scans todo/.
func (p *passenger) apply(s *server) {
	c := s.channels[p.to]
	c.fresh = append(c.fresh, p)
}

// startFresh starts the delivery of a message in transit. After each, a recipient
// of another message has its turn.
func (s *server) startFresh(c *channel, now int64) bool {
	if len(c.fresh) == 0 || !s.mayStart(c) || s.jobs >= s.jobsMax {
		return false
	}
	if c.wasFresh {
		if e, ok := c.due.min(); c.pass != nil || ok && e.time <= now {
			c.wasFresh = false
			return false
		}
	}
	c.wasFresh = true
	p := c.fresh[0]
	if c.fresh = c.fresh[1:]; len(c.fresh) == 0 {
		c.fresh = nil
	}
	s.transit.started(c.which)
	if s.mustWait(c, p.rcpt, now) {
		s.land(p) // it waits as one with files
		return true
	}
	c.lastFresh = time.Now()
	p.since = c.lastFresh
	p.job = s.openJob(p.id, c, p.sender, now, now) // active for the transit, besides the delivery
	p.job.transit, p.job.open, p.job.atEnd = p, 1, true
	s.passing = append(s.passing, p)
	s.start(p.job, p.rcpt, 0)
	return true
}

// settled tells whether a report can take effect now. Other than a success, it needs
// the files of a message, which are made first if it is in transit.
func (s *server) settled(j *job, r pipe.Report) bool {
	p := j.transit
	if p == nil || r.Letter == pipe.Success && !p.making || p.homeless {
		return true
	}
	p.held = &r
	s.land(p)
	return false
}

// depart has a message removed whose recipient is done. Its job ends here; no
// file of it has to be looked at.
func (s *server) depart(p *passenger) {
	s.jobs--
	p.making = true
	s.departing = append(s.departing, departure{p.id, p.touched})
}

// land has the files of a message in transit made.
func (s *server) land(p *passenger) {
	if !p.making {
		p.making = true
		s.toLand = append(s.toLand, p)
	}
}

// turnTransit gives messages files that have been in transit for too long, and
// starts what waits to be done for others.
func (s *server) turnTransit(now int64) {
	if s.transit == nil {
		return
	}
	for _, c := range s.channels {
		if len(c.fresh) > 0 && s.untilStuck(c) <= 0 && !s.exiting {
			for _, p := range c.fresh {
				s.transit.started(c.which)
				s.land(p)
			}
			c.fresh = nil
		}
	}
	// Those on their way when qmail-send leaves get files now: their deliveries may
	// take long, or be lost with their spawner.
	for len(s.passing) > 0 && (s.exiting || s.passing[0].making || s.untilLanding(s.passing[0]) <= 0) {
		s.land(s.passing[0])
		if s.passing = s.passing[1:]; len(s.passing) == 0 {
			s.passing = nil
		}
	}
	if e, ok := s.stranded.min(); ok && e.time <= now && !s.lostClean {
		s.stranded.pop()
		s.departing = append(s.departing, departure{e.id, true})
	}
	if n := min(len(s.departing), transitBatch); n > 0 && !s.isDeparting {
		s.isDeparting = true
		all := s.departing[:n:n]
		s.departing = s.departing[n:]
		go func() { s.post(departed{s.removeAll(all)}) }()
	}
	if n := min(len(s.toLand), transitBatch); n > 0 && !s.isLanding {
		s.isLanding = true
		all := s.toLand[:n:n]
		s.toLand = s.toLand[n:]
		go func() { s.post(landed{all, s.makeFiles(all)}) }()
	}
}

// untilStuck is how long it takes until those that wait are given files, unless a
// delivery starts.
func (s *server) untilStuck(c *channel) time.Duration {
	since := c.fresh[0].since
	if c.lastFresh.After(since) {
		since = c.lastFresh
	}
	return s.transitTime - time.Since(since)
}

// untilLanding is how long it takes until a message that is being delivered is given
// files.
func (s *server) untilLanding(p *passenger) time.Duration { return s.transitTime - time.Since(p.since) }

// nextTransit is how long loop may sleep, at most max.
func (s *server) nextTransit(max time.Duration) time.Duration {
	if s.exiting {
		return max
	}
	for _, c := range s.channels {
		if len(c.fresh) > 0 {
			max = min(max, s.untilStuck(c))
		}
	}
	if len(s.passing) > 0 {
		max = min(max, s.untilLanding(s.passing[0]))
	}
	return max
}

// A departure is a message whose recipient is done.
type departure struct {
	id      queue.ID
	touched bool // there may be files that are worth nothing, and would outlive todo/N
}

// removeAll removes messages whose recipients are done. Those that it returns
// are still in todo/.
//
// The cleaner's lock is held from L2 to L3, so that the clean-up of mess/ does not
// ask for a number that is new by then.
func (s *server) removeAll(all []departure) (stranded []queue.ID) {
	s.clean.Lock()
	defer s.clean.Unlock()
	var requests, foops []pipe.CleanRequest
	for _, d := range all {
		if d.touched && !s.clear(&incoming{id: d.id}) {
			stranded = append(stranded, d.id)
			continue
		}
		requests = append(requests, pipe.CleanRequest{Todo: true, ID: d.id})
	}
	for i, done := range s.askCleanAll(requests) {
		if id := requests[i].ID; done {
			foops = append(foops, pipe.CleanRequest{ID: id})
		} else {
			stranded = append(stranded, id)
		}
	}
	if len(foops) == 0 {
		return stranded
	}
	s.flushTodo()
	for _, r := range foops {
		s.log.put(sendlog.End(nil, r.ID))
		s.transit.leave(r.ID) // mess/N keeps the number taken
	}
	s.askCleanAll(foops) // what fails is removed by the 36-hour rule
	return stranded
}

// departed is the end of removeAll.
type departed struct{ stranded []queue.ID }

func (e departed) apply(s *server) {
	s.isDeparting = false
	for _, id := range e.stranded {
		s.stranded.push(entry{s.clock() + sleepSysfail, id})
	}
}

// makeFiles preprocesses messages in transit. It tells for which it succeeded; the
// others are in todo/ as before.
func (s *server) makeFiles(all []*passenger) (made map[queue.ID]bool) {
	var batch []*incoming
	for _, p := range all {
		in := &incoming{id: p.id, todo: -1}
		if s.clear(in) && s.write(in, p) {
			batch = append(batch, in)
		} else {
			in.close()
		}
	}
	made = map[queue.ID]bool{}
	for _, in := range s.enact(s.flush(batch)) {
		made[in.id] = true
	}
	for _, in := range batch {
		in.close()
	}
	return made
}

// write makes the two files of a message in transit.
func (s *server) write(in *incoming, p *passenger) bool {
	if in.info = s.create(queue.Info, in.id); in.info == nil {
		return false
	}
	in.info.add(queue.Record{Letter: queue.LetterSender, Text: p.sender})
	o := s.create(p.to.Kind(), in.id)
	if o == nil {
		return false
	}
	in.rcpt[p.to] = o
	o.add(queue.Record{Letter: queue.LetterRecipient, Text: p.rcpt})
	return true
}

// landed is the end of makeFiles.
type landed struct {
	all  []*passenger
	made map[queue.ID]bool
}

func (e landed) apply(s *server) {
	s.isLanding = false
	for _, p := range e.all {
		if e.made[p.id] {
			s.arrive(p)
		} else {
			s.strand(p)
		}
	}
}

// arrive ends the transit of a message that has its files.
func (s *server) arrive(p *passenger) {
	s.transit.leave(p.id)
	j := p.job
	if j == nil {
		s.channels[p.to].due.push(entry{s.clock(), p.id})
		return
	}
	j.transit = nil
	if p.held != nil {
		s.report(j.c, *p.held)
	}
	s.release(j)
}

// strand goes on with a message whose files could not be made. If its recipient
// is done all is well; if the delivery failed, or was not begun, the next scan of
// todo/ finds the message; if it still runs, that shows later.
func (s *server) strand(p *passenger) {
	p.making, p.touched = false, true
	switch {
	case p.job == nil:
		s.transit.leave(p.id)
	case p.held == nil && s.exiting: // the report decides
	case p.held == nil:
		p.since = time.Now().Add(s.pauseTime)
		s.passing = append(s.passing, p)
	case p.held.Letter == pipe.Success:
		s.report(p.job.c, *p.held)
	default:
		p.homeless = true
		s.report(p.job.c, *p.held)
		s.jobs--
		s.transit.leave(p.id)
	}
}
