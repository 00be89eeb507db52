package conformance

import (
	"bytes"
	"sort"
)

// sortLines sorts lines, each with its end: LF, CR or CR LF.
func sortLines(b []byte) []byte {
	var lines []string
	for len(b) > 0 {
		n := bytes.IndexAny(b, "\r\n")
		switch {
		case n < 0:
			n = len(b)
		case b[n] == '\r' && n+1 < len(b) && b[n+1] == '\n':
			n += 2
		default:
			n++
		}
		lines = append(lines, string(b[:n]))
		b = b[n:]
	}
	sort.Strings(lines)
	var out []byte
	for _, l := range lines {
		out = append(out, l...)
	}
	return out
}
