// Package tcpto remembers which hosts did not answer, so that not every
// delivery waits for them again: the file queue/lock/tcpto.
//
// The file is 1024 bytes, 64 records of 16:
//
//	0..3    IPv4 address
//	4       how many time-outs in a row, 0 to 10; 0: the record is free
//	5..7    zero
//	8..11   Unix time of the last one, little-endian
//	12..15  zero
//
// qmail-remote reads and writes it, qmail-tcpto shows it, qmail-tcpok and the
// start of qmail-rspawn clear it. Everyone holds flock on the file meanwhile,
// except qmail-rspawn. It only saves time: whoever cannot use it goes on as if
// it were empty. IPv6 addresses do not fit and are not recorded.
// Spec: spec/remote.md, section 7.
package tcpto

import "encoding/binary"

// Sizes in bytes.
const (
	RecordSize = 16
	FileSize   = 64 * RecordSize
)

const (
	maxCount   = 10   // time-outs counted at most
	skipCount  = 2    // time-outs after which a host is skipped
	quiet      = 120  // seconds after a time-out in which further ones do not count
	skipUnit   = 64   // a host is skipped for skipBase + pid mod skipSpread units
	skipBase   = 60   // so 3840 seconds at least,
	skipSpread = 32   // 5824 at most
	countWorth = 1024 // seconds that one time-out more keeps a record from replacement
)

// A Record is what is known about one host.
type Record struct {
	IP    [4]byte
	Count byte // as it is in the file; see Timeouts
	Time  uint32
}

// ParseRecord reads a record from the first RecordSize bytes of b. The bytes
// that should be zero are ignored.
func ParseRecord(b []byte) Record {
	_ = b[RecordSize-1]
	return Record{IP: [4]byte(b[:4]), Count: b[4], Time: binary.LittleEndian.Uint32(b[8:])}
}

// Append adds the record's RecordSize bytes to b.
func (r Record) Append(b []byte) []byte {
	b = append(append(b, r.IP[:]...), r.Count, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, r.Time)
	return append(b, 0, 0, 0, 0)
}

// Timeouts is the number of time-outs in a row. C reads the byte as signed: 128
// and more, which nobody writes, count as none.
func (r Record) Timeouts() int {
	if r.Count > 127 {
		return 0
	}
	return int(r.Count)
}

// ParseRecords reads a whole file. A short file has fewer records; an
// incomplete last one is ignored.
func ParseRecords(b []byte) []Record {
	var out []Record
	for ; len(b) >= RecordSize; b = b[RecordSize:] {
		out = append(out, ParseRecord(b))
	}
	return out
}

// age is how many seconds ago the record was written. A record from the future
// is as old as can be: after the clock was set back it must not keep a host
// away until the clock has caught up.
func (r Record) age(now int64) int64 {
	if d := now - int64(r.Time); d >= 0 {
		return d
	}
	return 1<<63 - 1
}

// skip tells whether a process with this pid must not connect to the host now.
// The pid spreads the end of the pause, so that not all deliveries that wait
// for the host begin again at once.
func (r Record) skip(pid int, now int64) bool {
	return r.Timeouts() >= skipCount && r.age(now) < int64(skipBase+pid%skipSpread)*skipUnit
}

// find is the index of the host's record, or -1.
func find(records []Record, ip [4]byte) int {
	for i, r := range records {
		if r.IP == ip {
			return i
		}
	}
	return -1
}

// place is the index for a host that has no record: the first free record, else
// the least useful one. records must not be empty.
func place(records []Record) int {
	best := 0
	worth := func(r Record) int64 { return int64(r.Time) + int64(r.Timeouts())*countWorth }
	for i, r := range records {
		if r.Timeouts() == 0 {
			return i
		}
		if worth(r) < worth(records[best]) {
			best = i
		}
	}
	return best
}

// timeout is what becomes of the record when its host timed out again; changed
// is false within two minutes of the last time-out.
func (r Record) timeout(now int64) (next Record, changed bool) {
	n := r.Timeouts()
	if n > 0 && r.age(now) < quiet {
		return r, false
	}
	return Record{IP: r.IP, Count: byte(min(n+1, maxCount)), Time: uint32(now)}, true
}
