package send

import (
	"io"

	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
)

// A pass is the recipient file that a channel is reading; each has at most one.
type pass struct {
	job  *job
	fd   sys.FD
	path string
	file *records

	number uint64       // if it left a recipient to a line; 0: it did not
	only   *destination // as in keepPlace
	onlyAt int64
}

// doneAtOnce is how many recipients that are done already are passed over in
// one step.
const doneAtOnce = 1000

// canOpen tells whether a channel may begin with another message.
func (s *server) canOpen(c *channel) bool {
	return !s.exiting && c.isAlive && c.pass == nil && c.limit > 0 && s.jobs < s.jobsMax
}

// step is one step of a channel: at most one delivery is started. worked says
// that another step may find more to do at once.
func (s *server) step(c *channel, now int64) (worked bool) {
	if s.startFresh(c, now) {
		return true
	}
	if c.pass == nil {
		e, ok := c.due.min()
		if !ok || e.time > now || !s.canOpen(c) {
			return false
		}
		c.due.pop()
		if !s.openPass(c, e.id, now) {
			c.due.push(entry{now + sleepSysfail, e.id})
			return true
		}
	}
	if !s.mayStart(c) {
		return false
	}
	s.nextRecipient(c)
	return true
}

// mayStart tells whether a delivery can be started.
func (s *server) mayStart(c *channel) bool {
	return !s.exiting && c.isAlive && !c.writing && c.running < c.limit
}

// openPass opens a message's recipient file and its info file.
func (s *server) openPass(c *channel, id queue.ID, now int64) bool {
	path := c.which.Kind().Path(id)
	fd, err := s.open(path)
	if err != nil {
		s.log.notice(sendlog.TroubleOpening, path)
		return false
	}
	sender, birth, err := s.readInfo(id)
	if err != nil {
		_ = fd.Close() // read only
		s.log.notice(infoNotice(err, sendlog.TroubleOpening), queue.Info.Path(id))
		return false
	}
	c.pass = &pass{job: s.openJob(id, c, sender, s.reborn(birth, now), now), fd: fd, path: path, file: newRecords(fd)}
	return true
}

// infoNotice is the warning for a failure of readInfo: content that is wrong is
// trouble reading, whatever it would be for a failed system call.
func infoNotice(err error, n sendlog.Notice) sendlog.Notice {
	if err == errContent || err == errLong {
		return sendlog.TroubleReadLater
	}
	return n
}

// nextRecipient reads on in a pass and starts the delivery for the next
// recipient that is not done.
func (s *server) nextRecipient(c *channel) {
	p := c.pass
	for range doneAtOnce {
		rec, at, err := p.file.next()
		switch {
		case err == io.EOF:
			p.job.atEnd = true
			s.closePass(c)
			return
		case err != nil:
			s.log.notice(sendlog.TroubleReadLater, p.path)
			s.closePass(c)
			return
		case rec.Letter == queue.LetterRecipient:
			if s.leaveToLine(p, rec.Text, at) {
				continue
			}
			p.job.open++
			s.start(p.job, rec.Text, at)
			return
		case rec.Letter != queue.LetterDone:
			s.log.notice(sendlog.UnknownRecord, p.path)
			s.closePass(c)
			return
		}
	}
}

// closePass ends a pass. Its job goes on while deliveries run.
func (s *server) closePass(c *channel) {
	p := c.pass
	c.pass = nil
	_ = p.fd.Close() // read only
	s.endInLine(p)
	s.release(p.job)
}
