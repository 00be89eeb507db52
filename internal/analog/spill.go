package analog

import (
	"bufio"
	"bytes"
	"container/heap"
	"encoding/binary"
	"io"
	"strconv"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// A spill is a temporary file with runs: records sorted by key, one run behind
// the other. The file has no name and is gone with the process. A record:
//
//	4 bytes       length of the key, big-endian
//	key
//	64 bytes      sums.appendTo
type spill struct {
	open func() (sys.FD, error)
	max  int // this many runs of one level become one of the next
	fd   sys.FD
	runs []spilled // in the order of their places; levels do not rise
	size int64
	used bool // fd is open
}

// spilled is a run in the file. Level 0 comes from memory, higher ones from
// merging.
type spilled struct {
	from, to int64
	level    int
}

// mergeMax is how many runs are read at once, and mergeBuffer the bytes that
// each reads ahead.
const (
	mergeMax    = 64
	mergeBuffer = 1 << 15
)

// newSpill makes a spill that opens its file when it is first needed.
func newSpill(p *prog.Process) *spill {
	return &spill{open: func() (sys.FD, error) { return tempFile(p) }, max: mergeMax}
}

// tempFile makes a file without a name below $TMPDIR, or /tmp.
func tempFile(p *prog.Process) (sys.FD, error) {
	path, _ := p.Env.Get("TMPDIR")
	if path == "" {
		path = "/tmp"
	}
	dir, err := sys.OpenDir(path)
	if err != nil {
		return -1, err
	}
	defer func() { _ = dir.Close() }() // read only
	for i := 0; ; i++ {
		name := ".matchup." + strconv.Itoa(sys.Getpid()) + "." + strconv.Itoa(i)
		fd, err := dir.Open(name, sys.ReadWrite|sys.Create|sys.Exclusive|sys.NoFollow, 0o600)
		if sys.IsExist(err) && i < nameTries {
			continue
		}
		if err != nil {
			return -1, err
		}
		if err := dir.Unlink(name); err != nil {
			_ = fd.Close() // nothing is in it
			return -1, err
		}
		return fd, nil
	}
}

// nameTries is how many names others may have taken.
const nameTries = 1000

func (s *spill) empty() bool { return len(s.runs) == 0 }

// close gives the file back.
func (s *spill) close() {
	if s.used {
		_ = s.fd.Close() // nobody needs it any more
	}
}

// A runWriter writes one run.
type runWriter struct {
	s    *spill
	from int64
	w    *bufio.Writer
	file *sys.FileWriter
	buf  []byte
}

// begin begins a run at the end of the file.
func (s *spill) begin() (*runWriter, error) {
	if !s.used {
		fd, err := s.open()
		if err != nil {
			return nil, fail("unable to create temporary file", err)
		}
		s.fd, s.used = fd, true
	}
	if _, err := s.fd.Seek(s.size, io.SeekStart); err != nil {
		return nil, spillFailed(err)
	}
	file := &sys.FileWriter{FD: s.fd, Pos: s.size, Limit: sys.FileSizeLimit()}
	return &runWriter{s: s, from: s.size, w: bufio.NewWriterSize(file, bufferSize), file: file}, nil
}

func spillFailed(err error) error { return fail("unable to write temporary file", err) }

// put adds a record; keys must rise.
func (w *runWriter) put(key []byte, s *sums) error {
	w.buf = binary.BigEndian.AppendUint32(w.buf[:0], uint32(len(key)))
	w.buf = s.appendTo(append(w.buf, key...))
	_, err := w.w.Write(w.buf)
	return spillFailed(err)
}

// end makes what was put a run of this level, and merges runs when there are
// many.
func (w *runWriter) end(level int) error {
	if err := w.w.Flush(); err != nil {
		return spillFailed(err)
	}
	s := w.s
	s.size = w.file.Pos
	s.runs = append(s.runs, spilled{w.from, s.size, level})
	first := len(s.runs)
	for first > 0 && s.runs[first-1].level == level {
		first--
	}
	if len(s.runs)-first < s.max {
		return nil
	}
	many := s.runs[first:]
	s.runs = s.runs[:first:first]
	one, err := s.begin()
	if err != nil {
		return err
	}
	if err := s.merge(many, one.put); err != nil {
		return err
	}
	return one.end(level + 1)
}

// A runReader reads a run; it stands at a record.
type runReader struct {
	r    *bufio.Reader
	head [4]byte
	key  []byte
	sums sums
	raw  [sumsSize]byte
}

// next goes to the next record; io.EOF behind the last.
func (r *runReader) next() error {
	if _, err := io.ReadFull(r.r, r.head[:]); err != nil {
		return err
	}
	n := int(binary.BigEndian.Uint32(r.head[:]))
	if n > cap(r.key) {
		r.key = make([]byte, n)
	}
	r.key = r.key[:n]
	if _, err := io.ReadFull(r.r, r.key); err != nil {
		return err
	}
	if _, err := io.ReadFull(r.r, r.raw[:]); err != nil {
		return err
	}
	r.sums.setFrom(r.raw[:])
	return nil
}

// readers is a heap of the runs that are not at their end, smallest key first.
type readers []*runReader

func (h readers) Len() int           { return len(h) }
func (h readers) Less(i, j int) bool { return bytes.Compare(h[i].key, h[j].key) < 0 }
func (h readers) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *readers) Push(x any)        { *h = append(*h, x.(*runReader)) }
func (h *readers) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// advance takes the first reader to its next record, or out of the heap.
func (h *readers) advance() error {
	switch err := (*h)[0].next(); err {
	case nil:
		heap.Fix(h, 0)
	case io.EOF:
		heap.Pop(h)
	default:
		return fail("unable to read temporary file", err)
	}
	return nil
}

// merge calls f with each key of the runs and its sums, in the order of keys.
func (s *spill) merge(runs []spilled, f func(key []byte, s *sums) error) error {
	var h readers
	for _, run := range runs {
		r := &runReader{r: bufio.NewReaderSize(io.NewSectionReader(s.fd, run.from, run.to-run.from), mergeBuffer)}
		h = append(h, r)
		if err := r.next(); err != nil { // a run is never empty
			return fail("unable to read temporary file", err)
		}
	}
	heap.Init(&h)
	var key []byte
	for len(h) > 0 {
		key = append(key[:0], h[0].key...)
		total := h[0].sums
		if err := h.advance(); err != nil {
			return err
		}
		for len(h) > 0 && bytes.Equal(h[0].key, key) {
			total.add(&h[0].sums)
			if err := h.advance(); err != nil {
				return err
			}
		}
		if err := f(key, &total); err != nil {
			return err
		}
	}
	return nil
}
