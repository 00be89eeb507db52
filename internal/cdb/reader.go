package cdb

import (
	"bytes"
	"errors"
	"io"
	"math"
)

// slotBatch is the number of slots read at once: most searches end in the first
// batch.
const slotBatch = 16

// A CDB is an open constant database. Any number of goroutines may use it at
// the same time if its io.ReaderAt allows that.
type CDB struct {
	r      io.ReaderAt
	size   int64
	tables [tables]table
}

type table struct{ pos, slots uint32 }

// New reads the header of a database of the given size in bytes, as fstat
// reports it. A file that is too short, or in which a hash table lies outside
// the file, gives an error that wraps ErrFormat; so a file that was cut is
// noticed before any key is looked up. Nothing beyond size is ever read, and no
// search takes longer than one walk through its table.
func New(r io.ReaderAt, size int64) (*CDB, error) {
	db := &CDB{r: r, size: size}
	if size < headerSize {
		return nil, formatError("%d bytes, header needs %d", size, headerSize)
	}
	var header [headerSize]byte
	if err := db.readAt(header[:], 0); err != nil {
		return nil, err
	}
	for i := range db.tables {
		t := &db.tables[i]
		t.pos, t.slots = pair(header[i*pairSize:])
		if t.slots > 0 && !db.inside(uint64(t.pos), uint64(t.slots)*pairSize) {
			return nil, formatError("table %d at %d with %d slots is not inside %d bytes", i, t.pos, t.slots, size)
		}
	}
	return db, nil
}

// inside tells whether n bytes at pos lie after the header and within the file.
func (db *CDB) inside(pos, n uint64) bool {
	return pos >= headerSize && pos+n <= uint64(db.size)
}

// readAt fills b from pos. A file that shrank since New gives ErrFormat.
func (db *CDB) readAt(b []byte, pos int64) error {
	n, err := db.r.ReadAt(b, pos)
	if n == len(b) {
		return nil // io.EOF together with all bytes is no error
	}
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return formatError("file ends at %d", pos+int64(n))
	}
	return err
}

// Get returns the data of the first record with this key; found is false if
// there is none. Empty data is a found record with no bytes. The slice belongs
// to the caller.
func (db *CDB) Get(key []byte) (data []byte, found bool, err error) {
	h := Hash(key)
	t := db.tables[h%tables]
	if t.slots == 0 {
		return nil, false, nil
	}
	slot := start(h, t.slots)
	var batch [slotBatch * pairSize]byte
	for left := t.slots; left > 0; {
		n := min(slotBatch, left, t.slots-slot) // up to the end of the table
		b := batch[:n*pairSize]
		if err := db.readAt(b, int64(t.pos)+int64(slot)*pairSize); err != nil {
			return nil, false, err
		}
		for ; len(b) > 0; b = b[pairSize:] {
			hash, pos := pair(b)
			if pos == 0 {
				return nil, false, nil
			}
			if hash != h {
				continue
			}
			if data, found, err = db.match(pos, key); found || err != nil {
				return data, found, err
			}
		}
		left -= n
		if slot += n; slot == t.slots {
			slot = 0
		}
	}
	return nil, false, nil
}

// match returns the data of the record at pos if its key is key.
func (db *CDB) match(pos uint32, key []byte) (data []byte, found bool, err error) {
	klen, dlen, err := db.lengths(pos)
	if err != nil || uint64(klen) != uint64(len(key)) {
		return nil, false, err
	}
	k, err := db.bytes(int64(pos)+pairSize, klen)
	if err != nil || !bytes.Equal(k, key) {
		return nil, false, err
	}
	data, err = db.bytes(int64(pos)+pairSize+int64(klen), dlen)
	return data, err == nil, err
}

// lengths reads the two lengths of the record at pos and checks that the whole
// record lies inside the file.
func (db *CDB) lengths(pos uint32) (klen, dlen uint32, err error) {
	if !db.inside(uint64(pos), pairSize) {
		return 0, 0, formatError("record at %d is not inside %d bytes", pos, db.size)
	}
	var b [pairSize]byte
	if err := db.readAt(b[:], int64(pos)); err != nil {
		return 0, 0, err
	}
	klen, dlen = pair(b[:])
	if !db.inside(uint64(pos), pairSize+uint64(klen)+uint64(dlen)) {
		return 0, 0, formatError("record at %d with %d and %d bytes is not inside %d bytes", pos, klen, dlen, db.size)
	}
	return klen, dlen, nil
}

// bytes reads n bytes at pos; the caller has checked that they are inside.
func (db *CDB) bytes(pos int64, n uint32) ([]byte, error) {
	if uint64(n) > math.MaxInt-pairSize {
		return nil, formatError("%d bytes at %d do not fit in memory", n, pos)
	}
	b := make([]byte, n)
	return b, db.readAt(b, pos)
}

// An Iterator walks over the records in the order in which they were put in,
// equal keys included.
//
//	for it := db.Iter(); it.Next(); {
//		use(it.Key(), it.Value())
//	}
//	if it.Err() != nil ...
type Iterator struct {
	db         *CDB
	pos, end   uint64
	key, value []byte
	err        error
}

// Iter starts before the first record. As in C's cdbdump the records end where
// table 0 begins.
func (db *CDB) Iter() *Iterator {
	it := &Iterator{db: db, pos: headerSize, end: uint64(db.tables[0].pos)}
	if it.end < headerSize || it.end > uint64(db.size) {
		it.err = formatError("records end at %d of %d bytes", it.end, db.size)
	}
	return it
}

// Next moves to the next record. It is false after the last one and on an
// error.
func (it *Iterator) Next() bool {
	if it.err != nil || it.pos >= it.end {
		return false
	}
	klen, dlen, err := it.db.lengths(uint32(it.pos))
	next := it.pos + pairSize + uint64(klen) + uint64(dlen)
	if err == nil && next > it.end {
		err = formatError("record at %d runs into the tables at %d", it.pos, it.end)
	}
	if err == nil {
		it.key, err = it.db.bytes(int64(it.pos)+pairSize, klen)
	}
	if err == nil {
		it.value, err = it.db.bytes(int64(it.pos)+pairSize+int64(klen), dlen)
	}
	it.pos, it.err = next, err
	return err == nil
}

// Key is the current record's key. It belongs to the caller.
func (it *Iterator) Key() []byte { return it.key }

// Value is the current record's data. It belongs to the caller.
func (it *Iterator) Value() []byte { return it.value }

// Err is what ended the walk early, nil after a complete one.
func (it *Iterator) Err() error { return it.err }
