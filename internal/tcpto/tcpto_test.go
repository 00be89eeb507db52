package tcpto

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

var host = [4]byte{192, 0, 2, 1}

// clock is a clock that stands at sec.
func clock(sec int64) func() time.Time { return func() time.Time { return time.Unix(sec, 0) } }

// A file is lock/tcpto below a directory of its own.
type file struct {
	t    *testing.T
	path string
}

// newFile makes a queue that has nothing but a lock/tcpto with the bytes b.
func newFile(t *testing.T, b []byte) (file, *sys.Dir) {
	t.Helper()
	queue := t.TempDir()
	f := file{t, queue + "/lock/tcpto"}
	if err := os.Mkdir(queue+"/lock", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	dir, err := sys.OpenDir(queue)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	return f, dir
}

func (f file) read() string {
	f.t.Helper()
	b, err := os.ReadFile(f.path)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(b)
}

func (f file) remove() {
	f.t.Helper()
	if err := os.Remove(f.path); err != nil {
		f.t.Fatal(err)
	}
}

// full is a file with n records, filled up with zeros.
func full(records ...Record) []byte {
	var b []byte
	for _, r := range records {
		b = r.Append(b)
	}
	return append(b, make([]byte, FileSize-len(b))...)
}

func TestSkip(t *testing.T) {
	const now = 1_000_000_000
	at := func(age int64) uint32 { return uint32(now - age) }
	tests := []struct {
		name string
		r    Record
		pid  int
		want bool
	}{
		{"no record", Record{[4]byte{192, 0, 2, 2}, 5, at(10)}, 0, false},
		{"one time-out", Record{host, 1, at(10)}, 0, false},
		{"two", Record{host, 2, at(10)}, 0, true},
		{"cleared", Record{host, 0, at(10)}, 0, false},
		{"at the end, pid 0", Record{host, 2, at(3839)}, 0, true},
		{"over, pid 0", Record{host, 2, at(3840)}, 64, false},
		{"at the end, pid 31", Record{host, 10, at(5823)}, 31, true},
		{"over, pid 31", Record{host, 10, at(5824)}, 31, false},
		{"negative in C", Record{host, 200, at(10)}, 0, false},
		{"from the future", Record{host, 2, at(-100)}, 0, false},
	}
	for _, tt := range tests {
		_, dir := newFile(t, full(tt.r))
		if got := New(dir, tt.pid, clock(now)).Skip(host); got != tt.want {
			t.Errorf("%s: Skip = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestTimeout(t *testing.T) {
	const now = 1_000_000_000
	other := func(n, count byte, time uint32) Record { return Record{[4]byte{10, 0, 0, n}, count, time} }
	var crowd []Record
	for i := 0; i < 64; i++ {
		crowd = append(crowd, other(byte(i), 2, now-5000+uint32(i)))
	}
	crowd[7].Time = now - 9000 // with 8 more time-outs this is no longer the least
	crowd[7].Count = 10
	crowd[9].Count = 1
	tests := []struct {
		name   string
		before []byte
		index  int // of the changed record; -1: nothing changes
		want   Record
	}{
		{"first", full(), 0, Record{host, 1, now}},
		{"first free", full(other(1, 1, 5), other(2, 0, now), other(3, 0, 0)), 1, Record{host, 1, now}},
		{"again", full(other(1, 1, 5), Record{host, 1, now - 120}), 1, Record{host, 2, now}},
		{"again too soon", full(Record{host, 1, now - 119}), -1, Record{}},
		{"again after success", full(Record{host, 0, now - 3}), 0, Record{host, 1, now}},
		{"at most ten", full(Record{host, 10, now - 9999}), 0, Record{host, 10, now}},
		{"negative in C", full(Record{host, 129, now}), 0, Record{host, 1, now}},
		{"from the future", full(Record{host, 3, now + 500}), 0, Record{host, 4, now}},
		{"least useful goes", full(crowd...), 9, Record{host, 1, now}},
		{"empty file", nil, -1, Record{}},
		{"short file", other(1, 1, 5).Append(nil), 0, Record{host, 1, now}},
		{"torn record", full()[:RecordSize+5], 0, Record{host, 1, now}},
	}
	for _, tt := range tests {
		f, dir := newFile(t, tt.before)
		New(dir, 1, clock(now)).Timeout(host)
		want := bytes.Clone(tt.before)
		if tt.index >= 0 {
			copy(want[tt.index*RecordSize:], tt.want.Append(nil))
		}
		if got := f.read(); got != string(want) {
			t.Errorf("%s: file %q, want %q", tt.name, got, want)
		}
	}
}

func TestSuccess(t *testing.T) {
	const now = 1_000_000_000
	f, dir := newFile(t, full(Record{[4]byte{1, 1, 1, 1}, 3, 7}, Record{host, 2, now - 9000}))
	table := New(dir, 1, clock(now))
	before := f.read()
	table.Success(host) // not asked for before
	if after := f.read(); after != before {
		t.Errorf("Success without Skip changed the file to %q", after)
	}
	if table.Skip(host) {
		t.Error("an old record skips")
	}
	table.Success(host)
	want := string(full(Record{[4]byte{1, 1, 1, 1}, 3, 7}, Record{host, 0, now - 9000}))
	if after := f.read(); after != want {
		t.Errorf("Success made the file %q, want %q", after, want)
	}
	table.Success(host) // nothing left to clear
	if after := f.read(); after != want {
		t.Errorf("a second Success made the file %q, want %q", after, want)
	}
}

// TestTrouble: whatever is wrong with the file, it is as if it were empty.
func TestTrouble(t *testing.T) {
	for name, spoil := range map[string]func(path string){
		"missing":       func(string) {},
		"a directory":   func(path string) { testkit.Occupied(t, path) },
		"a loop":        func(path string) { testkit.Looping(t, path) },
		"a full device": func(path string) { testkit.Full(t, path) },
	} {
		f, dir := newFile(t, nil)
		f.remove()
		spoil(f.path)
		table := New(dir, 1, clock(1000))
		table.Timeout(host)
		table.Timeout(host)
		if table.Skip(host) {
			t.Errorf("%s: Skip = true", name)
		}
		table.Success(host)
	}
}

func TestOpenLockedErrors(t *testing.T) {
	f, dir := newFile(t, nil)
	f.remove()
	_, err := OpenLocked(dir)
	var e *sys.Error
	if !errors.As(err, &e) || e.Op != "open" || !sys.IsNotExist(err) {
		t.Errorf("missing file: error %v", err)
	}
	if err := Reset(dir); !sys.IsNotExist(err) {
		t.Errorf("Reset of a missing file: error %v", err)
	}
}

func TestZero(t *testing.T) {
	for name, clear := range map[string]func(dir *sys.Dir) error{
		"Reset": Reset,
		"Zero": func(dir *sys.Dir) error {
			fd, err := OpenLocked(dir)
			if err != nil {
				return err
			}
			if fd2, err := dir.Open("lock/tcpto", sys.ReadOnly, 0); err != nil || fd2.TryLock() == nil {
				t.Errorf("OpenLocked did not lock (open: %v)", err)
			}
			err = Zero(fd)
			closeLocked(fd)
			return err
		},
	} {
		for _, before := range [][]byte{nil, full(Record{host, 3, 4})[:40], full(Record{host, 3, 4})} {
			f, dir := newFile(t, before)
			if err := clear(dir); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := f.read(); got != string(make([]byte, FileSize)) {
				t.Errorf("%s: file of %d bytes, not %d zeros", name, len(got), FileSize)
			}
		}
	}
	f, dir := newFile(t, nil)
	f.remove()
	testkit.Full(t, f.path)
	if err := Reset(dir); err == nil {
		t.Error("Reset of a full device succeeded")
	}
}

// FuzzRecord: what decodes encodes to the same bytes, the unused ones zero.
func FuzzRecord(f *testing.F) {
	f.Add(Record{host, 2, 1_000_000_000}.Append(nil))
	f.Add(make([]byte, RecordSize))
	f.Add(bytes.Repeat([]byte{0xff}, 2*RecordSize+3))
	f.Fuzz(func(t *testing.T, b []byte) {
		records := ParseRecords(b)
		if len(records) != len(b)/RecordSize {
			t.Fatalf("%d bytes gave %d records", len(b), len(records))
		}
		for i, r := range records {
			want := bytes.Clone(b[i*RecordSize : (i+1)*RecordSize])
			for _, k := range []int{5, 6, 7, 12, 13, 14, 15} {
				want[k] = 0
			}
			if got := r.Append(nil); !bytes.Equal(got, want) {
				t.Errorf("record %q encodes to %q", want, got)
			}
			if n := r.Timeouts(); n < 0 || n > 127 {
				t.Errorf("%d time-outs", n)
			}
		}
	})
}

// FuzzTable: in whatever file, a second time-out is never lost unless it comes
// too soon, and only one record changes.
func FuzzTable(f *testing.F) {
	f.Add(full(), int64(1000))
	f.Add(full(Record{host, 9, 100}), int64(5000))
	f.Fuzz(func(t *testing.T, b []byte, now int64) {
		records := ParseRecords(b)
		if len(records) == 0 || now < 0 || now > 1<<32-1 {
			return
		}
		i := find(records, host)
		r := Record{IP: host}
		if i < 0 {
			i = place(records)
		} else {
			r = records[i]
		}
		next, changed := r.timeout(now)
		if !changed {
			if r.Timeouts() == 0 || now-int64(r.Time) >= quiet || now < int64(r.Time) {
				t.Fatalf("%+v at %d: not changed", r, now)
			}
			return
		}
		if next.IP != host || next.Timeouts() < 1 || next.Timeouts() > maxCount || int64(next.Time) != now {
			t.Fatalf("%+v at %d became %+v", r, now, next)
		}
		records[i] = next
		if j := find(records, host); j != i {
			t.Fatalf("host is at %d, was put at %d", j, i)
		}
		if next.skip(0, now) != (next.Timeouts() >= skipCount) || next.skip(0, now+6000) {
			t.Fatalf("%+v: wrong skip", next)
		}
	})
}
