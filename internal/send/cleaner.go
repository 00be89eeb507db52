package send

import (
	"sync"

	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
)

// A cleaner is the conversation with qmail-clean: one request, one answer, one
// at a time. Whoever holds its lock knows that no file of todo/ or mess/ goes
// away meanwhile, and so that no message number is used anew.
type cleaner struct {
	sync.Mutex
	request, reply sys.FD
	isLost         bool
	lost           func() // called once when qmail-clean is gone
}

// ask sends a request and waits for the answer; the caller holds the lock. done
// means that the files are gone; isLost that qmail-clean is, and nobody knows.
func (c *cleaner) ask(r pipe.CleanRequest) (done bool) {
	if c.isLost {
		return false
	}
	var answer [1]byte
	_, err := c.request.Write(r.Append(nil))
	if err == nil {
		_, err = c.reply.Read(answer[:])
	}
	if err != nil {
		c.isLost = true
		c.lost()
		return false
	}
	return pipe.CleanReply(answer[0]) == pipe.CleanDone
}

// removeTodo has todo/ID removed, which makes the preprocessed files count.
func (s *server) removeTodo(id queue.ID) bool {
	s.clean.Lock()
	defer s.clean.Unlock()
	return s.askClean(pipe.CleanRequest{Todo: true, ID: id})
}

// askClean asks and warns when the answer is not "done". The caller holds the
// cleaner's lock.
func (s *server) askClean(r pipe.CleanRequest) bool {
	done := s.clean.ask(r)
	if !done && !s.clean.isLost {
		s.log.notice(sendlog.CannotClean, r.String())
	}
	return done
}

// cleanGone says that qmail-clean is gone: qmail-send leaves.
type cleanGone struct{}

func (cleanGone) apply(s *server) {
	s.lostClean = true
	s.leave()
}
