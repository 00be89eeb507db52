package sys

import (
	"encoding/binary"
	"time"
)

// Where local time is looked up, as the C library does.
const (
	zoneDir  = "/usr/share/zoneinfo/"
	zoneFile = "/etc/localtime"
	maxZone  = 1 << 20 // bytes; the largest zone file has some 4000
)

// ZoneOffset is how far local time is ahead of UTC at t, both in seconds; west
// of Greenwich it is negative. tz is the value of $TZ, set tells whether there
// is one; without, /etc/localtime counts. A value, but for a colon in front, is
// the name of a file below /usr/share/zoneinfo or with a leading slash, or else
// a rule of POSIX such as EST5EDT or CET-1CEST,M3.5.0,M10.5.0/3. What is none of
// these, and an empty value, is UTC.
func ZoneOffset(tz string, set bool, t int64) int {
	if len(tz) > 0 && tz[0] == ':' {
		tz = tz[1:]
	}
	file := zoneDir + tz
	switch {
	case !set:
		file = zoneFile
	case tz == "":
		return 0
	case tz[0] == '/':
		file = tz
	}
	loc, err := readZone(file)
	if err != nil {
		loc, err = time.LoadLocationFromTZData(tz, ruleZone(tz))
	}
	if err != nil {
		return 0
	}
	_, offset := time.Unix(t, 0).In(loc).Zone()
	return offset
}

// readZone reads a zone file.
func readZone(file string) (*time.Location, error) {
	data, err := Cwd().ReadFile(file, maxZone)
	if err != nil {
		return nil, err
	}
	return time.LoadLocationFromTZData(file, data)
}

// ruleZone is the zone file (RFC 9636) for a rule of POSIX: one zone, UTC, no
// transitions, and the rule as footer for all time after them. A wrong rule
// leaves UTC. Package time has the rules of POSIX only for such footers.
func ruleZone(rule string) []byte {
	head := func(b []byte, zones, chars uint32) []byte {
		b = append(append(b, "TZif2"...), make([]byte, 15)...) // magic, version, 15 bytes without a meaning
		for _, n := range [...]uint32{0, 0, 0, 0, zones, chars} {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return b
	}
	b := head(nil, 0, 0)                 // the part for readers of version 1 is empty
	b = head(b, 1, 4)                    // that of version 2: one zone, 4 bytes of names;
	b = append(b, 0, 0, 0, 0, 0, 0)      // its offset, no summer time, its name at 0
	b = append(b, "UTC\x00"...)          // the names
	b = append(append(b, '\n'), rule...) // the footer
	return append(b, '\n')
}
