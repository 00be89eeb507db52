package send

import (
	"strconv"
	"time"

	"goqmail/internal/conf"
	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
)

// watchMess removes rubbish from mess/ when the scan of info/ is over and then
// every sleepCleanup seconds.
func (s *server) watchMess() {
	defer s.post(backgroundEnded{})
	<-s.scanned
	for {
		s.cleanMess()
		t := time.NewTimer(sleepCleanup * time.Second)
		select {
		case <-t.C:
		case <-s.stop:
			t.Stop()
			return
		}
	}
}

// cleanMess looks at every message of mess/ once. A directory that cannot be
// opened is waited for.
func (s *server) cleanMess() {
	r := rester{s: s}
	for sub := uint64(0); sub < conf.Split() && !s.stopped(); sub++ {
		dir := string(queue.Mess) + "/" + strconv.FormatUint(sub, 10)
		for !s.stopped() {
			n := 0
			err := s.queue.EachNameBytes(dir, func(name []byte) bool {
				if id, ok := queue.ParseID(string(name)); ok && s.isOssified(id) {
					s.removeOssified(id)
				}
				if n++; n%scanBatch == 0 {
					r.rest()
				}
				return !s.stopped()
			})
			if err == nil {
				break
			}
			s.log.notice(sendlog.CannotOpendir, dir)
			s.pause()
		}
	}
}

// isOssified tells whether a message is so old that no qmail-queue can still be
// working on it: that gives up after a day. The age is that of the last access.
func (s *server) isOssified(id queue.ID) bool {
	st, err := s.queue.Stat(queue.Mess.Path(id))
	return err == nil && s.clock() > st.Atime+queue.Ossified
}

// removeOssified has a message removed that is in no state but S2 or S3:
// neither todo/N nor info/N. All looks happen under the cleaner's lock, for
// without it the message could go, and its number be given to a new one,
// between a look and the request.
func (s *server) removeOssified(id queue.ID) {
	s.clean.Lock()
	defer s.clean.Unlock()
	if !s.isOssified(id) {
		return
	}
	for _, k := range [...]queue.Kind{queue.Todo, queue.Info} {
		if _, err := s.queue.Stat(k.Path(id)); !sys.IsNotExist(err) {
			return
		}
	}
	s.askClean(pipe.CleanRequest{ID: id})
}
