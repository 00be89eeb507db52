package remote

import (
	"strconv"
	"sync"
	"time"

	"goqmail/internal/address"
	"goqmail/internal/sys"
)

// Limits of connections that serve several deliveries.
const (
	laneConns    = 20              // to one place, of one process
	batchMax     = 100             // recipients of one message in one transaction; RFC 5321, 4.5.3.1.8
	connMessages = 200             // on one connection
	connAge      = 5 * time.Minute // after which a connection takes no more messages
	connIdle     = 4 * time.Second // without a message, after which it is closed
	laneWait     = 2 * time.Second // for a connection that is busy, before a new one is opened
)

// The lanes of a process lead to different places.
type lanes struct {
	mu   sync.Mutex
	open map[string]*lane
	done bool
}

// A lane leads to one place: a relay, or the exchangers of one host. Deliveries
// wait in it for a connection, which takes them in the order in which they came,
// and with each the others of the same message.
//
// A delivery finds a connection without work and gives it some; or it opens one,
// which does so too when there are laneConns already if it has waited for
// laneWait. Only a message that is being sent just now is waited for: its next
// recipients go together when that is done.
type lane struct {
	all *lanes
	key string

	waiting []*parcel
	conns   int       // open, or being opened
	opening int       // of these, being opened
	sending []*parcel // the first of each transaction, and of each connection being opened
	idle    []*carrying
	full    time.Time // until when no further connection is opened: one was refused
}

// A parcel is a delivery in a lane.
type parcel struct {
	d      *delivery
	relay  *string
	port   uint16
	file   fileID
	alone  bool // not to be sent with others: the server did not like it
	fresh  bool // not to be sent on a used connection, for the same reason
	urgent bool // has waited for too long: how its own connection ends counts
	told   bool // its verdict is in done
	done   chan verdict
}

// tell gives the verdict, once.
func (p *parcel) tell(v verdict) {
	if !p.told {
		p.told = true
		p.done <- v // it has room
	}
}

// A fileID tells one message file from another.
type fileID struct{ dev, ino uint64 }

// with tells whether two parcels are of the same message and so can go together.
func (p *parcel) with(o *parcel) bool {
	return p.file == o.file && p.d.sender == o.d.sender && !p.alone && !o.alone
}

// deliver has the delivery done on a connection that it may share with others.
func (l *lanes) deliver(d *delivery, message sys.FD) verdict {
	st, err := message.Stat()
	if err != nil {
		return noRead
	}
	relay, port, v := d.way()
	if v != (verdict{}) {
		return v
	}
	key := "host " + address.Lower(d.host)
	if relay != nil {
		key = "relay " + address.Lower(*relay)
	}
	key += " " + strconv.Itoa(int(port)) + " " + d.helo
	p := &parcel{d: d, relay: relay, port: port, file: fileID{st.Dev, st.Ino}, done: make(chan verdict, 1)}
	l.submit(key, p)
	for {
		t := time.NewTimer(laneWait)
		select {
		case v = <-p.done:
			t.Stop()
			return v
		case <-t.C:
			l.hurry(key, p)
		}
	}
}

// submit puts a parcel into its lane.
func (l *lanes) submit(key string, p *parcel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.open[key]
	if n == nil {
		n = &lane{all: l, key: key}
		if l.open == nil {
			l.open = map[string]*lane{}
		}
		l.open[key] = n
	}
	n.waiting = append(n.waiting, p)
	n.kick()
}

// kick finds a connection for the first that waits for one, if there may be one
// at once. The lock is held.
func (n *lane) kick() {
	for _, p := range n.waiting {
		if n.isSending(p) && n.conns > 0 {
			continue
		}
		switch {
		case len(n.idle) > 0 && !p.fresh:
			c := n.idle[len(n.idle)-1]
			n.idle = n.idle[:len(n.idle)-1]
			c.wake()
		case n.conns == 0 || n.conns < laneConns && !time.Now().Before(n.full):
			n.begin(p)
		}
		return
	}
}

// isSending tells whether the message of p is under way, or a connection for it
// is being opened.
func (n *lane) isSending(p *parcel) bool {
	for _, o := range n.sending {
		if o == p || o.with(p) {
			return true
		}
	}
	return false
}

// begin opens a connection for p, which goes on waiting. The lock is held.
func (n *lane) begin(p *parcel) {
	n.conns++
	n.opening++
	n.sending = append(n.sending, p)
	go n.serve(p)
}

// hurry opens a connection for a parcel that has waited for too long, unless one
// is being opened.
func (l *lanes) hurry(key string, p *parcel) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.open[key]
	if n == nil || n.opening > 0 || time.Now().Before(n.full) {
		return
	}
	for _, o := range n.waiting {
		if o == p {
			p.urgent = true
			n.begin(p)
			return
		}
	}
}

// take takes the next parcels to be sent together out of the lane: first, if it
// waits, or the one that has waited longest, and others of its message. used says
// that the connection has had a message. The lock is held.
func (n *lane) take(first *parcel, used bool) (batch []*parcel) {
	for _, p := range n.waiting {
		if p == first {
			batch = append(batch, p)
		}
	}
	rest := n.waiting[:0]
	for _, p := range n.waiting {
		switch {
		case p == first:
		case p.fresh && used:
			rest = append(rest, p)
		case len(batch) == 0, len(batch) < batchMax && batch[0].with(p):
			batch = append(batch, p)
		default:
			rest = append(rest, p)
		}
	}
	clear(n.waiting[len(rest):])
	n.waiting = rest
	return batch
}

// forget takes p out of sending. The lock is held.
func (n *lane) forget(p *parcel) {
	for i, o := range n.sending {
		if o == p {
			n.sending = append(n.sending[:i], n.sending[i+1:]...)
			return
		}
	}
}

// close says goodbye on every connection without work.
func (l *lanes) close() {
	l.mu.Lock()
	l.done = true
	var all []*carrying
	for _, n := range l.open {
		all = append(all, n.idle...)
		n.idle = nil
	}
	l.mu.Unlock()
	for _, c := range all {
		c.s.quit()
		c.s.close()
	}
}

// again puts parcels back into the lane, as if nothing had been sent of them.
// Those that are fresh get a connection of their own, together if they can go
// together.
func (n *lane) again(back []retry) {
	n.all.mu.Lock()
	defer n.all.mu.Unlock()
	for _, r := range back {
		r.d.report.buf = nil
		r.parcel.alone, r.fresh = r.parcel.alone || r.alone, !r.alone
		n.waiting = append(n.waiting, r.parcel)
	}
	var begun *parcel
	for _, r := range back {
		p := r.parcel
		if p.fresh && (begun == nil || !begun.with(p)) {
			begun = p
			n.begin(p)
		}
	}
}

// leave ends one connection of the lane.
func (n *lane) leave() {
	n.all.mu.Lock()
	defer n.all.mu.Unlock()
	n.conns--
	n.kick()
	n.tidy()
}

// tidy takes a lane away that nobody uses. The lock is held.
func (n *lane) tidy() {
	if n.conns == 0 && len(n.waiting) == 0 {
		delete(n.all.open, n.key)
	}
}
