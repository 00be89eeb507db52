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

// askAll sends requests together and waits for their answers; the caller holds the
// lock. done means that the files are gone; isLost that qmail-clean is, and nobody
// knows.
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
	for i, done := range s.askCleanAll(requests) {
		if done {
			removed = append(removed, batch[i])
		}
	}
	return removed
}

// askClean asks and warns when the answer is not "done". The caller holds the
// cleaner's lock.
func (s *server) askClean(r pipe.CleanRequest) bool { return s.askCleanAll([]pipe.CleanRequest{r})[0] }

// askCleanAll is askClean for requests that are sent together.
func (s *server) askCleanAll(requests []pipe.CleanRequest) (done []bool) {
	done = s.clean.askAll(requests)
	for i, r := range requests {
		if !done[i] && !s.clean.isLost {
			s.log.notice(sendlog.CannotClean, r.String())
		}
	}
	return done
}

// cleanGone says that qmail-clean is gone: qmail-send leaves.
type cleanGone struct{}

func (cleanGone) apply(s *server) {
	s.lostClean = true
	s.leave()
}
