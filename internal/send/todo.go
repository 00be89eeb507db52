package send

import (
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
	"goqmail/internal/trigger"
)

// Preprocessing runs in a goroutine of its own, so that a flood of new mail
// does not hold up deliveries. Messages are taken in batches that are flushed
// together: a flood costs no more flushes than a trickle. For each, the steps
// begin, copyEnvelope, flush and commit each leave it in a state that the next
// scan takes up from its beginning:
//
//	S4: mess/N intd/N todo/N, and perhaps info/N local/N remote/N, which are
//	    worth nothing while todo/N is there
//	S4 flushed: info/N local/N remote/N and their names are on disk
//	S5: qmail-clean removed intd/N, then todo/N: now they count
//	S5 flushed: todo/N cannot come back and have everything delivered again
//
// watchTodo scans todo/ at the start, when the trigger is pulled, and when
// sleepTodo seconds are over.
func (s *server) watchTodo() {
	defer s.post(backgroundEnded{})
	select {
	case <-s.old.listed: // from here on messages are taken
	case <-s.stop:
	}
	tr := trigger.NewReader(s.queue)
	for !s.stopped() {
		s.awaitRoom()
		began := s.now()
		_ = tr.Rearm() // without a trigger there is still the clock
		if s.scanTodo() == nil {
			s.awaitScan(tr.FD(), began.Add(sleepTodo*time.Second))
			continue
		}
		s.log.notice(sendlog.CannotOpendir, string(queue.Todo))
		s.awaitScan(-1, began.Add(sleepPause*time.Second))
	}
}

// awaitScan waits for the trigger, the time, or the end of work.
func (s *server) awaitScan(pulled sys.FD, next time.Time) {
	began := time.Now()
	for !s.stopped() {
		left := next.Sub(s.now())
		if left <= 0 {
			return
		}
		left = min(left, sleepMax*time.Second) // the clock may be set
		ready, err := sys.WaitAny([]sys.FD{pulled, s.wake.FD()}, []int16{sys.Readable, sys.Readable}, left)
		if err != nil {
			s.log.notice(sendlog.TroubleSelect, "")
			s.pause()
			return
		}
		if ready[0] {
			if time.Since(began) >= longSleep {
				s.obeySignals()
			}
			return
		}
		if ready[1] {
			s.wake.Clear() // stopped, or the clock was changed
		}
	}
}

// obeySignals returns when loop has obeyed the signals that were sent before:
// mail that comes after a SIGHUP goes where the new control files say.
func (s *server) obeySignals() {
	s.sync()
	done := make(signalsObeyed)
	s.post(done)
	select {
	case <-done:
	case <-s.quit:
	}
}

// signalsObeyed is closed when loop takes it, which it does after the signals.
type signalsObeyed chan struct{}

func (e signalsObeyed) apply(*server) { close(e) }

// pause waits a while, or until work ends.
func (s *server) pause() {
	t := time.NewTimer(s.pauseTime)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.stop:
	}
}

// batchMax is how many messages are preprocessed together.
const batchMax = 64

// A scanner is the memory of the goroutine that scans todo/.
type scanner struct {
	names    sys.Names
	batch    [batchMax]queue.ID
	envelope [transitEnvelope]byte
}

// scanTodo preprocesses every message in todo/. Names that are not numbers are
// passed over.
func (s *server) scanTodo() error {
	if s.scanner == nil {
		s.scanner = &scanner{}
	}
	batch := s.scanner.batch[:0]
	err := s.scanner.names.Each(s.queue, string(queue.Todo), func(name []byte) bool {
		// A directory that changes may give a name twice.
		if id, ok := queue.ParseID(string(name)); ok && !slices.Contains(batch, id) && !s.inTransit(id) {
			batch = append(batch, id)
		}
		if len(batch) == batchMax {
			s.preprocess(batch)
			batch = batch[:0]
		}
		return !s.stopped()
	})
	s.preprocess(batch)
	return err
}

// An incoming is a message on its way from todo to info, local and remote.
type incoming struct {
	id   queue.ID
	todo sys.FD // -1: read before
	size int64  // of the file in mess/
	uid  uint64
	qp   uint64
	info *output
	rcpt [queue.Channels]*output

	unlinked []queue.Kind // left by an earlier attempt, removed by this one
}

// changed tells whether this attempt made or removed a file in a kind's
// directory.
func (in *incoming) changed(k queue.Kind) bool {
	switch {
	case slices.Contains(in.unlinked, k), k == queue.Info:
		return true
	case k == queue.Local:
		return in.rcpt[queue.ChanLocal] != nil
	case k == queue.Bounce:
		return false
	}
	return in.rcpt[queue.ChanRemote] != nil
}

// made are the kinds of file that preprocessing makes, and bounce, which it only
// removes: a loss of power can bring back that of an earlier message with the
// number, whose sender is another.
var made = [...]queue.Kind{queue.Info, queue.Local, queue.Remote, queue.Bounce}

// close closes what is open.
func (in *incoming) close() {
	_ = in.todo.Close() // read only
	for _, o := range [...]*output{in.info, in.rcpt[queue.ChanLocal], in.rcpt[queue.ChanRemote]} {
		o.close()
	}
}

// preprocess takes messages from todo/. One for which anything fails stays there
// for the next scan.
func (s *server) preprocess(ids []queue.ID) {
	var batch []*incoming
	defer func() {
		for _, in := range batch {
			in.close()
		}
	}()
	for _, id := range ids {
		if s.stopped() {
			break
		}
		s.old.exclude(id)
		path := queue.Todo.Path(id)
		fd, err := s.open(path)
		if err != nil {
			if !s.left(err) {
				s.log.notice(sendlog.CannotOpen, path)
			}
			continue
		}
		sys.Yield() // to deliveries
		in := &incoming{id: id, todo: fd}
		if s.awaitOwn(fd) && !s.passOn(in) && s.begin(in) && s.copyEnvelope(in) {
			batch = append(batch, in)
		} else {
			in.close()
		}
	}
	if len(batch) > 0 {
		s.commit(s.flush(batch))
	}
}

// awaitOwn waits for the end of the message that todo/N is a bounce of, if it is
// one and that has not ended; false means that work is to stop. Queue programs
// are told apart by the pid in the second record.
func (s *server) awaitOwn(todo sys.FD) bool {
	if s.own.none() {
		return true
	}
	var b [64]byte
	n, _ := todo.ReadAt(b[:], 0) // an error shows again when the file is read
	_, rest, _ := queue.NextRecord(b[:n])
	rec, _, ok := queue.NextRecord(rest)
	if !ok || rec.Letter != queue.LetterPID {
		return true
	}
	end := s.own.end(queue.LeadingNumber(rec.Text))
	if end == nil {
		return true
	}
	t := time.NewTimer(sleepOwn * time.Second)
	defer t.Stop()
	select {
	case <-end:
	case <-t.C:
	case <-s.stop:
		return false
	}
	return true
}

// begin removes what an earlier attempt left, and makes the info file.
func (s *server) begin(in *incoming) bool {
	path := queue.Mess.Path(in.id)
	st, err := s.queue.Stat(path)
	if err != nil {
		s.log.notice(sendlog.CannotStat, path)
		return false
	}
	in.size = st.Size
	if !s.clear(in) {
		return false
	}
	if in.info = s.create(queue.Info, in.id); in.info == nil {
		return false
	}
	s.log.put(sendlog.New(nil, in.id))
	return true
}

// clear removes what an earlier attempt left.
func (s *server) clear(in *incoming) bool {
	for _, k := range [...]queue.Kind{queue.Local, queue.Remote, queue.Bounce, queue.Info} {
		path := k.Path(in.id)
		if err := s.queue.Unlink(path); err == nil {
			in.unlinked = append(in.unlinked, k)
		} else if !sys.IsNotExist(err) {
			s.log.notice(sendlog.CannotUnlink, path)
			return false
		}
	}
	return true
}

// copyEnvelope reads the records of the todo file and sorts the recipients.
func (s *server) copyEnvelope(in *incoming) bool {
	path := queue.Todo.Path(in.id)
	rt := s.routes.Load()
	file := newRecords(in.todo)
	for {
		rec, _, err := file.next()
		if err == io.EOF {
			return true
		}
		if err != nil {
			s.log.notice(sendlog.TroubleReading, path)
			return false
		}
		switch rec.Letter {
		case queue.LetterUID:
			in.uid = queue.LeadingNumber(rec.Text)
		case queue.LetterPID:
			in.qp = queue.LeadingNumber(rec.Text)
		case queue.LetterSender:
			in.info.add(rec)
			if !s.written(in.info, in.info.write()) {
				return false
			}
			s.log.put(sendlog.Info{ID: in.id, Bytes: in.size, Sender: rec.Text, QP: in.qp, UID: in.uid}.Append(nil))
		case queue.LetterRecipient:
			if !s.addRecipient(in, rt, rec.Text) {
				return false
			}
		default:
			s.log.notice(sendlog.UnknownInTodo, path)
			return false
		}
	}
}

// addRecipient rewrites a recipient and adds it to its channel's file, which is
// made for the first one.
func (s *server) addRecipient(in *incoming, rt *routes, rcpt string) bool {
	c, addr := rt.rewrite(rcpt)
	o := in.rcpt[c]
	if o == nil {
		if o = s.create(c.Kind(), in.id); o == nil {
			return false
		}
		in.rcpt[c] = o
	}
	o.add(queue.Record{Letter: queue.LetterRecipient, Text: addr})
	return len(o.buf) < outputChunk || s.written(o, o.write())
}

// flushers is how many flushes of a batch wait for the disk side by side: the
// file system makes one commit of all that wait at one time.
const flushers = 16

// A flush is one file or directory that is to be on disk.
type flush struct {
	path string
	do   func() error
	err  error
}

// flush puts the files on disk, and their names; also that a file of an earlier
// attempt is gone, for it must not come back when todo/N is gone. It returns the
// messages for which that succeeded. A file whose flush failed is not believed:
// the next scan makes new ones.
func (s *server) flush(batch []*incoming) (flushed []*incoming) {
	if len(batch) >= flushTogether && s.syncfs != nil {
		return s.flushFileSystem(batch)
	}
	var all []*flush
	dirs := map[string]*flush{} // of all messages, each once
	needs := make([][]*flush, len(batch))
	for i, in := range batch {
		if !s.finishFiles(in) {
			continue
		}
		for _, o := range in.outputs() {
			needs[i] = append(needs[i], &flush{path: o.kind.Path(in.id), do: func() error { return s.keep(o) }})
		}
		all = append(all, needs[i]...)
		for _, k := range made {
			if !in.changed(k) {
				continue
			}
			dir := k.Dir(in.id)
			f := dirs[dir]
			if f == nil {
				f = &flush{path: dir, do: func() error { return s.fsyncDir(dir) }}
				dirs[dir] = f
				all = append(all, f)
			}
			needs[i] = append(needs[i], f)
		}
	}
	flushAll(all)
	for i, in := range batch {
		if needs[i] != nil && s.isFlushed(needs[i]) {
			flushed = append(flushed, in)
		}
	}
	return flushed
}

// flushTogether is from how many messages on the whole file system is flushed
// instead of each file and directory. That waits for what others wrote there, too,
// but takes no longer for many messages than for one, and less processor time.
const flushTogether = 16

// flushFileSystem is flush for many messages: all succeed or none does.
func (s *server) flushFileSystem(batch []*incoming) (flushed []*incoming) {
	for _, in := range batch {
		if s.finishFiles(in) {
			flushed = append(flushed, in)
		}
	}
	if s.syncfs() != nil {
		for _, in := range flushed {
			s.log.notice(sendlog.TroubleSyncing, queue.Info.Path(in.id))
		}
		return nil
	}
	return flushed
}

// flushAll does flushes, several at a time.
func flushAll(all []*flush) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(len(all), flushers) {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(all)); i = next.Add(1) - 1 {
				all[i].err = all[i].do()
			}
		})
	}
	wait.Wait()
}

// isFlushed tells whether all flushes of a message succeeded, and warns if not.
func (s *server) isFlushed(needs []*flush) bool {
	for _, f := range needs {
		if f.err != nil {
			s.log.notice(sendlog.TroubleSyncing, f.path)
			return false
		}
	}
	return true
}

// outputs are the files of a message that there are.
func (in *incoming) outputs() (all []*output) {
	for _, o := range [...]*output{in.info, in.rcpt[queue.ChanLocal], in.rcpt[queue.ChanRemote]} {
		if o != nil {
			all = append(all, o)
		}
	}
	return all
}

// finishFiles writes what is still to be written, and has the kernel begin with
// the disk, so that the first flush of a batch takes the others along.
func (s *server) finishFiles(in *incoming) bool {
	for _, o := range in.outputs() {
		if !s.written(o, o.write()) {
			return false
		}
		o.fd.StartWriteback()
	}
	return true
}

// enact has the todo files removed: from then on those that were made count. It
// returns the messages for which that was done.
func (s *server) enact(batch []*incoming) []*incoming {
	removed := s.removeTodo(batch)
	if len(removed) > 0 {
		s.flushTodo()
	}
	return removed
}

// flushTodo flushes todo/. What was removed there and comes back after a loss of
// power would be delivered twice.
func (s *server) flushTodo() {
	if dir := string(queue.Todo); s.fsyncDir(dir) != nil {
		s.log.notice(sendlog.TroubleSyncing, dir)
	}
}

// commit hands the messages that are preprocessed to their channels.
func (s *server) commit(batch []*incoming) {
	var all allArrived
	for _, in := range s.enact(batch) {
		e := arrived{id: in.id}
		for i, o := range in.rcpt {
			e.found[i] = o != nil
			e.due[i] = s.clock()
		}
		all = append(all, e)
	}
	if len(all) > 0 {
		s.post(all)
	}
}

// arrived is a message that was preprocessed, or found at the start.
type arrived struct {
	id     queue.ID
	found  [queue.Channels]bool  // there are recipients
	due    [queue.Channels]int64 // when they are
	failed bool                  // a file could not be looked at: try later
}

// allArrived are those of a batch.
type allArrived []arrived

func (all allArrived) apply(s *server) {
	for _, e := range all {
		s.enter(e.id, e.found, e.due)
	}
}

// backgroundEnded is the last word of a goroutine that scans.
type backgroundEnded struct{}

func (backgroundEnded) apply(s *server) { s.background-- }
