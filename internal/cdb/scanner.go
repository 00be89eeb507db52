package cdb

import (
	"bytes"
	"errors"
	"io"
)

// A Scanner reads the records of a database one after the other, in the order in
// which they were put in, from something that cannot be sought in, such as a
// pipe. It looks at no hash table, so it shows what is left of a file whose
// tables are cut off. Memory is that of the longest record that is really there.
type Scanner struct {
	r          io.Reader
	left       uint64 // bytes of records still to come
	started    bool
	key, value bytes.Buffer
	err        error
}

// NewScanner starts at the beginning of a database; it reads r in small pieces.
func NewScanner(r io.Reader) *Scanner { return &Scanner{r: r} }

// Next moves to the next record. It is false after the last one and on an error.
func (s *Scanner) Next() bool {
	if s.err == nil && !s.started {
		s.start()
	}
	if s.err != nil || s.left == 0 {
		return false
	}
	var lengths [pairSize]byte
	if s.left < pairSize {
		s.err = formatError("a record runs into the tables")
		return false
	}
	if s.err = full(io.ReadFull(s.r, lengths[:])); s.err != nil {
		return false
	}
	klen, dlen := pair(lengths[:])
	if s.left -= pairSize; uint64(klen)+uint64(dlen) > s.left {
		s.err = formatError("a record of %d and %d bytes runs into the tables", klen, dlen)
		return false
	}
	s.left -= uint64(klen) + uint64(dlen)
	if s.err = s.read(&s.key, klen); s.err == nil {
		s.err = s.read(&s.value, dlen)
	}
	return s.err == nil
}

// start reads the header.
func (s *Scanner) start() {
	s.started = true
	var header [headerSize]byte
	if s.err = full(io.ReadFull(s.r, header[:])); s.err != nil {
		return
	}
	end, _ := pair(header[:])
	if end < headerSize {
		s.err = formatError("records end at %d", end)
		return
	}
	s.left = uint64(end) - headerSize
}

// read reads n bytes into b, which grows with what comes, not with what n says.
func (s *Scanner) read(b *bytes.Buffer, n uint32) error {
	b.Reset()
	m, err := io.CopyN(b, s.r, int64(n))
	return full(int(m), err)
}

// full makes ErrFormat of an end that came too early.
func full(_ int, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return formatError("file ends early")
	}
	return err
}

// Key is the current record's key, until the next call of Next.
func (s *Scanner) Key() []byte { return s.key.Bytes() }

// Value is the current record's data, until the next call of Next.
func (s *Scanner) Value() []byte { return s.value.Bytes() }

// Err is what ended the reading early, nil after a complete one.
func (s *Scanner) Err() error { return s.err }
