package send

import (
	"sync"
	"time"

	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/sys"
)

// transits are the messages in transit as far as the goroutine that scans todo/
// has to know them: they are not new, and when there are many, it waits.
type transits struct {
	mu      sync.Mutex
	all     map[queue.ID]struct{}
	waiting [queue.Channels]int
	open    [queue.Channels]bool // there are slots
	stuck   [queue.Channels]bool // it was waited for in vain
	room    chan struct{}        // fewer than roomMark wait
}

func newTransits() *transits {
	return &transits{all: map[queue.ID]struct{}{}, room: make(chan struct{}, 1)}
}

// has tells whether a message is in transit. What is not, and has a todo file
// after that was asked, is new.
func (t *transits) has(id queue.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.all[id]
	return ok
}

// enter adds a message that waits, if there is room.
func (t *transits) enter(id queue.ID, c queue.Channel) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.open[c] || t.waiting[c] >= transitMax {
		return false
	}
	t.all[id] = struct{}{}
	t.waiting[c]++
	return true
}

// started says that a message waits no more.
func (t *transits) started(c queue.Channel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stuck[c] = false
	if t.waiting[c]--; t.waiting[c] == roomMark {
		select {
		case t.room <- struct{}{}:
		default:
		}
	}
}

// leave forgets a message: its todo file is gone, or is anybody's.
func (t *transits) leave(id queue.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, id)
}

// setOpen says which channels have slots.
func (t *transits) setOpen(open [queue.Channels]bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = open
}

// crowded tells whether more than roomMark wait in a channel that moves.
func (t *transits) crowded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c, n := range t.waiting {
		if n > roomMark && !t.stuck[c] {
			return true
		}
	}
	return false
}

// giveUp says that waiting for room was in vain.
func (t *transits) giveUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c, n := range t.waiting {
		t.stuck[c] = n > roomMark
	}
}

// awaitRoom holds the scan of todo/ back while many messages wait for a delivery
// already: in todo/ they cost nothing. A channel that does not move at all holds up
// nobody for long.
func (s *server) awaitRoom() {
	if s.transit == nil || !s.transit.crowded() {
		return
	}
	t := time.NewTimer(transitTime)
	defer t.Stop()
	for s.transit.crowded() {
		select {
		case <-s.transit.room:
		case <-s.stop:
			return
		case <-t.C:
			s.transit.giveUp()
		}
	}
}

// passOn hands a message whose envelope allows it to loop. The message is to be
// preprocessed if it returns false.
func (s *server) passOn(in *incoming) bool {
	if s.transit == nil {
		return false
	}
	b := &s.scanner.envelope
	n, err := in.todo.ReadAt(b[:], 0)
	if n == len(b) || err != nil && n == 0 {
		return false // an error shows again
	}
	p := s.boards(in, b[:n])
	if p == nil || p.sender == "" || p.sender == queue.SenderDoubleBounce || s.clean.ended() {
		return false // without qmail-clean it could not be removed
	}
	// What an earlier message with the number left counts where there is an
	// info/N; without one it is never looked at.
	if ok, err := s.exists(queue.Info.Path(in.id)); ok || err != nil {
		return false
	}
	st, err := s.queue.Stat(queue.Mess.Path(in.id))
	if err != nil {
		return false
	}
	if !s.transit.enter(in.id, p.to) {
		s.awaitRoom()
		if !s.transit.enter(in.id, p.to) {
			return false
		}
	}
	s.log.put(sendlog.New(nil, in.id))
	s.log.put(sendlog.Info{ID: in.id, Bytes: st.Size, Sender: p.sender, QP: in.qp, UID: in.uid}.Append(nil))
	s.post(p)
	return true
}

// boards makes a passenger of a message with one recipient; nil for others, and
// for what is not as it should be.
func (s *server) boards(in *incoming, envelope []byte) *passenger {
	p := &passenger{id: in.id, since: time.Now()}
	senders, recipients := 0, 0
	for len(envelope) > 0 {
		rec, rest, ok := queue.NextRecord(envelope)
		if !ok {
			break // without its NUL: not a record
		}
		envelope = rest
		switch rec.Letter {
		case queue.LetterUID:
			in.uid = queue.LeadingNumber(rec.Text)
		case queue.LetterPID:
			in.qp = queue.LeadingNumber(rec.Text)
		case queue.LetterSender:
			p.sender = rec.Text
			senders++
		case queue.LetterRecipient:
			p.to, p.rcpt = s.routes.Load().rewrite(rec.Text)
			recipients++
		default:
			return nil
		}
		if recipients > 1 || senders != 1 && recipients > 0 {
			return nil
		}
	}
	if recipients == 0 {
		return nil
	}
	return p
}

// inTransit tells whether a name in todo/ is that of a message in transit.
func (s *server) inTransit(id queue.ID) bool { return s.transit != nil && s.transit.has(id) }

// left tells whether a todo file could not be opened because the message left
// since todo/ was read.
func (s *server) left(err error) bool { return s.transit != nil && sys.IsNotExist(err) }
