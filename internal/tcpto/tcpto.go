package tcpto

import (
	"io"
	"time"

	"goqmail/internal/queue"
	"goqmail/internal/sys"
)

// A Table is the file as one qmail-remote process uses it. Nothing is kept open
// and nothing locked between the calls; a call waits for the lock.
type Table struct {
	queue *sys.Dir
	pid   int
	now   func() time.Time
	known map[[4]byte]bool // hosts that had a record when asked for
}

// New makes a Table for the file below the open directory queue. pid is this
// process's number, which decides how long it skips a host.
func New(queue *sys.Dir, pid int, now func() time.Time) *Table {
	return &Table{queue: queue, pid: pid, now: now, known: make(map[[4]byte]bool)}
}

// Skip tells whether the host timed out at least twice in a row, lately: then it
// is not worth a connection. Any trouble with the file gives false.
func (t *Table) Skip(ip [4]byte) bool {
	fd, records := t.open()
	defer closeLocked(fd)
	i := find(records, ip)
	t.known[ip] = i >= 0
	return i >= 0 && records[i].skip(t.pid, t.now().Unix())
}

// Success notes that the host answered. Only a record that Skip has seen is
// changed: a host without time-outs costs no second look at the file.
func (t *Table) Success(ip [4]byte) {
	if !t.known[ip] {
		return
	}
	fd, records := t.open()
	defer closeLocked(fd)
	if i := find(records, ip); i >= 0 && records[i].Count != 0 {
		r := records[i]
		r.Count = 0
		write(fd, i, r)
	}
}

// Timeout notes that the host did not answer within control/timeoutconnect, or
// that the kernel gave ETIMEDOUT. Refused connections are not recorded.
func (t *Table) Timeout(ip [4]byte) {
	fd, records := t.open()
	defer closeLocked(fd)
	if len(records) == 0 {
		return
	}
	i := find(records, ip)
	old := Record{IP: ip}
	if i >= 0 {
		old = records[i]
	} else {
		i = place(records)
	}
	if next, changed := old.timeout(t.now().Unix()); changed {
		write(fd, i, next)
	}
}

// open locks and reads the file; on any failure there are no records and fd is
// -1.
func (t *Table) open() (sys.FD, []Record) {
	fd, err := OpenLocked(t.queue)
	if err != nil {
		return -1, nil
	}
	records, err := Read(fd)
	if err != nil {
		closeLocked(fd)
		return -1, nil
	}
	return fd, records
}

// write puts one record in its place. It is not synced: the file is a memory
// aid, and a lost record costs one time-out.
func write(fd sys.FD, i int, r Record) {
	_, _ = fd.WriteAt(r.Append(nil), int64(i)*RecordSize) // see above
}

// closeLocked closes the file, which gives the lock back.
func closeLocked(fd sys.FD) {
	if fd >= 0 {
		_ = fd.Close() // whatever was to be written has been
	}
}

// OpenLocked opens the file below the open directory queue for reading and
// writing and waits for its lock, which lasts until the descriptor is closed.
// The Op of the *sys.Error is "open" or "lock".
func OpenLocked(dir *sys.Dir) (sys.FD, error) {
	fd, err := dir.Open(queue.LockTcpto, sys.ReadWrite|sys.NonBlock, 0)
	if err != nil {
		return -1, err
	}
	if err := fd.LockExclusive(); err != nil {
		_ = fd.Close() // nothing was written
		return -1, err
	}
	return fd, nil
}

// Read reads all records.
func Read(fd sys.FD) ([]Record, error) {
	var buf [FileSize]byte
	n, err := fd.ReadAt(buf[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return ParseRecords(buf[:n]), nil
}

// Zero fills the file with zeros: no host is known to time out.
func Zero(fd sys.FD) error {
	_, err := fd.WriteAt(make([]byte, FileSize), 0)
	return err
}

// Reset fills the file with zeros without locking it: what qmail-rspawn does
// when it starts and nobody else should be using it. A missing file stays
// missing.
func Reset(dir *sys.Dir) error {
	fd, err := dir.Open(queue.LockTcpto, sys.WriteOnly|sys.NonBlock, 0)
	if err != nil {
		return err
	}
	err = Zero(fd)
	if cerr := fd.Close(); err == nil {
		err = cerr
	}
	return err
}
