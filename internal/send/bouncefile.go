package send

import (
	"io"

	"goqmail/internal/qq"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
)

// A failure is a recipient that failed for good, whose text is not in bounce/N
// yet. Until it is there for certain the recipient keeps its T mark.
type failure struct {
	job  *job
	at   int64 // offset of the recipient's record
	text []byte
}

// fail begins to store the text of a failure. Storing waits for the disk, so it
// is done beside the deliveries, all that came together at once.
//
// When bounce/ cannot be written for long, only so many failures are kept in
// memory; the others stay not done and are tried again with their message.
func (s *server) fail(j *job, at int64, text []byte) {
	if s.unstored >= unstoredMax {
		return
	}
	s.unstored++
	j.waiting++
	s.toStore = append(s.toStore, failure{j, at, text})
}

// store starts the goroutine that stores failures, if there are any and it does
// not run.
func (s *server) store(now int64) {
	if len(s.troubled) > 0 && (now >= s.troubleAt || s.troubleAt > now+sleepPause) {
		s.toStore = append(s.toStore, s.troubled...)
		s.troubled = nil
	}
	if s.storing || len(s.toStore) == 0 {
		return
	}
	batch := s.toStore
	s.toStore, s.storing = nil, true
	go func() { s.post(s.storeAll(batch)) }()
}

// stored is what became of a batch of failures.
type stored struct {
	ok      []failure // on disk
	again   []failure // bounce/N could not be opened or written
	doubted []failure // it could not be flushed: not to be believed, not tried with these bytes
}

func (e stored) apply(s *server) {
	s.storing = false
	for _, f := range e.ok {
		s.markDone(f.job, f.at)
		s.settle(f)
	}
	for _, f := range e.doubted {
		s.settle(f)
	}
	if len(e.again) == 0 {
		return
	}
	if s.exiting { // the recipients stay not done and fail again after the start
		for _, f := range e.again {
			s.settle(f)
		}
		return
	}
	s.troubled = append(s.troubled, e.again...)
	s.troubleAt = s.clock() + sleepPause
}

// settle forgets a failure. If its recipient was not marked its message waits
// for another attempt.
func (s *server) settle(f failure) {
	s.unstored--
	f.job.waiting--
	s.closeJob(f.job)
}

// storeAll appends the texts to their files. The states of a file:
//
//	B1: as before                        a crash here: the recipients fail again
//	B2: text appended, not flushed       a crash here: the same, or the text is there twice
//	B3: file flushed, and bounce/ too if the file is new
//
// Only B3 counts. What fails is taken back as far as that is possible.
func (s *server) storeAll(batch []failure) (out stored) {
	var order []queue.ID
	byID := map[queue.ID][]failure{}
	for _, f := range batch {
		if byID[f.job.id] == nil {
			order = append(order, f.job.id)
		}
		byID[f.job.id] = append(byID[f.job.id], f)
	}
	var created []queue.ID
	for _, id := range order {
		switch isNew, err := s.appendBounce(id, byID[id]); {
		case err == errDoubt:
			out.doubted = append(out.doubted, byID[id]...)
		case err != nil:
			out.again = append(out.again, byID[id]...)
		case isNew:
			created = append(created, id)
		default:
			out.ok = append(out.ok, byID[id]...)
		}
	}
	synced := len(created) == 0 || s.fsyncDir(string(queue.Bounce)) == nil
	for _, id := range created {
		if synced {
			out.ok = append(out.ok, byID[id]...)
			continue
		}
		_ = s.queue.Unlink(queue.Bounce.Path(id)) // if it stays, its text may come twice
		out.doubted = append(out.doubted, byID[id]...)
	}
	if len(out.again)+len(out.doubted) > 0 {
		s.log.notice(sendlog.BounceAppend, "")
	}
	return out
}

// errDoubt says that a flush failed: the bytes may have left the page cache, so
// that a second flush which succeeds would prove nothing.
var errDoubt = doubt{}

type doubt struct{}

func (doubt) Error() string { return "fsync failed" }

// appendBounce appends texts to bounce/N and flushes the file. isNew says that
// its directory has to be flushed, too.
func (s *server) appendBounce(id queue.ID, failures []failure) (isNew bool, err error) {
	path := queue.Bounce.Path(id)
	fd, err := s.queue.Open(path, sys.WriteOnly|sys.Append|sys.Create|sys.NonBlock, queue.ModeSendFile)
	if err != nil {
		return false, err
	}
	defer func() { _ = fd.Close() }() // what counts was flushed before
	st, err := fd.Stat()
	if err != nil {
		return false, err
	}
	var text []byte
	for _, f := range failures {
		text = append(text, f.text...)
	}
	if _, err = fd.Write(text); err == nil && s.fsync(fd) != nil {
		err = errDoubt
	}
	if err != nil {
		_ = fd.Truncate(st.Size) // if it fails, part of the text comes twice
		if st.Size == 0 {
			_ = s.queue.Unlink(path)
		}
	}
	return st.Size == 0, err
}

// copyAll copies r to its end. Messages are not held in memory.
func copyAll(m *qq.Message, r io.Reader) error {
	buf := make([]byte, 64<<10)
	for !m.Failed() {
		n, err := r.Read(buf)
		_, _ = m.Write(buf[:n]) // errors show in Failed
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
