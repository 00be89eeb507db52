package analog

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"

	"goqmail/internal/tai64n"
)

// sums is what is added up under one key: up to columns numbers, and times.
type sums struct {
	n     [columns]float64 // whole numbers are exact up to 2^53
	delay tai64n.Span
}

// columns is how many numbers the widest report adds up.
const columns = 6

// add adds what was found under the same key elsewhere.
func (s *sums) add(t *sums) {
	for i := range s.n {
		s.n[i] += t.n[i]
	}
	s.delay = s.delay.Plus(t.delay)
}

// sumsSize is the size of sums in a temporary file.
const sumsSize = 8*columns + 16

// appendTo adds the sums as bytes.
func (s *sums) appendTo(b []byte) []byte {
	for _, n := range s.n {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(n))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(s.delay.Sec))
	return binary.BigEndian.AppendUint64(b, uint64(s.delay.Nano))
}

// setFrom is the opposite; b has sumsSize bytes.
func (s *sums) setFrom(b []byte) {
	word := func(i int) uint64 { return binary.BigEndian.Uint64(b[8*i:]) }
	for i := range s.n {
		s.n[i] = math.Float64frombits(word(i))
	}
	s.delay = tai64n.Span{Sec: int64(word(columns)), Nano: int64(word(columns + 1))}
}

// size limits a tally's memory.
type size struct{ bytes, keys int }

// tallySize is what one tally holds before it goes on in a file: about 11 MB
// altogether, and a report has two.
func tallySize() size { return size{bytes: 5 << 20, keys: 1 << 16} }

// A tally adds up sums under keys. When it holds as many as it may, it writes
// them, sorted, to a temporary file and begins again; each puts all together.
// So its memory has a limit, however many keys there are; the file needs, for
// each key, the key and 68 bytes, twice or more often for many millions.
type tally struct {
	max   size
	bytes []byte   // the keys, one after the other
	ends  []int    // where in bytes each key ends
	sums  []sums   // of each key
	slots []uint32 // hash table of numbers of keys, plus one; 0: empty
	seed  maphash.Seed
	spill *spill
}

// newTally makes a tally that uses spill when it is full.
func newTally(max size, s *spill) *tally {
	return &tally{max: max, seed: maphash.MakeSeed(), spill: s}
}

// key is the i-th key.
func (t *tally) key(i int) []byte {
	if i == 0 {
		return t.bytes[:t.ends[0]]
	}
	return t.bytes[t.ends[i-1]:t.ends[i]]
}

// at gives the sums of a key, to be added to before the next call.
func (t *tally) at(key []byte) (*sums, error) {
	if t.slots == nil { // made once: nothing of this grows later but by append
		t.slots = make([]uint32, 2*t.max.keys)
	}
	h := int(maphash.Bytes(t.seed, key) % uint64(len(t.slots)))
	for ; t.slots[h] != 0; h = (h + 1) % len(t.slots) {
		if i := int(t.slots[h] - 1); bytes.Equal(t.key(i), key) {
			return &t.sums[i], nil
		}
	}
	if len(t.sums) == t.max.keys || len(t.sums) > 0 && len(t.bytes)+len(key) > t.max.bytes {
		if err := t.flush(); err != nil {
			return nil, err
		}
		return t.at(key)
	}
	t.bytes = append(t.bytes, key...)
	t.ends = append(t.ends, len(t.bytes))
	t.sums = append(t.sums, sums{})
	t.slots[h] = uint32(len(t.sums))
	return &t.sums[len(t.sums)-1], nil
}

// sorted is the order of keys, as bytes.
func (t *tally) sorted() []int {
	order := make([]int, len(t.sums))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(t.key(a), t.key(b)) })
	return order
}

// flush writes everything to the file and forgets it.
func (t *tally) flush() error {
	if len(t.sums) == 0 {
		return nil
	}
	w, err := t.spill.begin()
	if err != nil {
		return err
	}
	for _, i := range t.sorted() {
		if err := w.put(t.key(i), &t.sums[i]); err != nil {
			return err
		}
	}
	t.bytes, t.ends, t.sums = t.bytes[:0], t.ends[:0], t.sums[:0]
	clear(t.slots)
	return w.end(0)
}

// each calls f with each key and its sums, in the order of keys, and leaves the
// tally empty.
func (t *tally) each(f func(key []byte, s *sums) error) error {
	if t.spill.empty() {
		for _, i := range t.sorted() {
			if err := f(t.key(i), &t.sums[i]); err != nil {
				return err
			}
		}
		*t = tally{}
		return nil
	}
	if err := t.flush(); err != nil {
		return err
	}
	s := t.spill
	*t = tally{} // the memory is for what f does
	return s.merge(s.runs, f)
}
