//go:build e2e

package e2e

import (
	"bufio"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

// A journal is the log of qmail-send, line by line, over several runs.
type journal struct {
	mu      sync.Mutex
	lines   []string
	changed chan struct{}  // closed and replaced when there is a new line
	readers sync.WaitGroup // logs that have not ended
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

// follow reads a log to its end.
func (j *journal) follow(r *os.File) {
	j.readers.Add(1)
	go func() {
		defer j.readers.Done()
		defer func() { _ = r.Close() }() // it was only read
		in := bufio.NewReader(r)
		for {
			line, err := in.ReadString('\n')
			if line != "" {
				whole := strings.TrimSuffix(line, "\n")
				if whole == line {
					whole += "<no newline>"
				}
				j.add(whole)
			}
			if err != nil {
				return
			}
		}
	}()
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
	close(j.changed)
	j.changed = make(chan struct{})
}

// drained waits until every log has been read to its end. A program that a
// delivery left behind keeps no log open.
func (j *journal) drained() { j.readers.Wait() }

// mark returns the number of the next line.
func (j *journal) mark() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.lines)
}

// all returns the lines there are.
func (j *journal) all() []string { return j.since(0) }

// since returns the lines from number from on.
func (j *journal) since(from int) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.lines[from:]...)
}

// wait waits for a line that matches, at or after number from. It returns the
// groups and the number of the line after it, or nil when there was none in
// time.
func (j *journal) wait(from int, pattern string, limit time.Duration) ([]string, int) {
	re := regexp.MustCompile(pattern)
	timeout := time.After(limit)
	for {
		j.mu.Lock()
		lines, changed := j.lines, j.changed
		j.mu.Unlock()
		for ; from < len(lines); from++ {
			if m := re.FindStringSubmatch(lines[from]); m != nil {
				return m, from + 1
			}
		}
		select {
		case <-changed:
		case <-timeout:
			return nil, from
		}
	}
}
