package send

import (
	"sync"

	"goqmail/internal/pipe"
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

// ended tells whether qmail-clean is gone, before it is asked for anything.
func (c *cleaner) ended() bool {
	const hangUp = 0 // is always waited for
	is, err := c.reply.Wait(hangUp, 0)
	return is || err != nil
}

// ask sends a request and waits for the answer; the caller holds the lock. done
// means that the files are gone; isLost that qmail-clean is, and nobody knows.
func (c *cleaner) ask(r pipe.CleanRequest) (done bool) {
	return c.askAll([]pipe.CleanRequest{r})[0]
}

// askAll sends requests together and waits for their answers, as ask.
func (c *cleaner) askAll(requests []pipe.CleanRequest) (done []bool) {
	done = make([]bool, len(requests))
	if c.isLost {
		return done
	}
	var b []byte
	for _, r := range requests {
		b = r.Append(b)
	}
	answers := make([]byte, len(requests))
	_, err := c.request.Write(b)
	for got := 0; err == nil && got < len(answers); {
		var n int
		n, err = c.reply.Read(answers[got:])
		got += n
	}
	if err != nil {
		c.isLost = true
		c.lost()
	}
	for i, a := range answers {
		done[i] = pipe.CleanReply(a) == pipe.CleanDone // one that did not come is 0
	}
	return done
}

// removeTodo has the todo files of messages removed, which makes the preprocessed
// files count. It returns those for which that was done.
func (s *server) removeTodo(batch []*incoming) (removed []*incoming) {
	if len(batch) == 0 {
		return nil
	}
	requests := make([]pipe.CleanRequest, len(batch))
	for i, in := range batch {
		requests[i] = pipe.CleanRequest{Todo: true, ID: in.id}
	}
	s.clean.Lock()
	defer s.clean.Unlock()
	for i, done := range s.clean.askAll(requests) {
		if done {
			removed = append(removed, batch[i])
		} else {
			s.warnClean(requests[i])
		}
	}
	return removed
}

// askClean asks and warns when the answer is not "done". The caller holds the
// cleaner's lock.
func (s *server) askClean(r pipe.CleanRequest) bool {
	done := s.clean.ask(r)
	if !done {
		s.warnClean(r)
	}
	return done
}

// warnClean warns about a request that was not done, unless qmail-clean is gone. The
// caller holds the cleaner's lock.
func (s *server) warnClean(r pipe.CleanRequest) {
	if !s.clean.isLost {
		s.log.notice(sendlog.CannotClean, r.String())
	}
}

// cleanGone says that qmail-clean is gone: qmail-send leaves.
type cleanGone struct{}

func (cleanGone) apply(s *server) {
	s.lostClean = true
	s.leave()
}
