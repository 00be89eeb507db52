package enqueue

import (
	"io"
	"path"
	"sync"
	"time"

	"goqmail/internal/queue"
	"goqmail/internal/sys"
)

// A store is the queue directory as far as qmail-queue changes it. Names are
// those of queue.Kind.Path. Tests put failures and sudden deaths into it.
type store interface {
	Create(name string) (file, error) // a new file for writing; fails if there is one
	CreateUnnamed() (file, error)     // a new file for writing, without a name; not all systems can
	OpenDir(name string) (dir, error) // a directory, to be flushed
	Link(old, new string) error
	Unlink(name string) error
}

// A file is a file of the queue that is being written.
type file interface {
	io.Writer
	StartWriteback()
	Sync() error
	Truncate(size int64) error
	LinkTo(name string) error // gives a file of CreateUnnamed a name
	Ino() (uint64, error)
	Gone() bool // no name leads to it any more
}

// A dir is a directory whose names are to survive a loss of power.
type dir interface{ Sync() error }

// A source is one of the two descriptors that the caller feeds.
type source interface {
	io.Reader
	ReadyWithin(d time.Duration) bool
}

// A diskStore is the store of the real program, for one message. The files stay
// open until close, which a process that ends after the message need not call;
// what counts is said by Sync.
type diskStore struct {
	*sys.Dir
	spares *spares // nil: every envelope gets a new file
	ahead  *ahead  // nil: no files were made before

	mu   sync.Mutex // two flushes run side by side
	open []sys.FD
}

func (s *diskStore) Create(name string) (file, error) {
	if s.spares != nil && path.Dir(name) == string(queue.Intd) {
		return s.createEnvelope(name)
	}
	fd, err := s.create(name)
	s.note(fd, err)
	return diskFile{fd, s.Dir}, err
}

// create opens a new file.
func (s *diskStore) create(name string) (sys.FD, error) {
	return s.Open(name, sys.WriteOnly|sys.Create|sys.Exclusive, queue.ModeQueueFile)
}

// CreateUnnamed makes the file where Create makes those that are no message yet,
// and needs the same rights there.
func (s *diskStore) CreateUnnamed() (file, error) {
	fd, ok := s.ahead.take(jobMessage)
	var err error
	if !ok {
		fd, err = s.Dir.CreateUnnamed(string(queue.Pid), queue.ModeQueueFile)
	}
	s.note(fd, err)
	return diskFile{fd, s.Dir}, err
}

func (s *diskStore) OpenDir(name string) (dir, error) {
	d, err := s.Dir.OpenDir(name)
	if err != nil {
		return nil, err
	}
	s.note(d.FD(), nil)
	if s.spares != nil && name == string(queue.Todo) {
		return watchedDir{d.FD(), s.spares}, nil
	}
	return d.FD(), nil
}

// note remembers a descriptor for close.
func (s *diskStore) note(fd sys.FD, err error) {
	if err == nil {
		s.mu.Lock()
		s.open = append(s.open, fd)
		s.mu.Unlock()
	}
}

// close closes everything. Nobody uses the store then.
func (s *diskStore) close() { sys.CloseAll(s.open) }

// A diskFile is an open file.
type diskFile struct {
	sys.FD
	dir *sys.Dir // the queue
}

// Write writes to a file that nobody else reads meanwhile.
func (f diskFile) Write(p []byte) (int, error) { return f.WriteAlone(p) }

func (f diskFile) LinkTo(name string) error { return f.dir.LinkOpen(f.FD, name) }

func (f diskFile) Ino() (uint64, error) {
	st, err := f.Stat()
	return st.Ino, err
}

func (f diskFile) Gone() bool {
	st, err := f.Stat()
	return err == nil && st.Nlink == 0
}
