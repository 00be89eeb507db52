package send

import (
	"sync/atomic"
	"time"

	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sig"
)

// Times in seconds and other limits; those of spec/send.md section 2 have the
// value they have there.
const (
	sleepTodo    = 1500  // between scans of todo/ when nobody pulls the trigger
	sleepFuzz    = 1     // added to each sleep
	sleepMax     = 300   // longest sleep; C sleeps up to a day and so misses a clock set forward
	sleepCleanup = 76431 // between the end of one clean-up of mess/ and the next
	sleepSysfail = 123   // before a failed disk operation is tried again
	sleepPause   = 10    // after opendir or a bounce file failed
	sleepHurry   = 5     // after a second TERM, for work other than deliveries
	sleepOwn     = 10    // at most, for the end of a message whose bounce is in todo/ already

	finishMax   = 32   // messages being finished at one time
	bounceMax   = 4    // bounces being injected at one time
	unstoredMax = 1000 // failures kept in memory while bounce/ cannot be written
	eventsAtOne = 256  // events taken before the passes go on
)

// When tidyAfter deliveries were started since the last time and then nothing
// happens for tidyRest, memory that the run-time holds and nobody uses goes back to
// the system.
const (
	tidyAfter = 100
	tidyRest  = 250 * time.Millisecond
)

// longSleep is a sleep after which sync is worth its cost.
const longSleep = 5 * time.Millisecond

// A server is qmail-send at work. Its fields belong to the goroutine that runs
// loop, apart from those marked shared, which others read as well.
type server struct {
	queue    *sys.Dir                // shared
	home     string                  // shared
	env      []string                // shared
	now      func() time.Time        // shared
	log      *logger                 // shared
	set      *settings               // shared
	clean    *cleaner                // shared
	routes   atomic.Pointer[routes]  // shared; replaced by loop
	own      ownBounces              // shared
	fsync    func(sys.FD) error      // shared; a test makes it fail
	fsyncDir func(path string) error // shared; likewise
	syncfs   func() error            // shared: flushes the queue's file system; nil: cannot

	mutex      sys.FD // lock/sendmutex, held for life
	commandFDs [queue.Channels]sys.FD
	reportFDs  [queue.Channels]sys.FD
	pauseTime  time.Duration // shared; sleepPause but in tests

	events   chan event    // shared: to loop
	news     atomic.Uint64 // shared: events so far, but those of the scan
	signals  <-chan sig.Signal
	sync     func()        // shared: makes signals that were sent before the call appear in signals
	stop     chan struct{} // shared: closed when no new work is to be begun
	quit     chan struct{} // shared: closed when loop has ended and nobody listens
	wake     *sys.Event    // shared: ends the wait for the trigger
	channels [queue.Channels]*channel

	jobs      int         // jobs that are being worked on
	jobsMax   int         // how many may be
	delivered uint64      // deliveries started so far
	alarms    int         // how often ALRM came
	tidied    uint64      // of those, how many when memory was given back
	failed    heap[entry] // stat failed: add again
	done      heap[entry] // probably finished

	finishing  int        // goroutines that finish a message
	bouncing   int        // goroutines that inject a bounce
	bounces    []queue.ID // messages whose bounce waits for one
	background int        // goroutines that scan info/, todo/ and mess/

	scanner     *scanner      // of the goroutine that scans todo/
	transit     *transits     // shared; nil: no message is delivered out of todo/
	transitTime time.Duration // that constant but in tests
	passing     []*passenger  // being delivered, the oldest first, and some that are not any more
	toLand      []*passenger  // are to get files
	isLanding   bool          // a goroutine makes files
	departing   []departure   // are to be removed
	isDeparting bool          // a goroutine removes some
	stranded    heap[entry]   // could not be removed; tried again then

	old      oldMessages   // shared: which messages the scan of info/ is for
	scanned  chan struct{} // shared: closed when the scan of info/ has ended
	scanning bool          // until then
	allDue   int64         // not 0: a SIGALRM came then, while scanning

	unstored  int // failures whose text is not on disk yet
	storing   bool
	toStore   []failure
	troubled  []failure // could not be stored; tried again at troubleAt
	troubleAt int64

	lostClean bool // qmail-clean is gone

	seen int64 // the clock when loop last looked

	exiting bool
	terms   int   // how often TERM came
	hurryAt int64 // not 0: a second TERM came, and this is when to leave
}

// An event is something that another goroutine found out or finished. It is
// applied by the goroutine that owns the jobs.
type event interface{ apply(s *server) }

// post hands an event to loop; after the end of loop it is dropped.
func (s *server) post(e event) {
	s.news.Add(1)
	s.put(e)
}

// put is post for what is no news.
func (s *server) put(e event) {
	select {
	case s.events <- e:
	case <-s.quit:
	}
}

// clock is the time in Unix seconds.
func (s *server) clock() int64 { return s.now().Unix() }

// stopped tells whether no new work is to be begun.
func (s *server) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// leave sets the exit flag: no new deliveries, no work on todo/ and mess/.
func (s *server) leave() {
	if !s.exiting {
		s.exiting = true
		close(s.stop)
		s.wake.Set()
	}
}

// loop runs until qmail-send is to leave: events, then one step of each kind of
// work, then sleep.
func (s *server) loop() {
	for {
		s.drain()
		now := s.clock()
		s.watchClock(now)
		worked := s.turn(now)
		if s.exiting && s.finished() {
			return
		}
		if !worked {
			s.sleep()
		}
	}
}

// drain takes signals and events that are there, without waiting.
func (s *server) drain() {
	for range eventsAtOne {
		s.takeSignals()
		select {
		case e := <-s.events:
			e.apply(s)
		default:
			return
		}
	}
}

// takeSignals obeys the signals that are there: before events, as C qmail does.
func (s *server) takeSignals() {
	for {
		select {
		case g := <-s.signals:
			s.signal(g)
		default:
			return
		}
	}
}

// signal obeys a signal.
func (s *server) signal(g sig.Signal) {
	switch g {
	case sig.TERM:
		if s.terms++; s.terms == 2 {
			s.hurryAt = s.clock() + sleepHurry
		}
		s.leave()
	case sig.ALRM:
		s.alarms++
		now := s.clock()
		if s.scanning {
			s.allDue = now
		}
		for _, c := range s.channels {
			for i := range c.due {
				c.due[i].time = now
			}
			s.lift(c, now)
		}
	case sig.HUP:
		s.reread()
	}
}

// turn does one step of each kind of work: one recipient for each channel, one
// message to add, one to finish, texts of failures to store. worked says that
// there may be more to do at once.
func (s *server) turn(now int64) (worked bool) {
	s.store(now)
	s.turnTransit(now)
	for _, c := range s.channels {
		if s.serve(c, now) {
			worked = true
		}
	}
	if e, ok := s.failed.min(); ok && e.time <= now && !s.exiting {
		s.failed.pop()
		s.add(e.id)
		worked = true
	}
	if s.finishNext(now) {
		worked = true
	}
	return worked
}

// finished tells whether an exiting qmail-send can leave. Deliveries are waited
// for unless their spawner is gone or a second TERM came, which gives all other
// work a few seconds: every state that it may be left in is one of a crash.
func (s *server) finished() bool {
	busy := s.finishing > 0 || s.bouncing > 0 || s.background > 0 || s.storing || len(s.toStore) > 0 ||
		s.isLanding || s.isDeparting || len(s.toLand) > 0 || len(s.departing) > 0
	if s.hurryAt != 0 {
		return !busy || s.clock() >= s.hurryAt
	}
	for _, c := range s.channels {
		if c.isAlive && c.running > 0 {
			return false
		}
	}
	return !busy
}

// sleep waits for a signal, an event, or the time of the next entry. An event
// that ends a long sleep may have been caused by somebody who sent a signal
// just before; the signal counts first. When there is much to do nobody can
// tell, and the cost of looking is saved.
func (s *server) sleep() {
	began := time.Now()
	now := s.clock()
	wait := time.Duration(max(s.nextTime(now)-now, 0)+sleepFuzz) * time.Second
	untidy := s.delivered >= s.tidied+tidyAfter
	if untidy {
		wait = min(wait, tidyRest)
	}
	if next := s.nextTransit(wait); next < wait {
		wait, untidy = max(next, 0), false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case g := <-s.signals:
		s.signal(g)
	case e := <-s.events:
		if time.Since(began) >= longSleep {
			s.sync()
		}
		s.takeSignals()
		e.apply(s)
	case <-timer.C:
		if untidy {
			s.tidied = s.delivered
			sys.GiveMemoryBack()
		}
	}
}

// nextTime is when loop has something to do even if nothing happens.
func (s *server) nextTime(now int64) int64 {
	next := now + sleepMax
	if s.hurryAt != 0 {
		next = min(next, s.hurryAt)
	}
	if len(s.troubled) > 0 {
		next = min(next, s.troubleAt)
	}
	for _, c := range s.channels {
		if e, ok := c.due.min(); ok && s.canOpen(c) {
			next = min(next, e.time)
		}
		next = min(next, c.dests.nextTime())
	}
	if e, ok := s.failed.min(); ok && !s.exiting {
		next = min(next, e.time)
	}
	if e, ok := s.stranded.min(); ok && !s.lostClean {
		next = min(next, e.time)
	}
	if e, ok := s.done.min(); ok && s.canFinish() {
		next = min(next, e.time)
	}
	return next
}

// nudge is an event that only makes loop look at the clock again.
type nudge struct{}

func (nudge) apply(*server) {}

// add looks again at a message that the scan of info/ found but could not see all
// of, and puts it into the queues its files belong to. A message whose todo file exists
// is the todo goroutine's.
func (s *server) add(id queue.ID) {
	again := func(path string) {
		s.log.notice(sendlog.CannotStatLater, path)
		s.failed.push(entry{s.clock() + sleepSysfail, id})
	}
	for _, k := range [...]struct {
		kind queue.Kind
		want bool
	}{{queue.Info, true}, {queue.Todo, false}} {
		path := k.kind.Path(id)
		ok, err := s.exists(path)
		if err != nil {
			again(path)
			return
		}
		if ok != k.want {
			return
		}
	}
	var found [queue.Channels]bool
	var due [queue.Channels]int64
	for i, c := range s.channels {
		path := c.which.Kind().Path(id)
		st, err := s.queue.Stat(path)
		if err != nil && !sys.IsNotExist(err) {
			again(path)
			return
		}
		found[i], due[i] = err == nil, st.Mtime
	}
	s.enter(id, found, due)
}

// enter puts a message into the queues of its channels, or into done when it
// has none.
func (s *server) enter(id queue.ID, found [queue.Channels]bool, due [queue.Channels]int64) {
	none := true
	for i, c := range s.channels {
		if found[i] {
			c.due.push(entry{s.soon(due[i], s.clock()), id})
			none = false
		}
	}
	if none {
		s.done.push(entry{s.clock(), id})
	}
}
