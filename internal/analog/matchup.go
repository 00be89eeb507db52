package analog

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"slices"
	"strconv"

	"goqmail/internal/address"
	"goqmail/internal/matchlog"
	"goqmail/internal/queue"
	"goqmail/internal/sendlog"
	"goqmail/internal/syslogmsg"
	"goqmail/internal/tai64n"
)

// A matchup reads the log of qmail-send and writes what became of deliveries and
// messages. It keeps the messages that have begun and not ended, and the
// deliveries that have.
type matchup struct {
	out        *bufio.Writer
	messages   map[queue.ID]*message
	deliveries map[uint64]delivery
	pieces     pieces
	line       []byte // room for a line to be written
}

// A message is in the queue. Sender is without brackets, in lower case.
type message struct {
	birth   tai64n.Decimal
	bytes   int64
	sender  string
	qp, uid uint64
	counts  matchlog.Counts
}

// A delivery is under way. The recipient is in lower case.
type delivery struct {
	start              tai64n.Decimal
	id                 queue.ID
	channel, recipient string
}

func newMatchup(out *bufio.Writer) *matchup {
	return &matchup{out: out, messages: make(map[queue.ID]*message), deliveries: make(map[uint64]delivery)}
}

// run reads the log to its end, then writes what is open to state.
func (m *matchup) run(in *lines, state io.Writer) error {
	if err := in.each(m.read, m.long); err != nil {
		return err
	}
	if err := m.out.Flush(); err != nil {
		return fail("unable to write output", err)
	}
	w := bufio.NewWriterSize(state, bufferSize)
	m.state(w)
	if err := w.Flush(); err != nil {
		return fail("unable to write pending messages to descriptor 5", err)
	}
	return nil
}

// long copies a line that is too long, like others that are not understood.
func (m *matchup) long(p piece) error {
	if p.first {
		if err := m.flushPieces(); err != nil {
			return err
		}
		if err := m.write([]byte(matchlog.Ignored)); err != nil {
			return err
		}
	}
	if err := m.write(p.text); err != nil || !p.last {
		return err
	}
	return m.write([]byte{'\n'})
}

// write writes output.
func (m *matchup) write(b []byte) error {
	_, err := m.out.Write(b)
	return fail("unable to write output", err)
}

// copy copies a line, with mark before it.
func (m *matchup) copy(mark string, line []byte) error {
	m.line = append(append(append(m.line[:0], mark...), line...), '\n')
	return m.write(m.line)
}

// read takes one line: with a stamp of multilog or accustamp in front, or from a
// file of the system's logger.
func (m *matchup) read(line []byte) error {
	var room [1][]byte
	f := sendlog.Fields(line, room[:])
	if len(f) == 0 {
		return m.copy(matchlog.Ignored, line)
	}
	if stamp, ok := tai64n.ParseEither(f[0]); ok {
		return m.event(stamp, bytes.TrimLeft(line, " \t")[len(f[0]):], line)
	}
	return m.readSyslog(line)
}

// event takes the text of one line that qmail-send wrote at the time t.
func (m *matchup) event(t tai64n.Decimal, text, line []byte) error {
	l := sendlog.Parse(text)
	if l.Kind == sendlog.Other {
		if e, ok := matchlog.ParseExtra(text); ok {
			if msg := m.messages[e.ID]; msg != nil {
				msg.counts = e.Counts
			}
			return nil
		}
		if l = journal(text); l.Kind == sendlog.Other {
			return m.copy(matchlog.Ignored, line)
		}
	}
	switch l.Kind {
	case sendlog.NewMsg:
		delete(m.messages, l.ID)
	case sendlog.InfoMsg:
		m.messages[l.ID] = &message{birth: t, bytes: l.Bytes, sender: address.Lower(string(l.Sender)), qp: l.QP, uid: l.UID}
	case sendlog.StartDel:
		m.deliveries[l.Delivery] = delivery{t, l.ID, channel(l.Channel), address.Lower(string(l.Recipient))}
	case sendlog.EndDel:
		return m.endDelivery(t, l)
	case sendlog.EndMsg:
		return m.endMessage(t, l.ID)
	case sendlog.NoticeMsg:
		return m.copy("", line)
	case sendlog.Restart:
		clear(m.deliveries)
	}
	return nil
}

// journal reads a text with the host and tag of a journal before it. Old forms
// are not looked for: other programs, too, say that they are exiting.
func journal(text []byte) sendlog.Line {
	rest, ok := syslogmsg.Journal(text)
	if !ok {
		return sendlog.Line{}
	}
	l := sendlog.Parse(rest)
	if l.Kind == sendlog.Restart {
		return sendlog.Line{}
	}
	return l
}

// channel is the channel's name; the two that there are take no memory.
func channel(b []byte) string {
	for _, c := range [...]queue.Channel{queue.ChanLocal, queue.ChanRemote} {
		if string(b) == c.String() {
			return c.String()
		}
	}
	return string(b)
}

// endDelivery writes a delivery's line; one whose start is not known is left
// away.
func (m *matchup) endDelivery(t tai64n.Decimal, l sendlog.Line) error {
	d, ok := m.deliveries[l.Delivery]
	if !ok {
		return nil
	}
	delete(m.deliveries, l.Delivery)
	unknown := []byte(matchlog.Unknown)
	out := matchlog.Delivery{Birth: d.start, Start: d.start, Done: t, Sender: unknown, QP: unknown, UID: unknown,
		Recipient: []byte(d.channel + "." + d.recipient), Reason: l.Text}
	switch l.Result {
	case sendlog.Success:
		out.Result = matchlog.Success
	case sendlog.Failure:
		out.Result = matchlog.Failure
	default:
		out.Result = matchlog.Deferral
	}
	if msg := m.messages[d.id]; msg != nil {
		msg.counts.Add(out.Result)
		out.Birth, out.Bytes = msg.birth, uint64(msg.bytes)
		out.Sender, out.QP, out.UID = msg.fields()
	}
	m.line = out.Append(m.line[:0])
	return m.write(m.line)
}

// fields are the fields that both kinds of lines have.
func (msg *message) fields() (sender, qp, uid []byte) {
	return []byte("<" + msg.sender + ">"), strconv.AppendUint(nil, msg.qp, 10), strconv.AppendUint(nil, msg.uid, 10)
}

// endMessage writes a message's line, if its beginning is known.
func (m *matchup) endMessage(t tai64n.Decimal, id queue.ID) error {
	msg := m.messages[id]
	if msg == nil {
		return nil
	}
	delete(m.messages, id)
	out := matchlog.Message{Birth: msg.birth, Done: t, Bytes: uint64(msg.bytes), Counts: msg.counts}
	out.Sender, out.QP, out.UID = msg.fields()
	m.line = out.Append(m.line[:0])
	return m.write(m.line)
}

// state writes what is open, as lines that the next run reads before its log:
// messages in the order of their numbers, then deliveries. Errors show when w is
// flushed.
func (m *matchup) state(w *bufio.Writer) {
	put := func(t tai64n.Decimal, line []byte) {
		_, _ = w.Write(append(t.Append(nil), ' '))
		_, _ = w.Write(line)
	}
	for _, id := range slices.Sorted(maps.Keys(m.messages)) {
		msg := m.messages[id]
		put(msg.birth, sendlog.Info{ID: id, Bytes: msg.bytes, Sender: msg.sender, QP: msg.qp, UID: msg.uid}.AppendRead(nil))
		put(msg.birth, matchlog.Extra{ID: id, Counts: msg.counts}.Append(nil))
	}
	for _, n := range slices.Sorted(maps.Keys(m.deliveries)) {
		d := m.deliveries[n]
		put(d.start, sendlog.StartingRead(nil, n, d.id, d.channel, d.recipient))
	}
	m.pieces.state(w)
}
