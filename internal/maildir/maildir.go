// Package maildir delivers into Maildirs and lists them: directories with tmp,
// new and cur, one file for each message, no locks. Spec: spec/local.md sections
// 6 and 12.
//
// A delivery makes tmp/NAME, and when that is complete and on disk, links it to
// new/NAME. NAME is TIME.PID.HOST, unique because no two processes of a host
// have one number at one time:
//
//	TIME  Unix seconds
//	PID   number of the delivering process; PID_n for its n-th further delivery
//	HOST  the host's name; / and : are written \057 and \072
//
// Readers move files from new to cur, and remove files in tmp that were not
// touched for TmpAge seconds. A delivery gives up after DeliveryTime, so they
// never remove one that is still being written.
package maildir

import (
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"goqmail/internal/sys"
)

// Names of the subdirectories.
const (
	Tmp = "tmp"
	New = "new"
	Cur = "cur"
)

// Limits.
const (
	DeliveryTime = 24 * time.Hour
	TmpAge       = 129600 // seconds (36 h) after which a reader removes a file in tmp

	tries     = 3               // names tried when one is taken
	pause     = 2 * time.Second // between two of them, so that TIME differs
	maxHost   = 63              // bytes of the host name that are used
	bufSize   = 64 << 10        //
	cleanTime = 5 * time.Second // for removing the file in tmp after DeliveryTime
)

// What can go wrong; Deliver's error wraps one of them, or is some other
// trouble that waiting may cure.
var (
	ErrDirectory = errors.New("unable to enter maildir") // for good: it does not exist, may not be entered, ...
	ErrTimeout   = errors.New("delivery took too long")
	ErrRead      = errors.New("unable to read message")
)

// A Deliverer delivers any number of messages, one after the other. The names
// it makes are unique if it is the only Deliverer of its process.
type Deliverer struct {
	PID  int
	Host string // as sys.Hostname gives it
	Now  func() time.Time

	// Sleep waits before another name is tried; nil: time.Sleep.
	Sleep func(time.Duration)
	// Limit is the time that one delivery may take; 0: DeliveryTime.
	Limit time.Duration
	// Death, if set, is told by each delivery when the process has to end because
	// even what keeps the limit hangs (sys.Alone), and by 0 that it has ended.
	Death func(time.Duration)

	count   int            // deliveries begun so far
	stuck   bool           // one was abandoned
	running sync.WaitGroup // attempts that have not ended, abandoned ones too

	mu  sync.Mutex
	buf []byte // for the next attempt; nil while one has it
}

// takeBuf gives an attempt bufSize bytes. What they hold is another message's.
func (d *Deliverer) takeBuf() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	buf := d.buf
	if d.buf = nil; buf == nil {
		buf = make([]byte, bufSize)
	}
	return buf
}

// giveBuf takes them back.
func (d *Deliverer) giveBuf(buf []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.buf = buf
}

// name is the unique name of the current delivery at the present time.
func (d *Deliverer) name() string {
	seq := ""
	if n := d.count - 1; n > 0 {
		seq = strconv.Itoa(n)
	}
	return Name(d.Now().Unix(), d.PID, seq, d.Host)
}

// Name is a unique name: TIME.PID_SEQ.HOST, without _SEQ if that is empty. It is
// unique if the process has not used the seq before at that time; a seq has no
// dot, slash or colon.
func Name(t int64, pid int, seq, host string) string {
	b := strconv.AppendInt(nil, t, 10)
	b = strconv.AppendInt(append(b, '.'), int64(pid), 10)
	if seq != "" {
		b = append(append(b, '_'), seq...)
	}
	return string(appendHost(append(b, '.'), host))
}

// appendHost adds the host name in the form that names have it.
func appendHost(b []byte, host string) []byte {
	host = host[:min(len(host), maxHost)]
	for i := 0; i < len(host); i++ {
		switch host[i] {
		case '/':
			b = append(b, `\057`...)
		case ':':
			b = append(b, `\072`...)
		default:
			b = append(b, host[i])
		}
	}
	return b
}

// Deliver stores one message, head followed by what msg gives, in the Maildir
// path, a name below base. nil means that the message is on disk and will stay
// there.
//
// The time limit holds even while a system call blocks. After ErrTimeout the
// process should end: something may still be stuck in the kernel (Stuck).
func (d *Deliverer) Deliver(base *sys.Dir, path, head string, msg io.Reader) error {
	d.count++
	limit := d.Limit
	if limit == 0 {
		limit = DeliveryTime
	}
	if d.Death != nil {
		d.Death(limit + 2*cleanTime)
		defer d.Death(0)
	}
	a := &attempt{d: d, head: head, msg: msg}
	done := make(chan error, 1)
	d.running.Go(func() { done <- a.run(base, path) })
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case err := <-done:
		return err
	case <-t.C:
	}
	d.stuck = true
	if dir, tmp := a.abandon(); tmp != "" {
		removed := make(chan struct{})
		go func() {
			_ = dir.Unlink(tmp) // else a reader removes it after TmpAge
			close(removed)
		}()
		select {
		case <-removed:
		case <-time.After(cleanTime):
		}
	}
	return ErrTimeout
}

// Stuck tells whether a delivery was given up while something of it still ran.
func (d *Deliverer) Stuck() bool { return d.stuck }
