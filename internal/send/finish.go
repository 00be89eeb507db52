package send

import (
	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
)

// Messages that are probably finished are looked at by goroutines of their own:
// injecting a bounce and asking qmail-clean both wait for other processes, and
// deliveries do not wait for them.

// canFinish tells whether another message may be looked at. An exiting
// qmail-send still ends messages, but only if qmail-clean is there.
func (s *server) canFinish() bool { return s.finishing < finishMax && s.hurryAt == 0 && !s.lostClean }

// finishNext starts with the earliest message in done, if it is due.
func (s *server) finishNext(now int64) (worked bool) {
	e, ok := s.done.min()
	if !ok || e.time > now || !s.canFinish() {
		return false
	}
	s.done.pop()
	s.finishing++
	go func() { s.post(looked{e.id, s.finish(e.id)}) }()
	return true
}

// An outcome is what finish found.
type outcome int

const (
	ended       outcome = iota // nothing is left to do
	later                      // something failed: try again later
	needsBounce                // the bounce comes first
)

// looked is the end of finish.
type looked struct {
	id  queue.ID
	got outcome
}

func (e looked) apply(s *server) {
	s.finishing--
	switch e.got {
	case later:
		s.done.push(entry{s.clock() + sleepSysfail, e.id})
	case needsBounce:
		if !s.exiting {
			s.bounces = append(s.bounces, e.id)
			s.nextBounce()
		} else if s.bouncing < bounceMax && s.canFinish() {
			s.startBounce(e.id)
		}
	}
}

// nextBounce starts to inject the bounces that wait, a few at a time. When
// qmail-send leaves, messages whose deliveries end meanwhile still get theirs,
// unless the few are at work; all others are found at the next start.
func (s *server) nextBounce() {
	for len(s.bounces) > 0 && s.bouncing < bounceMax && !s.exiting {
		id := s.bounces[0]
		if s.bounces = s.bounces[1:]; len(s.bounces) == 0 {
			s.bounces = nil
		}
		s.startBounce(id)
	}
}

// startBounce injects the bounce of one message.
func (s *server) startBounce(id queue.ID) {
	s.bouncing++
	go func() { s.post(bounced{id, s.bounce(id)}) }()
}

// bounced is the end of a bounce.
type bounced struct {
	id queue.ID
	ok bool
}

func (e bounced) apply(s *server) {
	s.bouncing--
	if !e.ok {
		s.done.push(entry{s.clock() + sleepSysfail, e.id})
	}
	s.nextBounce()
}

// finish looks whether a message is finished, and ends it if no bounce is due.
// The todo file is looked for before the channel files: preprocessing makes
// those first and removes the todo file last, so a message that is being
// preprocessed at this moment always shows.
func (s *server) finish(id queue.ID) outcome {
	for _, k := range [...]queue.Kind{queue.Todo, queue.Local, queue.Remote} {
		path := k.Path(id)
		if ok, err := s.exists(path); err != nil {
			s.log.notice(sendlog.CannotStatLater, path)
			return later
		} else if ok {
			return ended // not finished after all
		}
	}
	path := queue.Info.Path(id)
	if ok, err := s.exists(path); err != nil {
		s.log.notice(sendlog.CannotStatLater, path)
		return later
	} else if !ok {
		return ended
	}
	if _, _, err := s.readInfo(id); err != nil {
		s.log.notice(sendlog.TroubleReadLater, path)
		return later
	}
	path = queue.Bounce.Path(id)
	if ok, err := s.exists(path); err != nil {
		s.log.notice(sendlog.CannotStat, path)
		return later
	} else if ok {
		return needsBounce
	}
	if !s.end(id) {
		return later
	}
	return ended
}

// end removes a message that is finished. It reports false when that has to be
// tried again.
//
//	E1: mess/N, info/N             a crash here: found at start, ended again
//	E2: mess/N only                a crash here: removed when it is 36 hours old
//	E3: nothing                    the number may be used for a new message
//
// The cleaner's lock is held from E1 to E3, so that the clean-up of mess/ does
// not ask for a number that is new.
func (s *server) end(id queue.ID) bool {
	s.clean.Lock()
	defer s.clean.Unlock()
	s.log.put(sendlog.End(nil, id))
	path := queue.Info.Path(id)
	if s.queue.Unlink(path) != nil {
		s.log.notice(sendlog.CannotUnlinkLater, path)
		return false
	}
	s.askClean(pipe.CleanRequest{ID: id}) // on failure the 36-hour rule removes it
	return true
}
