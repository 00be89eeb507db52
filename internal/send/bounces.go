package send

import (
	"strings"
	"sync"

	"goqmail/internal/address"
	"goqmail/internal/header"
	"goqmail/internal/qq"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
)

// Texts of a bounce message (QSBMF). Programs that manage lists read them: the
// introduction begins with "Hi. This is the", paragraphs about recipients with
// "<", the break with "---". Spec: spec/send.md section 10.
const (
	bounceSubject = "Subject: failure notice\n"
	bounceHi      = "Hi. This is the qmail-send program at "
	singleIntro   = "I'm afraid I wasn't able to deliver your message to the following addresses.\n" +
		"This is a permanent error; I've given up. Sorry it didn't work out.\n"
	doubleIntro = "I tried to deliver a bounce message to this address, but the bounce bounced!\n"
	singleBreak = "--- Below this line is a copy of the message.\n"
	doubleBreak = "--- Below this line is the original bounce.\n"
)

// A bounce says who is told about a failure.
type bounce struct {
	isDouble  bool
	sender    string // envelope sender of the bounce
	recipient string
	about     string // sender of the message that failed
}

// bounceFor decides on the bounce of a message by the sender in its info file.
// ok is false for a double bounce that failed: nobody is left to tell.
func (set *settings) bounceFor(sender string) (b bounce, ok bool) {
	sender = strings.TrimSuffix(sender, queue.VERPMark)
	switch sender {
	case queue.SenderDoubleBounce:
		return b, false
	case "":
		return bounce{isDouble: true, sender: queue.SenderDoubleBounce, recipient: set.doublebounce}, true
	}
	return bounce{recipient: sender, about: sender}, true
}

// head is what comes before the paragraphs about recipients.
func (b bounce) head(set *settings, now int64) string {
	intro := singleIntro
	if b.isDouble {
		intro = doubleIntro
	}
	return "Date: " + header.DateZone(now) + "\n" +
		"From: " + address.QuoteLocal(set.bouncefrom) + "@" + set.bouncehost + "\n" +
		"To: " + oneLine(address.Quote(b.recipient)) + "\n" +
		bounceSubject + "\n" +
		bounceHi + set.bouncehost + ".\n" + intro + "\n"
}

// middle is what comes between the paragraphs and the copy of the message.
func (b bounce) middle() string {
	text := singleBreak
	if b.isDouble {
		text = doubleBreak
	}
	return text + "\n" + header.ReturnPath(b.about)
}

// oneLine is s with each newline replaced by _, so that an address cannot add
// a field to a header.
func oneLine(s string) string { return strings.ReplaceAll(s, "\n", "_") }

// paragraph is the text in bounce/N about one recipient: its address, the
// report, an empty line. Empty lines inside the report become slashes, since
// readers take an empty line for the end of the paragraph.
func paragraph(rcpt, report string) []byte {
	p := []byte("<" + oneLine(rcpt) + ">:\n" + report)
	if report != "" && p[len(p)-1] != '\n' {
		p = append(p, '\n')
	}
	for i := len(p) - 2; i > 0; i-- {
		if p[i] == '\n' && p[i-1] == '\n' {
			p[i] = '/'
		}
	}
	return append(p, '\n')
}

// bounce queues the bounce of a message whose recipients are all done, removes
// bounce/N and ends the message. It reports false when anything failed: it is
// tried again later.
//
//	C1: bounce/N                             a crash here: all of this again
//	C2: bounce/N, the bounce is queued       a crash here: the bounce is sent twice
//	C3: bounce/N unlinked                    a crash here: the message ends at start
func (s *server) bounce(id queue.ID) bool {
	path := queue.Bounce.Path(id)
	sender, _, err := s.readInfo(id)
	if err != nil {
		s.log.notice(sendlog.TroubleReadLater, queue.Info.Path(id))
		return false
	}
	b, ok := s.set.bounceFor(sender)
	if !ok {
		s.log.put(sendlog.Triple(nil, path))
	} else {
		m, err := qq.Open(qq.Config{Home: s.home, Env: s.env, NoStderr: true})
		if err != nil {
			s.log.notice(sendlog.CannotStartQueue, "")
			return false
		}
		defer s.own.begin(m.PID())()
		if !s.inject(m, id, b) {
			return false
		}
	}
	if s.queue.Unlink(path) != nil {
		s.log.notice(sendlog.CannotUnlink, path)
		return false
	}
	return s.end(id)
}

// inject gives the bounce to the queue program.
func (s *server) inject(m *qq.Message, id queue.ID, b bounce) bool {
	_, _ = m.Write([]byte(b.head(s.set, s.clock()))) // errors show in Close
	s.copyInto(m, queue.Bounce.Path(id))
	_, _ = m.Write([]byte(b.middle()))
	s.copyInto(m, queue.Mess.Path(id))
	m.From(b.sender)
	m.To(b.recipient)
	if m.Close() != "" {
		s.log.notice(sendlog.TroubleBounce, "")
		return false
	}
	s.log.put(sendlog.Bounce(nil, id, m.PID()))
	return true
}

// copyInto adds a file of the queue to a message, whatever its size. If it
// cannot be read to its end the message is given up.
func (s *server) copyInto(m *qq.Message, path string) {
	fd, err := s.open(path)
	if err != nil {
		m.Fail()
		return
	}
	defer func() { _ = fd.Close() }() // read only
	if err := copyAll(m, fd); err != nil {
		m.Fail()
	}
}

// An ownBounces knows the queue programs that were given a bounce and whose
// message has not ended yet. The new message can be in todo/ before its queue
// program has exited; preprocessing then waits a moment, so that the log and
// qmail-clean see the end of the old message first, as with C qmail, where the
// same process does both.
type ownBounces struct {
	mu    sync.Mutex
	ended map[int]chan struct{} // by the pid of the queue program
}

// begin notes a queue program; the function that it returns says that the old
// message has ended.
func (o *ownBounces) begin(pid int) (end func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended == nil {
		o.ended = map[int]chan struct{}{}
	}
	ended := make(chan struct{})
	o.ended[pid] = ended
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.ended, pid)
		close(ended)
	}
}

// end is closed when the message that queue program pid has a bounce of has
// ended; nil when there is none.
func (o *ownBounces) end(pid uint64) <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ended[int(pid)]
}

// none tells whether no bounce is on its way.
func (o *ownBounces) none() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.ended) == 0
}
