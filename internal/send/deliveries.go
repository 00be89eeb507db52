package send

import (
	"goqmail/internal/address"
	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
)

// A delivery is one recipient in the hands of a spawner. The zero delivery is a
// free slot.
type delivery struct {
	job    *job
	number uint64 // as in the log, from 1
	rcpt   string // as in the channel file
	at     int64  // offset of the recipient's record
	dest   *destination
}

// tooOld is added to the report of the last attempt.
const tooOld = "I'm not going to try again; this message has been in the queue too long.\n"

// start hands a recipient to the spawner. The caller knows that a slot is free
// and no command is waiting to be written.
func (s *server) start(j *job, rcpt string, at int64) {
	c := j.c
	n := c.free.pop()
	s.delivered++
	j.active++
	c.running++
	c.slots[n] = delivery{j, s.delivered, rcpt, at, c.dests.begin(rcpt, s.delivered, s.clock())}
	s.log.put(sendlog.Starting(nil, s.delivered, j.id, c.which, rcpt))
	s.logStatus()
	command := pipe.DeliveryCommand{
		Delnum: uint32(n), Mess: j.id.Split(), Sender: address.VERP(j.sender, rcpt), Recipient: rcpt,
	}
	if c.wide {
		c.command = command.AppendWide(c.command[:0])
	} else {
		c.command = command.Append(c.command[:0])
	}
	c.writing = true
	c.commands <- c.command
}

// logStatus logs how many deliveries run.
func (s *server) logStatus() {
	var u [queue.Channels]sendlog.Use
	for i, c := range s.channels {
		u[i] = sendlog.Use{Used: c.running, Max: c.limit}
	}
	s.log.put(sendlog.Status(nil, u[queue.ChanLocal], u[queue.ChanRemote], s.exiting))
}

// report takes a spawner's word on a delivery. The bytes may be anything.
func (s *server) report(c *channel, r pipe.Report) {
	if uint64(r.Delnum) >= uint64(len(c.slots)) || c.slots[r.Delnum].job == nil {
		s.log.notice(sendlog.ReportOutOfRange, "")
		return
	}
	d := &c.slots[r.Delnum]
	j := d.job
	if !s.settled(j, r) {
		return
	}
	s.endAt(d, r.Letter)
	if r.Letter == pipe.Deferral && j.dying {
		r.Letter, r.Text = pipe.Failure, r.Text+tooOld
	}
	switch r.Letter {
	case pipe.Success:
		s.log.put(sendlog.Delivery(nil, d.number, sendlog.Success, r.Text))
		if j.transit != nil {
			s.depart(j.transit)
		} else {
			s.markDone(j, d.at)
		}
	case pipe.Deferral:
		s.log.put(sendlog.Delivery(nil, d.number, sendlog.Deferral, r.Text))
	case pipe.Failure:
		s.log.put(sendlog.Delivery(nil, d.number, sendlog.Failure, r.Text))
		if j.transit == nil {
			s.fail(j, d.at, paragraph(s.routes.Load().original(d.rcpt), r.Text))
		}
	default:
		s.log.put(sendlog.Mangled(nil, d.number))
	}
	c.release(int(r.Delnum))
	s.release(j)
	s.logStatus()
}

// markDone writes D over a recipient's T. It is not flushed: after a loss of
// power the recipient may get the message again, which is better than never.
func (s *server) markDone(j *job, at int64) {
	j.open--
	path := j.c.which.Kind().Path(j.id)
	fd, err := s.queue.Open(path, sys.WriteOnly|sys.NonBlock, 0)
	if err == nil {
		_, err = fd.WriteAt([]byte{queue.LetterDone}, at)
		if cerr := fd.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		s.log.notice(sendlog.TroubleMarking, path)
	}
}
