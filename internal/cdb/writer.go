package cdb

import (
	"bufio"
	"io"
)

// A Writer makes a database. Records are written as they come; the hash tables
// stay in memory, 8 bytes per record, until Close.
type Writer struct {
	w     io.WriteSeeker
	buf   *bufio.Writer
	pos   uint64 // where the next record goes
	count uint64 // records so far
	slots [tables][]slot
	err   error // the first write error; nothing works after it
}

type slot struct{ hash, pos uint32 }

// NewWriter starts a database at the beginning of w, which should be empty.
func NewWriter(w io.WriteSeeker) (*Writer, error) {
	if _, err := w.Seek(headerSize, io.SeekStart); err != nil {
		return nil, err
	}
	return &Writer{w: w, buf: bufio.NewWriter(w), pos: headerSize}, nil
}

// Put appends a record. Keys may repeat: Get finds the first, an Iterator all.
// The error is ErrTooMuchData or what the io.WriteSeeker returned; after the
// latter the file is useless.
func (w *Writer) Put(key, value []byte) error {
	if w.err != nil {
		return w.err
	}
	next := w.pos + pairSize + uint64(len(key)) + uint64(len(value))
	// Two slots for each record come after the records.
	if next+2*pairSize*(w.count+1) > maxSize {
		return ErrTooMuchData
	}
	h := Hash(key)
	w.slots[h%tables] = append(w.slots[h%tables], slot{h, uint32(w.pos)})
	w.writePair(uint32(len(key)), uint32(len(value)))
	w.write(key)
	w.write(value)
	w.pos, w.count = next, w.count+1
	return w.err
}

// Close writes the hash tables and then, last of all, the header; it neither
// closes nor syncs the file. Until Close has returned nil the file has no
// header and no reader takes it for a database.
func (w *Writer) Close() error {
	var header [headerSize]byte
	for i, s := range w.slots {
		n := 2 * len(s)
		putPair(header[i*pairSize:], uint32(w.pos), uint32(n))
		w.writeTable(s, n)
	}
	if w.err == nil {
		w.err = w.buf.Flush()
	}
	if w.err == nil {
		_, w.err = w.w.Seek(0, io.SeekStart)
	}
	if w.err == nil {
		_, w.err = w.w.Write(header[:])
	}
	return w.err
}

// writeTable writes one hash table with n slots for the records in s.
func (w *Writer) writeTable(s []slot, n int) {
	filled := make([]slot, n)
	for _, e := range s {
		i := start(e.hash, uint32(n))
		for filled[i].pos != 0 {
			if i++; i == uint32(n) {
				i = 0
			}
		}
		filled[i] = e
	}
	for _, e := range filled {
		w.writePair(e.hash, e.pos)
	}
	w.pos += uint64(n) * pairSize
}

func (w *Writer) writePair(x, y uint32) {
	var b [pairSize]byte
	putPair(b[:], x, y)
	w.write(b[:])
}

func (w *Writer) write(b []byte) {
	if w.err == nil {
		_, w.err = w.buf.Write(b)
	}
}
