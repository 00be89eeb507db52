package analog

import (
	"strconv"
	"strings"
)

// gap is between columns.
const gap = "  "

// A table lines up columns: all but the last are set to the right. Lines have to
// be measured before any is made.
type table struct{ widths []int }

// newTable makes a table with the heading measured.
func newTable(heading []string) *table {
	t := &table{make([]int, len(heading))}
	t.measure(heading)
	return t
}

// measure makes columns wide enough.
func (t *table) measure(cells []string) {
	for i, c := range cells {
		t.widths[i] = max(t.widths[i], len(c))
	}
}

// line is one line with its LF.
func (t *table) line(cells []string) string {
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteString(gap)
		}
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", t.widths[i]-len(c)))
		}
		b.WriteString(c)
	}
	b.WriteByte('\n')
	return b.String()
}

// count is a number of things.
func count(n int) string { return strconv.Itoa(n) }
