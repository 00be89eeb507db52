package send

import (
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
)

// A job is a message on a channel that is being worked on: from the moment its
// recipient file is opened until the last thing begun for it has ended.
type job struct {
	id      queue.ID
	c       *channel
	sender  string     // as in info/: a VERP mark is not expanded
	retry   int64      // when the next attempt is due
	dying   bool       // older than queuelifetime: what is deferred has failed
	open    int        // recipients met that are not done
	atEnd   bool       // all recipients were met
	active  int        // the pass, if it is on this job, and deliveries; they take a job slot
	waiting int        // failures whose text is being stored; they take none
	alarms  int        // server.alarms when active became 0
	transit *passenger // in transit: there are no files yet; nil otherwise

	birth   int64 // of the message
	lags    int   // destinations in whose line it waits
	isTimed bool  // in destinations.parked
	over    bool  // the line or the schedule has the message now
}

// skip is how much later than at once a channel tries again, in the terms of
// the retry schedule.
var skip = [queue.Channels]int64{queue.ChanLocal: 10, queue.ChanRemote: 20}

// nextAttempt is when to try again what is tried now and was born at birth: the
// square root of the age grows by skip with each attempt, so that attempts get
// rarer as the message grows old. Spec: spec/send.md section 6.
func nextAttempt(c queue.Channel, birth, now int64) int64 {
	var n int64
	if now > birth {
		n = squareRoot(now - birth)
	}
	n += skip[c]
	return birth + n*n
}

// isDying tells whether this attempt is the last.
func isDying(birth, lifetime, now int64) bool { return now-lifetime > birth }

// maxAge bounds times, about 35 million years either way, so that no time in a
// file's inode can make the schedule overflow.
const maxAge = 1 << 50

// squareRoot is the integer part of the square root of x, or of maxAge if x is
// larger.
func squareRoot(x int64) int64 {
	x = min(x, maxAge)
	var n int64
	for bit := int64(1) << 25; bit > 0; bit >>= 1 {
		if (n+bit)*(n+bit) <= x {
			n += bit
		}
	}
	return n
}

// openJob makes a job for a pass. The caller knows that a slot is free.
func (s *server) openJob(id queue.ID, c *channel, sender string, birth, now int64) *job {
	s.jobs++
	birth = min(max(birth, -maxAge), maxAge)
	return &job{
		id: id, c: c, sender: sender, active: 1, birth: birth,
		retry: nextAttempt(c.which, birth, now), dying: isDying(birth, s.set.lifetime, now),
	}
}

// release drops the pass's or a delivery's hold on a job.
func (s *server) release(j *job) {
	if j.active--; j.active == 0 {
		s.jobs--
		j.alarms = s.alarms
	}
	s.closeJob(j)
}

// closeJob ends a job that nothing holds any more. If all recipients are done
// the channel's file goes, and if it was the last one the message is done;
// otherwise the message waits for its next attempt.
//
//	J1: local/N has only D marks   a crash here: the next pass finds the end at once
//	J2: local/N unlinked           a crash here: found at start, by its info file
func (s *server) closeJob(j *job) {
	if j.active > 0 || j.waiting > 0 || s.staysInLine(j) {
		return
	}
	if !j.atEnd || j.open > 0 {
		at := s.soon(j.retry, s.clock())
		if j.alarms != s.alarms {
			// ALRM came when all was reported, as the log has told, and only the
			// disk was waited for.
			at = s.clock()
		}
		j.c.due.push(entry{at, j.id})
		return
	}
	path := j.c.which.Kind().Path(j.id)
	if err := s.queue.Unlink(path); err != nil {
		s.log.notice(sendlog.CannotUnlinkLater, path)
		j.c.due.push(entry{s.clock() + sleepSysfail, j.id})
		return
	}
	for _, o := range s.channels {
		if o == j.c {
			continue
		}
		path := o.which.Kind().Path(j.id)
		ok, err := s.exists(path)
		if err != nil {
			// Whether the other channel is done is looked at again by finish.
			s.log.notice(sendlog.CannotStat, path)
		} else if ok {
			return
		}
	}
	s.done.push(entry{s.clock(), j.id})
}

// keepTimes notes, when qmail-send leaves, the next attempt of each waiting
// message in the mtime of its channel file, where the next qmail-send finds it.
func (s *server) keepTimes() {
	for _, c := range s.channels {
		s.keepTimesInLine(c)
		for _, e := range c.due {
			path := c.which.Kind().Path(e.id)
			if s.queue.Chtimes(path, e.time, e.time) != nil {
				s.log.notice(sendlog.CannotUtime, path)
			}
		}
	}
}
