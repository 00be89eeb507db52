package header

import (
	"bytes"
	"strconv"
	"strings"

	"goqmail/internal/address"
)

// FromDate is the time that a From_ line gives, in Unix seconds. FromLine and
// its like write UTC; a zone such as +0100 counts where there is one, any other
// does not. ok is false for a line that has no date. The line may end in LF.
//
//	From SENDER [Www] Mmm D HH:MM[:SS] [ZONE] YYYY [ZONE ...]
//	From SENDER [Www,] D Mmm YYYY HH:MM[:SS] [ZONE ...]
//
// SENDER may be missing, or have blanks: the last date counts.
func FromDate(line []byte) (t int64, ok bool) {
	rest, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte("From "))
	if !ok {
		return 0, false
	}
	words := address.Fields(string(rest), " \t")
	for i := len(words) - 3; i >= 0; i-- {
		m := monthOf(words[i])
		if m < 0 {
			continue
		}
		var c civil
		c.month = m
		if c.readDay(words[i+1]) && c.readClock(words[i+2]) {
			zone, after := 0, words[i+3:]
			if len(after) > 1 && !c.readYear(after[0]) {
				zone, after = zoneOf(after[0]), after[1:]
			}
			if len(after) > 0 && c.readYear(after[0]) {
				if len(after) > 1 && zone == 0 {
					zone = zoneOf(after[1])
				}
				return c.unix() - int64(zone), true
			}
		}
		if i > 0 && c.readDay(words[i-1]) && c.readYear(words[i+1]) && c.readClock(words[i+2]) {
			zone := 0
			if i+3 < len(words) {
				zone = zoneOf(words[i+3])
			}
			return c.unix() - int64(zone), true
		}
	}
	return 0, false
}

// monthOf is 0 to 11, or -1.
func monthOf(s string) int {
	for i, m := range months {
		if address.EqualFold(s, m) {
			return i
		}
	}
	return -1
}

// digits reads a number of at least min and at most max decimal digits.
func digits(s string, min, max int) (n int, ok bool) {
	if len(s) < min || len(s) > max || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

func (c *civil) readDay(s string) (ok bool) {
	c.day, ok = digits(s, 1, 2)
	return ok && c.day >= 1 && c.day <= 31
}

func (c *civil) readYear(s string) (ok bool) {
	c.year, ok = digits(s, 4, 4)
	return ok
}

// readClock reads H:MM or HH:MM, perhaps with :SS.
func (c *civil) readClock(s string) bool {
	parts := strings.Split(s, ":")
	if len(parts) == 2 {
		parts = append(parts, "00")
	}
	if len(parts) != 3 {
		return false
	}
	var ok [3]bool
	c.hour, ok[0] = digits(parts[0], 1, 2)
	c.min, ok[1] = digits(parts[1], 2, 2)
	c.sec, ok[2] = digits(parts[2], 2, 2)
	return ok == [3]bool{true, true, true} && c.hour < 24 && c.min < 60 && c.sec <= 60
}

// zoneOf is how many seconds "+HHMM" is ahead of UTC, 0 for anything else.
func zoneOf(s string) int {
	if len(s) != 5 || s[0] != '+' && s[0] != '-' {
		return 0
	}
	n, ok := digits(s[1:], 4, 4)
	if !ok {
		return 0
	}
	east := n/100*3600 + n%100*60
	if s[0] == '-' {
		return -east
	}
	return east
}

// unix is the moment in Unix seconds, the inverse of civilUTC; wday does not
// count.
func (c civil) unix() int64 {
	y, m := int64(c.year), int64(c.month+10)%12 // from March on
	if c.month < 2 {
		y--
	}
	era := y / 400
	if y < 0 {
		era = (y - 399) / 400
	}
	yoe := y - era*400
	doe := yoe*365 + yoe/4 - yoe/100 + (153*m+2)/5 + int64(c.day) - 1
	days := era*146097 + doe - 719468
	return days*86400 + int64(c.hour)*3600 + int64(c.min)*60 + int64(c.sec)
}
