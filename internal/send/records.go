package send

import (
	"bufio"
	"errors"
	"io"
	"math"

	"goqmail/internal/queue"
	"goqmail/internal/sys"
)

// maxRecord is the longest record that is read, in bytes. qmail-queue lets
// addresses of 1002 bytes through and a prepend comes on top; whatever is
// longer than this was not written by the suite.
const maxRecord = 1 << 20

// errLong is returned for a record longer than maxRecord, errContent for an
// info file that does not hold a sender.
var (
	errLong    = errors.New("record too long")
	errContent = errors.New("no sender in the info file")
)

// A records reads the records of a file in todo/, info/, local/ or remote/ one
// by one and knows where each begins.
type records struct {
	r      *bufio.Reader
	offset int64 // of the next record
}

func newRecords(r io.Reader) *records { return &records{r: bufio.NewReaderSize(r, 2048)} }

// newRecordsFrom begins at an offset, which a record begins at.
func newRecordsFrom(r io.ReaderAt, offset int64) *records {
	f := newRecords(io.NewSectionReader(r, offset, math.MaxInt64-offset))
	f.offset = offset
	return f
}

// next returns the next record and its offset. The end of the file is io.EOF,
// also after a tail without its NUL, which is ignored.
func (f *records) next() (rec queue.Record, at int64, err error) {
	var long []byte
	b, err := f.r.ReadSlice(0)
	for err == bufio.ErrBufferFull {
		if long = append(long, b...); len(long) > maxRecord {
			return rec, f.offset, errLong
		}
		b, err = f.r.ReadSlice(0)
	}
	if err != nil {
		return rec, f.offset, err
	}
	if long != nil {
		b = append(long, b...)
	}
	at = f.offset
	f.offset += int64(len(b))
	rec, _, _ = queue.NextRecord(b)
	return rec, at, nil
}

// open opens a file of the queue for reading; a FIFO in its place does not
// block.
func (s *server) open(path string) (sys.FD, error) {
	return s.queue.Open(path, sys.ReadOnly|sys.NonBlock, 0)
}

// readInfo reads a message's sender and its birth, the mtime of its info file.
// An error of the system is *sys.Error; a file without a sender is errContent.
func (s *server) readInfo(id queue.ID) (sender string, birth int64, err error) {
	fd, err := s.open(queue.Info.Path(id))
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = fd.Close() }() // read only
	st, err := fd.Stat()
	if err != nil {
		return "", 0, err
	}
	rec, _, err := newRecords(fd).next()
	switch {
	case err == io.EOF || err == nil && rec.Letter != queue.LetterSender:
		return "", 0, errContent
	case err != nil:
		return "", 0, err
	}
	return rec.Text, st.Mtime, nil
}

// exists tells whether a file is there. A failure other than "not there" is an
// error, and means that nobody knows.
func (s *server) exists(path string) (bool, error) {
	_, err := s.queue.Stat(path)
	if sys.IsNotExist(err) {
		return false, nil
	}
	return err == nil, err
}
