// Package cdb reads and writes constant databases: files that map keys to
// data, are written once and are then only read.
//
// users/cdb, control/morercpthosts.cdb and the rules of tcpserver are such
// files. The layout is D. J. Bernstein's, so C programs read ours and we read
// theirs. All numbers are 32 bits, little-endian; positions count from the
// start of the file:
//
//	0..2047   256 pairs (position of hash table, number of its slots)
//	2048..    records: key length, data length, key, data; in input order
//	then      the hash tables 0 to 255, slots of (hash, position of record);
//	          a slot whose position is zero is free
//
// A key with hash h belongs to table h mod 256; the search starts at slot
// (h/256) mod slots and goes on slot by slot, with wrap, to the key or to a
// free slot. The Writer gives each table two slots per record and fills them in
// input order, so of equal keys the first is found. An empty table has the
// position at which it would stand. No file is over 4 GiB.
//
// The package does no I/O of its own: it reads from an io.ReaderAt and writes
// to an io.WriteSeeker. Spec: spec/local.md, section 8.
package cdb

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	tables     = 256        // number of hash tables
	headerSize = tables * 8 // bytes before the first record
	pairSize   = 8          // a table pair, a slot, or the lengths of a record
	maxSize    = 1<<32 - 1  // a position must fit in 32 bits
	hashStart  = 5381       // hash of the empty key
)

// ErrFormat is what every error about the contents of a file wraps: a file that
// is no constant database, is cut short, or contradicts itself. Read errors of
// the io.ReaderAt are returned as they are.
var ErrFormat = errors.New("not a sound cdb file")

// ErrTooMuchData says that the next record would make the file larger than
// 4 GiB. The Writer stays usable; the record is not in it.
var ErrTooMuchData = errors.New("cdb file would be over 4 GiB")

// Hash is the hash of a key: from 5381, for each byte h = (h*33) xor byte, in
// 32 bits. Any value can occur, also zero.
func Hash(key []byte) uint32 {
	h := uint32(hashStart)
	for _, c := range key {
		h = (h + h<<5) ^ uint32(c)
	}
	return h
}

// start is the slot at which the search for hash h begins in a table of n > 0
// slots.
func start(h, n uint32) uint32 { return (h / tables) % n }

// pair decodes two numbers; putPair encodes them.
func pair(b []byte) (uint32, uint32) {
	return binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
}

func putPair(b []byte, x, y uint32) {
	binary.LittleEndian.PutUint32(b, x)
	binary.LittleEndian.PutUint32(b[4:], y)
}

// formatError makes an error that wraps ErrFormat and says what is wrong.
func formatError(what string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(what, args...))
}
