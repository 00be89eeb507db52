package send

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"goqmail/internal/conf"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
)

// At the start, info/ says which messages the queue has. A goroutine of its own
// reads it, while new mail is preprocessed and delivered: a queue of any length
// holds nobody up. For each message it costs one look at the time of each
// recipient file, and no memory but the entries in the queues.
//
// The scan is for messages of state S5 that were so before this process. All
// others are the todo goroutine's, which hands them to loop when their todo file
// is gone; they must not come from both, or recipients get them twice. Hence:
//
//	1. the scan lists todo/ and excludes what is there
//	2. from then on the todo goroutine excludes each message before it touches it
//	3. the scan reads the names in info/S, then leaves out what is excluded
//
// A name seen in 3 whose message is not excluded had no todo file in 1 and has
// not been preprocessed since: it is of S5, and nobody else knows of it, so it
// stays as it is until loop is given it.

// scanBatch is how many files a goroutine that works on all of them looks at
// before it rests.
const scanBatch = 32

// restTime is how long it rests. It sleeps, and does not only let others run: as
// long as something can run, the run-time may look only every 10 milliseconds for
// what comes from other processes. Its sleep has whole milliseconds.
//
// When nothing else happened for quietBatches of them, about a tenth of a second, it
// rests only after idleBatches.
const (
	restTime     = time.Millisecond
	quietBatches = 100
	idleBatches  = 8
)

// A rester rests between two batches of files, so that mail that is under way is
// not held up by them. Each goroutine has one.
type rester struct {
	s     *server
	news  uint64 // at the last batch
	quiet int    // batches since there were others
}

// rest is called after each batch.
func (r *rester) rest() {
	if n := r.s.news.Load(); n != r.news {
		r.news, r.quiet = n, 0
	}
	if r.quiet++; r.quiet > quietBatches && r.quiet%idleBatches != 0 {
		sys.Yield()
		return
	}
	time.Sleep(restTime)
}

// oldMessages are those that the scan is for: all but the excluded. Both
// goroutines use it.
type oldMessages struct {
	listed   chan struct{} // closed when todo/ has been listed, or never will be
	mu       sync.Mutex
	excluded map[queue.ID]struct{}
	over     bool // the scan has ended; nobody asks any more
}

// exclude notes that a message is the todo goroutine's.
func (o *oldMessages) exclude(id queue.ID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return
	}
	if o.excluded == nil {
		o.excluded = map[queue.ID]struct{}{}
	}
	o.excluded[id] = struct{}{}
}

// has tells whether a message whose info file was seen is for the scan: it is not
// excluded, nor forgotten. The lock is held meanwhile, so that the todo goroutine
// makes no files for a new message with the number while what is left of an old one
// is removed.
func (o *oldMessages) has(id queue.ID, forgotten func(queue.ID) bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.excluded[id]
	return !ok && !forgotten(id)
}

// end gives the memory back.
func (o *oldMessages) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over, o.excluded = true, nil
}

// scanInfo hands every message that info/ had at the start to loop. When
// qmail-send is to leave before that is done, the next one does it.
func (s *server) scanInfo() {
	defer s.post(backgroundEnded{})
	defer s.post(scanEnded{})
	defer close(s.scanned)
	defer s.old.end()
	sc := &scan{taken: make(chan struct{}, 1), rester: rester{s: s}}
	for _, id := range sc.list(string(queue.Todo)) {
		s.old.exclude(id)
	}
	close(s.old.listed)
	for sub := uint64(0); sub < conf.Split() && !s.stopped(); sub++ {
		sc.directory("/" + strconv.FormatUint(sub, 10))
	}
}

// A scan is scanInfo at work. Its memory is used again for each directory.
type scan struct {
	rester
	ids   []queue.ID                 // names in a directory
	named [queue.Channels][]queue.ID // those in the channels' directories, in order
	batch []arrived
	taken chan struct{} // loop has taken the batch
}

// list reads the message numbers in a directory. One that cannot be read is
// waited for. The result is good until the next call.
func (sc *scan) list(dir string) []queue.ID {
	for !sc.s.stopped() {
		var err error
		if sc.ids, err = sc.s.numbers(dir, sc.ids[:0]); err == nil {
			return sc.ids
		}
		sc.s.log.notice(sendlog.CannotOpendir, dir)
		sc.s.pause()
	}
	return nil
}

// numbers adds the message numbers in a directory to ids, in order, each once: a
// directory that changes may give a name twice.
func (s *server) numbers(dir string, ids []queue.ID) ([]queue.ID, error) {
	err := s.queue.EachNameBytes(dir, func(name []byte) bool {
		if id, ok := queue.ParseID(string(name)); ok {
			ids = append(ids, id)
		}
		return !s.stopped()
	})
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// directory hands the messages of info/S to loop; sub is "/S".
func (sc *scan) directory(sub string) {
	ids := sc.list(string(queue.Info) + sub)
	if len(ids) == 0 {
		return
	}
	var known [queue.Channels]bool
	for c := range queue.Channel(queue.Channels) {
		var err error
		sc.named[c], err = sc.s.numbers(string(c.Kind())+sub, sc.named[c][:0])
		known[c] = err == nil // else each file is looked for
	}
	for _, id := range ids {
		if !sc.s.old.has(id, sc.s.forgotten) {
			continue
		}
		sc.batch = append(sc.batch, sc.look(id, known))
		if len(sc.batch) == scanBatch {
			sc.hand()
		}
	}
	sc.hand()
}

// look finds out what a message waits for.
func (sc *scan) look(id queue.ID, known [queue.Channels]bool) (m arrived) {
	m.id = id
	for c := range queue.Channel(queue.Channels) {
		if known[c] {
			if _, ok := slices.BinarySearch(sc.named[c], id); !ok {
				continue
			}
		}
		path := c.Kind().Path(id)
		st, err := sc.s.queue.Stat(path)
		switch {
		case err == nil:
			m.found[c], m.due[c] = true, st.Mtime
		case !sys.IsNotExist(err):
			sc.s.log.notice(sendlog.CannotStatLater, path)
			m.failed = true
			return m
		}
	}
	return m
}

// hand gives loop the batch and waits until it has taken it, so that the memory
// can be used again and loop is never busy with old messages alone.
func (sc *scan) hand() {
	if len(sc.batch) == 0 || sc.s.stopped() {
		return
	}
	sc.s.put(found{sc.batch, sc.taken})
	select {
	case <-sc.taken:
	case <-sc.s.quit:
	}
	sc.batch = sc.batch[:0]
	sc.rest()
}

// found are messages that the scan found.
type found struct {
	all   []arrived
	taken chan<- struct{}
}

func (e found) apply(s *server) {
	for _, m := range e.all {
		if m.failed {
			s.failed.push(entry{s.clock() + sleepSysfail, m.id})
			continue
		}
		if s.allDue != 0 {
			m.due = [queue.Channels]int64{s.allDue, s.allDue}
		}
		s.enter(m.id, m.found, m.due)
	}
	e.taken <- struct{}{}
}

// scanEnded says that all old messages are known, unless qmail-send is to leave.
type scanEnded struct{}

func (scanEnded) apply(s *server) {
	s.scanning, s.allDue = false, 0
	sys.GiveMemoryBack()
}
