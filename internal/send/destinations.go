package send

import (
	"goqmail/internal/address"
	"goqmail/internal/control"
	"goqmail/internal/pipe"
	"goqmail/internal/queue"
)

// A destination is the domain of remote recipients: what follows their last @, ASCII
// case aside. control/concurrencydomains says how many deliveries to one may run, so
// that a host which is slow or dead does not get all that the channel has. Without
// that file nothing here has any effect.
//
// A destination that defers holdAfter deliveries, with no success and no failure
// between them, is held: nothing is started for it until holdFirst seconds are over;
// then one delivery, the probe, and the next after twice the time, up to holdMost,
// until one is not deferred. Messages in their last attempt are not held back: their
// bounce comes as it would otherwise.
//
// Who finds no room at a destination waits in its line. All times are Unix seconds,
// and every method is told the time. This file starts and reads nothing; waiting.go
// does.
const (
	holdAfter = 3
	holdFirst = 60
	holdMost  = 3600

	// A destination that nobody uses is remembered for memoryTime seconds if its last
	// delivery was deferred; at most memoryMax are.
	memoryTime = 4 * 3600
	memoryMax  = 10000

	sweepAfter = 1000 // stale waits; see sweep
)

// noLimit is the limit of a destination that has lost its own.
const noLimit = control.MaxInt

// A destination takes 200 bytes and is forgotten when it is not needed any more.
type destination struct {
	domain  string // in lower case
	limit   int
	running int
	row     int    // deferrals since it answered otherwise
	hold    int64  // how long it is held between probes; 0: it is not
	until   int64  // when the next probe may start
	probe   uint64 // number of the delivery that is one; 0: none
	line    heap[wait]
	behind  uint64 // number of the last pass that left a recipient to the line
	isKept  bool   // that pass has not put it into the line yet
	isReady bool   // in destinations.ready
	alarm   int64  // when destinations.alarms has it; 0: it has not
	idle    int64  // since when nobody uses it; 0: somebody does
}

// A wait is a message's place in the line of a destination. Its recipients there
// from offset at on have not been tried in this attempt; all before were.
//
// Most are of messages that wait for this destination and nothing else. They have
// no job, and these 32 bytes are all the memory they take.
type wait struct {
	since int64 // its birth, or when it was last served
	id    queue.ID
	at    int64
	job   *job
}

func (w wait) before(o wait) bool { return w.since < o.since }

// isStale tells whether the message went back to the schedule meanwhile.
func (w wait) isStale() bool { return w.job != nil && w.job.over }

// An alarm is a time at which a destination has to be looked at.
type alarm struct {
	time int64
	d    *destination
}

func (a alarm) before(o alarm) bool { return a.time < o.time }

// Destinations are those of a channel. The nil destinations have no limits.
type destinations struct {
	limits   domainLimits
	lifetime int64 // seconds; see settings
	all      map[string]*destination
	ready    []*destination // may have room for the first in their line
	alarms   heap[alarm]
	idle     []alarm // those that are remembered, the oldest first

	// What waiting.go keeps here.
	passes uint64       // number of the last pass that left a recipient to a line
	jobs   int          // waits that have a job
	stale  int          // of those, how many are
	parked heap[parked] // jobs that only wait, and some that do not any more
	ended  int          // of those, how many have ended
	isTurn bool         // the next delivery is of one that waits
}

func newDestinations(limits domainLimits, lifetime int64) *destinations {
	return &destinations{limits: limits, lifetime: lifetime, all: map[string]*destination{}}
}

// domainLimits are the lines of control/concurrencydomains by their keys: a domain,
// a suffix that begins with a dot, or nothing, for all others.
type domainLimits map[string]int

// parseDomainLimits reads lines KEY:NUMBER. The number is the decimal digits after
// the first colon; a line without any is ignored. Of two equal keys the later line
// wins.
func parseDomainLimits(lines []string) domainLimits {
	limits := domainLimits{}
	for _, l := range lines {
		colon := 0
		for colon < len(l) && l[colon] != ':' {
			colon++
		}
		if n, ok := control.LeadingInt(l[min(colon+1, len(l)):]); ok {
			limits[address.Lower(l[:colon])] = n
		}
	}
	return limits
}

// of is the limit of a domain in lower case: that of its own line, of the longest
// suffix that has one, or of the line for all others; noLimit if that is 0 or there
// is none.
func (l domainLimits) of(domain string) int {
	n, ok := 0, false
	address.Suffixes(domain, func(key string) bool {
		n, ok = l[key]
		return !ok
	})
	if !ok {
		n = l[""]
	}
	if n == 0 {
		return noLimit
	}
	return n
}

// of is the destination of a recipient, nil if it has no limit.
func (ds *destinations) of(rcpt string) *destination {
	if ds == nil || len(ds.limits)+len(ds.all) == 0 {
		return nil
	}
	_, domain, _ := address.SplitLast(rcpt)
	domain = address.Lower(domain)
	d := ds.all[domain]
	if d == nil {
		limit := ds.limits.of(domain)
		if limit == noLimit {
			return nil
		}
		d = &destination{domain: domain, limit: limit}
		ds.all[domain] = d
	}
	return d
}

// hasRoom tells whether a delivery may start; isDying: in a message's last attempt.
func (d *destination) hasRoom(now int64, isDying bool) bool {
	if d.running >= d.limit {
		return false
	}
	// A time too far off was noted while the clock was ahead.
	return d.hold == 0 || isDying || d.probe == 0 && (now >= d.until || d.until > now+holdMost)
}

// mustWait tells whether a recipient may not be tried now. Nobody gets past those in
// the line but a message in its last attempt.
func (d *destination) mustWait(now int64, isDying bool) bool {
	return d != nil && (!d.hasRoom(now, isDying) || len(d.line) > 0 && !isDying)
}

// begin counts a delivery that starts.
func (ds *destinations) begin(rcpt string, number uint64, now int64) *destination {
	d := ds.of(rcpt)
	if d == nil {
		return nil
	}
	if d.hold > 0 && d.hasRoom(now, false) {
		d.probe = number
	}
	d.running++
	d.idle = 0
	return d
}

// A change is what a report makes of a destination.
type change int

const (
	unchanged change = iota
	isHeld           // for d.hold seconds from now on
	isReleased
)

// end counts a delivery that ended, by the letter of its report.
func (ds *destinations) end(d *destination, number uint64, letter byte, now int64) (c change) {
	if d == nil {
		return unchanged
	}
	d.running--
	switch {
	case letter == pipe.Success || letter == pipe.Failure || d.limit == noLimit:
		c = d.release()
	case d.hold == 0:
		if d.row++; d.row >= holdAfter {
			c, d.hold = isHeld, holdFirst
		}
	case d.probe == number:
		c, d.hold = isHeld, min(2*d.hold, holdMost)
	}
	if c == isHeld {
		d.until, d.probe = now+d.hold, 0
	}
	ds.look(d, now)
	return c
}

// release forgets all deferrals.
func (d *destination) release() (c change) {
	if d.hold > 0 {
		c = isReleased
	}
	d.row, d.hold, d.until, d.probe = 0, 0, 0, 0
	return c
}

// join puts a message into the line.
func (ds *destinations) join(d *destination, w wait, now int64) {
	d.line.push(w)
	d.idle = 0
	ds.look(d, now)
}

// firstIsDying tells whether the message that is first in a line has grown too old.
func (ds *destinations) firstIsDying(d *destination, now int64) bool {
	w := d.line[0]
	return w.job != nil && w.job.dying || isDying(w.since, ds.lifetime, now)
}

// look decides what becomes of a destination after anything changed: whether it is
// ready for its line, and if not, when it may be, or whether it is forgotten.
func (ds *destinations) look(d *destination, now int64) {
	for len(d.line) > 0 && d.line[0].isStale() {
		d.line.pop()
		ds.jobs--
		ds.stale--
	}
	switch {
	case len(d.line) == 0:
		ds.forget(d, now)
	case d.hasRoom(now, ds.firstIsDying(d, now)):
		if !d.isReady {
			d.isReady = true
			ds.ready = append(ds.ready, d)
		}
	case d.running < d.limit: // held
		at := d.line[0].since + ds.lifetime + 1
		if d.probe == 0 {
			at = min(at, d.until)
		}
		if at = max(at, now+1); d.alarm == 0 || at < d.alarm {
			d.alarm = at
			ds.alarms.push(alarm{at, d})
		}
	}
}

// forget forgets a destination that nobody uses, at once if nothing is known about
// it, and others when their time is over or they are too many.
func (ds *destinations) forget(d *destination, now int64) {
	if d.running > 0 || d.isKept || ds.all[d.domain] != d {
		return
	}
	if d.row == 0 && d.hold == 0 {
		delete(ds.all, d.domain)
		return
	}
	if d.idle == 0 {
		d.idle = now
		ds.idle = append(ds.idle, alarm{now, d})
	}
	for len(ds.idle) > 0 && (len(ds.idle) > memoryMax || ds.idle[0].time+memoryTime <= now) {
		old := ds.idle[0]
		ds.idle = ds.idle[1:]
		if old.d.idle == old.time && ds.all[old.d.domain] == old.d {
			delete(ds.all, old.d.domain)
		}
	}
}

// wake looks at the destinations whose time has come.
func (ds *destinations) wake(now int64) {
	for a, ok := ds.alarms.min(); ok && a.time <= now; a, ok = ds.alarms.min() {
		ds.alarms.pop()
		if a.d.alarm == a.time {
			a.d.alarm = 0
			ds.look(a.d, now)
		}
	}
}

// next is a destination that has room for the first in its line, or nil. Each gets
// its turn.
func (ds *destinations) next(now int64) *destination {
	for len(ds.ready) > 0 {
		d := ds.ready[0]
		if ds.ready = ds.ready[1:]; len(ds.ready) == 0 {
			ds.ready = nil
		}
		d.isReady = false
		ds.look(d, now) // puts it at the end
		if d.isReady {
			return d
		}
	}
	return nil
}

// each looks at every destination again after f has changed it. It returns the
// domains of those that f released.
func (ds *destinations) each(now int64, f func(d *destination) change) (released []string) {
	for _, d := range ds.all {
		if f(d) == isReleased {
			released = append(released, d.domain)
		}
		ds.look(d, now)
	}
	return released
}

// lift releases all destinations.
func (ds *destinations) lift(now int64) (released []string) {
	return ds.each(now, (*destination).release)
}

// setLimits takes new limits over. Deliveries that run go on. A destination that has
// no limit any more lets all go that wait for it.
func (ds *destinations) setLimits(limits domainLimits, now int64) (released []string) {
	ds.limits = limits
	return ds.each(now, func(d *destination) change {
		if d.limit = limits.of(d.domain); d.limit == noLimit {
			return d.release()
		}
		return unchanged
	})
}

// again notes all times anew, because the clock was set back.
func (ds *destinations) again(now int64) {
	ds.alarms = nil
	ds.each(now, func(d *destination) change {
		d.alarm = 0
		d.until = min(d.until, now+d.hold)
		return unchanged
	})
}

// sweep takes the stale waits out of all lines when they have become many.
func (ds *destinations) sweep(now int64) {
	if ds.stale < sweepAfter || ds.stale < ds.jobs/2 {
		return
	}
	ds.each(now, func(d *destination) change {
		old := d.line
		d.line = nil
		for _, w := range old {
			if !w.isStale() {
				d.line.push(w)
			}
		}
		return unchanged
	})
	ds.jobs -= ds.stale
	ds.stale = 0
}
