package enqueue

import (
	"io"

	"goqmail/internal/queue"
	"goqmail/internal/sys"
)

// sparesMax is how many envelope files a process keeps to use again.
const sparesMax = 8

// Spares are the envelope files that a process which stays uses again when their
// messages have left the queue: making a file, and removing it, costs a file system
// more than writing an envelope. Each has a name of its own in pid/, besides intd/N
// and todo/N, as long as the process lives; what a process leaves that dies is
// removed after 36 hours, as all there.
//
// A file is used again only if
//
//   - its name in pid/ was its only one, so that qmail-clean has removed intd/N and
//     todo/N, and nobody will look for the message;
//   - and todo/ was flushed after that was seen, so that no loss of power brings
//     todo/N back, which would lead to the envelope of another message.
//
// intd/N may come back; nothing rests on that name. Nobody but qmail-send reads
// such a file, and it has read it when todo/N goes.
type spares struct {
	dir  *sys.Dir
	name func(seq int) string // in pid/
	all  []*spare
	seq  int // of the last name
}

// A spare is one file.
type spare struct {
	fd    sys.FD
	name  string
	ino   uint64
	seen  bool // the name was the only one when todo/ was flushed last, or will be next
	ready bool // it may be used
}

// take makes path a name of a file that may be used again, and empties it; ok is
// false if there is none.
func (ss *spares) take(path string) (fd sys.FD, ok bool) {
	for _, sp := range ss.all {
		if !sp.ready {
			continue
		}
		sp.ready, sp.seen = false, false
		if _, err := sp.fd.Seek(0, io.SeekStart); err != nil || sp.fd.Truncate(0) != nil {
			continue
		}
		if ss.dir.Link(sp.name, path) == nil {
			return sp.fd, true
		}
		// Whatever is in the way shows again when a new file is made.
		return -1, false
	}
	return -1, false
}

// adopt keeps a new file, with the name path so far, if there is room. The caller
// closes it if that is not done.
func (ss *spares) adopt(fd sys.FD, path string) bool {
	if len(ss.all) >= sparesMax {
		return false
	}
	st, err := fd.Stat()
	if err != nil {
		return false
	}
	ss.seq++
	name := ss.name(ss.seq)
	if ss.dir.Link(path, name) != nil {
		return false
	}
	ss.all = append(ss.all, &spare{fd: fd, name: name, ino: st.Ino})
	return true
}

// look notes, before todo/ is flushed, which files have no name but their own. Those
// that have lost it are not kept.
func (ss *spares) look() {
	kept := ss.all[:0]
	for _, sp := range ss.all {
		st, err := sp.fd.Stat()
		if err == nil && st.Nlink <= 1 { // which name is it?
			if st, err = ss.dir.Stat(sp.name); err == nil && st.Ino != sp.ino || sys.IsNotExist(err) {
				_ = sp.fd.Close() // what was written was flushed
				continue
			}
		}
		sp.seen = err == nil && st.Nlink == 1
		kept = append(kept, sp)
	}
	ss.all = kept
}

// flushed notes that todo/ was flushed after look.
func (ss *spares) flushed() {
	for _, sp := range ss.all {
		sp.ready = sp.seen
	}
}

// remove gives all up.
func (ss *spares) remove() {
	for _, sp := range ss.all {
		_ = ss.dir.Unlink(sp.name) // if it stays: the 36-hour rule
		_ = sp.fd.Close()          // as in look
	}
	ss.all = nil
}

// A watchedDir is todo/, to be flushed.
type watchedDir struct {
	dir
	spares *spares
}

func (d watchedDir) Sync() error {
	d.spares.look()
	err := d.dir.Sync()
	if err == nil {
		d.spares.flushed()
	}
	return err
}

// createEnvelope is Create for an envelope.
func (s *diskStore) createEnvelope(name string) (file, error) {
	if fd, ok := s.spares.take(name); ok {
		return diskFile{fd, s.Dir}, nil
	}
	fd, err := s.newEnvelope(name)
	if err == nil && !s.spares.adopt(fd, name) {
		s.note(fd, nil)
	}
	return diskFile{fd, s.Dir}, err
}

// newEnvelope makes a new file, or gives one its name that was made before.
func (s *diskStore) newEnvelope(name string) (sys.FD, error) {
	if fd, ok := s.ahead.take(jobEnvelope); ok {
		if s.LinkOpen(fd, name) == nil {
			return fd, nil
		}
		_ = fd.Close() // it was not written; what is in the way shows again
	}
	return s.create(name)
}

// Ahead are the two files of the next message, the message's and the envelope's,
// which a process that stays makes without names while it has nothing else to do.
type ahead struct {
	dir   *sys.Dir
	files [jobFiles]sys.FD // -1: none
}

func newAhead(dir *sys.Dir) *ahead { return &ahead{dir, [jobFiles]sys.FD{-1, -1}} }

// make makes those that are missing. One that cannot be made is made in its time,
// and fails then.
func (a *ahead) make() {
	for i := range a.files {
		if a.files[i] < 0 {
			if fd, err := a.dir.CreateUnnamed(string(queue.Pid), queue.ModeQueueFile); err == nil {
				a.files[i] = fd
			}
		}
	}
}

// take gives one of them away.
func (a *ahead) take(i int) (fd sys.FD, ok bool) {
	if a == nil || a.files[i] < 0 {
		return -1, false
	}
	fd, a.files[i] = a.files[i], -1
	return fd, true
}
