package send

// horizon is how far off an attempt can be, in seconds, unless the clock was
// wrong when its time was noted: no attempt is made after queuelifetime. A
// lifetime of less than a week says nothing about messages that are older.
func (s *server) horizon() int64 {
	return min(max(s.set.lifetime, defaultLifetime), maxAge)
}

// soon is the time of an attempt, or now if that time lies beyond the horizon:
// it was noted while the clock was ahead, and the message would not be tried
// for as long as it was.
func (s *server) soon(time, now int64) int64 {
	if time > now+s.horizon() {
		return now
	}
	return time
}

// reborn is the birth of a message, or now if that lies beyond the horizon: it is
// tried as a new one then, and does not grow old before the clock has passed its
// birth. The info file keeps its time, as it may be the clock of now that is
// wrong, before it is set after a start. A birth that is in the future by less is
// left to C's rule (see nextAttempt).
func (s *server) reborn(birth, now int64) int64 { return s.soon(birth, now) }

// watchClock notices that the clock was set back, and looks at all times that
// were noted before.
func (s *server) watchClock(now int64) {
	if now < s.seen-sleepMax {
		for _, c := range s.channels {
			c.due = s.again(c.due, now)
			s.againInLine(c, now)
		}
		s.failed, s.done = s.again(s.failed, now), s.again(s.done, now)
	}
	s.seen = now
}

// again is a heap whose times are soon.
func (s *server) again(old heap[entry], now int64) (h heap[entry]) {
	for _, e := range old {
		h.push(entry{s.soon(e.time, now), e.id})
	}
	return h
}
