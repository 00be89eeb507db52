package multilog

import "strings"

// matches tells whether line matches the pattern:
//
//   - a byte other than "*" matches itself
//   - "*" at the end matches everything that is left
//   - another "*" matches as much as there is before the byte that follows it
//     in the pattern, a further "*" included; it never takes that byte
//
// The whole line must match. Nothing in a pattern can be quoted.
func matches(pattern, line string) bool {
	for pattern != "" {
		c := pattern[0]
		pattern = pattern[1:]
		if c != '*' {
			if line == "" || line[0] != c {
				return false
			}
			line = line[1:]
			continue
		}
		if pattern == "" {
			return true
		}
		i := strings.IndexByte(line, pattern[0])
		if i < 0 {
			return false
		}
		line = line[i:]
	}
	return line == ""
}
