package send

import (
	"io"
	"sync"

	"goqmail/internal/sendlog"
)

// A logger writes lines whole, one write each, whoever calls. A full pipe
// blocks; a logger that died loses the lines and nothing else.
type logger struct {
	mu sync.Mutex
	to io.Writer
}

// put writes one line, made by package sendlog.
func (l *logger) put(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.to.Write(line) // nobody is left to tell
}

// notice writes a warning or an alert about path.
func (l *logger) notice(n sendlog.Notice, path string) { l.put(n.Append(nil, path)) }
