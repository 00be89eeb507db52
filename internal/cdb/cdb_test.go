package cdb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
)

// file is a file in memory: what a Writer writes to and a CDB reads from.
type file struct {
	b     []byte
	pos   int
	limit int // writes beyond it fail; 0: no limit
}

var errFull = errors.New("disk full")

func (f *file) Write(p []byte) (int, error) {
	if f.limit > 0 && f.pos+len(p) > f.limit {
		return 0, errFull
	}
	if n := f.pos + len(p); n > len(f.b) {
		f.b = append(f.b, make([]byte, n-len(f.b))...)
	}
	f.pos += copy(f.b[f.pos:], p)
	return len(p), nil
}

func (f *file) Seek(off int64, whence int) (int64, error) {
	if whence != io.SeekStart {
		return 0, errors.New("only from the start")
	}
	f.pos = int(off)
	return off, nil
}

type record struct{ key, value string }

// build makes a database of records.
func build(t testing.TB, records []record) []byte {
	t.Helper()
	var f file
	w, err := NewWriter(&f)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := w.Put([]byte(r.key), []byte(r.value)); err != nil {
			t.Fatalf("Put(%q) = %v", r.key, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return f.b
}

func open(t testing.TB, b []byte) *CDB {
	t.Helper()
	db, err := New(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// Keys with hash 0: a reader that takes hash zero for a free slot loses them.
const zeroA, zeroB = "m2kyjq3", "m2kyjwu"

func TestHash(t *testing.T) {
	for key, want := range map[string]uint32{"": 5381, "a": 177604, zeroA: 0, zeroB: 0} {
		if got := Hash([]byte(key)); got != want {
			t.Errorf("Hash(%q) = %d, want %d", key, got, want)
		}
	}
}

var tests = []struct {
	name    string
	records []record
	absent  []string
}{
	{"empty", nil, []string{"", "a", zeroA}},
	{"empty key", []record{{"", "x"}}, []string{"a", "\x00"}},
	{"empty data", []record{{"a", ""}}, []string{"", "b"}},
	{"first of equal keys", []record{{"a", "1"}, {"b", "2"}, {"a", "3"}}, []string{"c"}},
	{"hash zero", []record{{zeroA, "1"}, {"x", "2"}, {zeroB, "3"}}, []string{"m2kyjq4"}},
	{"only hash zero", []record{{zeroB, "3"}}, []string{zeroA}},
	{"any bytes", []record{{"\x00\xff\n", "\x00\x00"}, {"\x00\xff", "y"}}, []string{"\x00"}},
	{"one table, wrap", sameTable(40), []string{"nothing"}},
}

// sameTable makes n records that all belong to table 0.
func sameTable(n int) (out []record) {
	for i := 0; len(out) < n; i++ {
		key := fmt.Sprint("key", i)
		if Hash([]byte(key))%tables == 0 {
			out = append(out, record{key, fmt.Sprint(i)})
		}
	}
	return out
}

func TestRoundTrip(t *testing.T) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check(t, tt.records, build(t, tt.records))
			db := open(t, build(t, tt.records))
			for _, key := range tt.absent {
				if data, found, err := db.Get([]byte(key)); found || err != nil {
					t.Errorf("Get(%q) = %q, %v, %v, want not found", key, data, found, err)
				}
			}
		})
	}
}

// check holds the property of the package: each key is found with the data of
// its first record, and an Iterator gives all records in order.
func check(t *testing.T, records []record, b []byte) {
	t.Helper()
	db := open(t, b)
	first := make(map[string]string)
	for _, r := range records {
		if _, ok := first[r.key]; !ok {
			first[r.key] = r.value
		}
		data, found, err := db.Get([]byte(r.key))
		if err != nil || !found || string(data) != first[r.key] {
			t.Errorf("Get(%q) = %q, %v, %v, want %q", r.key, data, found, err, first[r.key])
		}
	}
	n := 0
	it := db.Iter()
	for ; it.Next(); n++ {
		if n >= len(records) || string(it.Key()) != records[n].key || string(it.Value()) != records[n].value {
			t.Fatalf("record %d is %q %q", n, it.Key(), it.Value())
		}
	}
	if it.Err() != nil || n != len(records) {
		t.Errorf("%d records, error %v, want %d records", n, it.Err(), len(records))
	}
}

// TestSameBytesAsC rewrites a file that notqmail 1.09's qmail-newu made.
func TestSameBytesAsC(t *testing.T) {
	want, err := os.ReadFile("testdata/newu-notqmail-1.09.cdb")
	if err != nil {
		t.Fatal(err)
	}
	var records []record
	it := open(t, want).Iter()
	for it.Next() {
		records = append(records, record{string(it.Key()), string(it.Value())})
	}
	if it.Err() != nil || len(records) != 10 {
		t.Fatalf("%d records, error %v", len(records), it.Err())
	}
	if got := build(t, records); !bytes.Equal(got, want) {
		t.Errorf("our file of %d bytes differs from C's of %d bytes", len(got), len(want))
	}
}

func TestUnsound(t *testing.T) {
	good := build(t, []record{{"a", "1"}, {"b", "22"}})
	edit := func(pos int, x uint32) []byte {
		b := bytes.Clone(good)
		b[pos], b[pos+1], b[pos+2], b[pos+3] = byte(x), byte(x>>8), byte(x>>16), byte(x>>24)
		return b
	}
	header := int(Hash([]byte("a"))%tables) * pairSize
	slotPos := func() int { p, _ := pair(good[header:]); return int(p) }()
	if _, pos := pair(good[slotPos:]); pos == 0 {
		slotPos += pairSize
	}
	tests := []struct {
		name string
		b    []byte
	}{
		{"no bytes", nil},
		{"short header", good[:headerSize-1]},
		{"header only", good[:headerSize]},
		{"last slot cut", good[:len(good)-1]},
		{"table before the records", edit(header, 8)},
		{"table beyond the end", edit(header, uint32(len(good)))},
		{"table too large", edit(header+4, 1<<31)},
		{"record in the header", edit(slotPos+4, 4)},
		{"record beyond the end", edit(slotPos+4, 1<<32-1)},
		{"key too long", edit(headerSize, 1<<32-1)},
		{"data too long", edit(headerSize+4, uint32(len(good)))},
	}
	for _, tt := range tests {
		db, err := New(bytes.NewReader(tt.b), int64(len(tt.b)))
		if err == nil {
			_, _, err = db.Get([]byte("a"))
		}
		if !errors.Is(err, ErrFormat) {
			t.Errorf("%s: error %v, want ErrFormat", tt.name, err)
		}
	}
}

// TestIteratorUnsound: what an Iterator alone can see.
func TestIteratorUnsound(t *testing.T) {
	good := build(t, []record{{"a", "1"}, {"b", "22"}})
	for name, edit := range map[string]func(b []byte){
		"end in the header":  func(b []byte) { putPair(b, 7, 0) },
		"end beyond":         func(b []byte) { putPair(b, uint32(len(b)+1), 0) },
		"record across end":  func(b []byte) { putPair(b, headerSize+9, 0) },
		"length beyond file": func(b []byte) { putPair(b[headerSize:], 1<<31, 1<<31) },
	} {
		b := bytes.Clone(good)
		edit(b)
		it := open(t, b).Iter()
		for it.Next() {
		}
		if !errors.Is(it.Err(), ErrFormat) {
			t.Errorf("%s: error %v, want ErrFormat", name, it.Err())
		}
	}
}

// A brokenReader fails with an error of its own from byte fail on.
type brokenReader struct {
	b    []byte
	fail int64
	err  error
}

func (r brokenReader) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > r.fail {
		return 0, r.err
	}
	return copy(p, r.b[off:]), nil
}

func TestReadErrors(t *testing.T) {
	good := build(t, []record{{"a", "1"}})
	errIO := errors.New("input/output error")
	for fail := int64(0); fail < int64(len(good)); fail += 3 {
		db, err := New(brokenReader{good, fail, errIO}, int64(len(good)))
		if err == nil {
			_, _, err = db.Get([]byte("a"))
		}
		if !errors.Is(err, errIO) {
			t.Fatalf("read fails at %d: error %v, want the reader's", fail, err)
		}
	}
	// The file shrank after New.
	db, err := New(brokenReader{good, headerSize, io.EOF}, int64(len(good)))
	if err == nil {
		_, _, err = db.Get([]byte("a"))
	}
	if !errors.Is(err, ErrFormat) {
		t.Errorf("shrunken file: error %v, want ErrFormat", err)
	}
}

func TestWriteErrors(t *testing.T) {
	size := len(build(t, sameTable(600)))
	for _, limit := range []int{headerSize, headerSize + 5000, size - 1} {
		w, err := NewWriter(&file{limit: limit})
		for _, r := range sameTable(600) {
			if err == nil {
				err = w.Put([]byte(r.key), []byte(r.value))
			}
		}
		if err == nil {
			err = w.Close()
		}
		if err != errFull {
			t.Errorf("limit %d: error %v, want %v", limit, err, errFull)
		}
		if err := w.Put(nil, nil); err != errFull {
			t.Errorf("limit %d: Put after the failure = %v", limit, err)
		}
	}
}

// sink takes any number of bytes and keeps none.
type sink struct{}

func (sink) Write(p []byte) (int, error)          { return len(p), nil }
func (sink) Seek(off int64, _ int) (int64, error) { return off, nil }

func TestTooMuchData(t *testing.T) {
	w, err := NewWriter(sink{})
	if err != nil {
		t.Fatal(err)
	}
	value := make([]byte, 1<<28)
	n := 0
	for ; err == nil; n++ {
		err = w.Put([]byte("k"), value)
	}
	if err != ErrTooMuchData || n != 16 {
		t.Fatalf("record %d: error %v, want ErrTooMuchData at record 16", n, err)
	}
	// A record that fits may still follow; the file then ends at most at 4 GiB.
	rest := maxSize - w.pos - 2*pairSize*(w.count+1) - pairSize
	if err := w.Put(nil, value[:rest+1]); err != ErrTooMuchData {
		t.Errorf("one byte too many: error %v", err)
	}
	if err := w.Put(nil, value[:rest]); err != nil {
		t.Errorf("just fitting: error %v", err)
	}
	if err := w.Close(); err != nil || w.pos != maxSize {
		t.Errorf("Close = %v, file of %d bytes, want %d", err, w.pos, uint64(maxSize))
	}
}

// FuzzRoundTrip: what the Writer writes, the reader finds, and the same records
// give the same bytes. The input is cut at zero bytes into keys and data.
func FuzzRoundTrip(f *testing.F) {
	for _, tt := range tests {
		var b []byte
		for _, r := range tt.records {
			b = append(append(append(append(b, r.key...), 0), r.value...), 0)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var records []record
		parts := bytes.Split(in, []byte{0})
		for ; len(parts) >= 2; parts = parts[2:] {
			records = append(records, record{string(parts[0]), string(parts[1])})
		}
		b := build(t, records)
		check(t, records, b)
		if !bytes.Equal(b, build(t, records)) {
			t.Error("the same records gave other bytes")
		}
	})
}

// A boundedReader fails the test when it is asked for a byte outside its file
// or more often than a search may need.
type boundedReader struct {
	t     *testing.T
	b     []byte
	reads int
}

func (r *boundedReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > int64(len(r.b)) {
		r.t.Fatalf("read of %d bytes at %d in a file of %d", len(p), off, len(r.b))
	}
	r.reads++
	return copy(p, r.b[off:]), nil
}

// FuzzReader: arbitrary bytes never make the reader panic, loop, or read beyond
// the file; errors are ErrFormat; what Get finds is a record of the file.
func FuzzReader(f *testing.F) {
	for _, tt := range tests {
		f.Add(build(f, tt.records), []byte("a"))
	}
	f.Add([]byte("junk"), []byte(""))
	f.Fuzz(func(t *testing.T, b, key []byte) {
		r := &boundedReader{t: t, b: b}
		db, err := New(r, int64(len(b)))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("New: %v", err)
			}
			return
		}
		for _, k := range [][]byte{key, nil, []byte("a")} {
			r.reads = 0
			data, found, err := db.Get(k)
			if err != nil && !errors.Is(err, ErrFormat) {
				t.Fatalf("Get: %v", err)
			}
			if most := 4 * len(b); r.reads > most {
				t.Fatalf("%d reads in a file of %d bytes", r.reads, len(b))
			}
			if found && !bytes.Contains(b, append(bytes.Clone(k), data...)) {
				t.Fatalf("Get(%q) = %q, which is not in the file", k, data)
			}
		}
		it := db.Iter()
		n := 0
		for it.Next() {
			if n++; n > len(b)/pairSize {
				t.Fatal("more records than the file can hold")
			}
		}
		if it.Err() != nil && !errors.Is(it.Err(), ErrFormat) {
			t.Fatalf("Iterator: %v", it.Err())
		}
	})
}

func BenchmarkGet(b *testing.B) {
	records := sameTable(1000)
	db := open(b, build(b, records))
	for i := 0; b.Loop(); i++ {
		if _, found, _ := db.Get([]byte(records[i%len(records)].key)); !found {
			b.Fatal("lost")
		}
	}
}
