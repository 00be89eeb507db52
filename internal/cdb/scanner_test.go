package cdb

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"
)

// scan reads the records of b one after the other.
func scan(r io.Reader) (got []string, err error) {
	s := NewScanner(r)
	for s.Next() {
		got = append(got, string(s.Key())+"="+string(s.Value()))
	}
	if s.Next() {
		got = append(got, "Next goes on after the end")
	}
	return got, s.Err()
}

func TestScanner(t *testing.T) {
	whole := build(t, []record{{"a", "one"}, {"a", ""}, {"", "xyz"}})
	all := []string{"a=one", "a=", "=xyz"}
	const tables = headerSize + 3*pairSize + 8
	change := func(at int, b ...byte) []byte {
		c := slices.Clone(whole)
		copy(c[at:], b)
		return c
	}
	tests := []struct {
		name string
		file []byte
		want []string
		ok   bool
	}{
		{"whole", whole, all, true},
		{"without tables", whole[:tables], all, true},
		{"cut in the last value", whole[:tables-1], all[:2], false},
		{"cut in the lengths", whole[:headerSize+pairSize+4+3], all[:1], false},
		{"header alone", whole[:headerSize], nil, false},
		{"short header", whole[:100], nil, false},
		{"empty", nil, nil, false},
		{"no records", change(0, 0, 8, 0, 0), nil, true},
		{"tables in the header", change(0, 255, 7, 0, 0), nil, false},
		{"tables within the last record", change(0, 0x1f, 8, 0, 0), all[:2], false},
		{"tables within lengths", change(0, 4, 8, 0, 0), nil, false},
		{"huge key", change(headerSize, 255, 255, 255, 255), nil, false},
		{"tables beyond the end", change(0, 255, 255, 255, 255)[:tables], all, false},
	}
	for _, tt := range tests {
		got, err := scan(iotest.HalfReader(bytes.NewReader(tt.file)))
		if !slices.Equal(got, tt.want) || (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %q, %v, want %q, %v", tt.name, got, err, tt.want, tt.ok)
		}
	}
	stop := errors.New("stop")
	for _, n := range []int{0, headerSize, headerSize + 3, headerSize + pairSize + 2} {
		_, err := scan(io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(stop)))
		if err != stop {
			t.Errorf("a read that fails after %d bytes: %v, want that error", n, err)
		}
	}
}

// FuzzScanner: of a sound file it gives what the Iterator gives.
func FuzzScanner(f *testing.F) {
	whole := build(f, []record{{"a", "one"}, {"a", ""}, {"", "xyz"}})
	f.Add(whole)
	f.Add(whole[:2060])
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := scan(bytes.NewReader(file))
		db, dberr := New(bytes.NewReader(file), int64(len(file)))
		if dberr != nil {
			return
		}
		var want []string
		it := db.Iter()
		for it.Next() {
			want = append(want, string(it.Key())+"="+string(it.Value()))
		}
		if it.Err() == nil && (err != nil || !slices.Equal(got, want)) {
			t.Errorf("Scanner gives %q, %v, Iterator %q", got, err, want)
		}
	})
}
