// Package queuetest is the queue program in memory, for the tests of servers
// that hold a qq.Sink. For tests only.
package queuetest

import (
	"bytes"

	"goqmail/internal/qq"
	"goqmail/internal/queue"
)

// PID is the number of the queue program's process.
const PID = 4711

// A Queue takes messages. The zero Queue accepts all.
type Queue struct {
	Refuse   error  // of starting the queue program
	Result   string // of each message, as (*qq.Message).Close has it
	Messages []*Message
}

// A Message is one that was begun.
type Message struct {
	Body     bytes.Buffer // until it failed
	Envelope []byte
	Closed   bool

	queue  *Queue
	failed bool
}

// Open begins a message, as qq.Opener's function does.
func (q *Queue) Open() (qq.Sink, error) {
	if q.Refuse != nil {
		return nil, q.Refuse
	}
	m := &Message{queue: q}
	q.Messages = append(q.Messages, m)
	return m, nil
}

// Queued is the envelopes that the queue program would have taken.
func (q *Queue) Queued() string {
	var b []byte
	for _, m := range q.Messages {
		if m.Queued() {
			b = append(b, m.Envelope...)
		}
	}
	return string(b)
}

// Queued tells whether the queue program would have queued it.
func (m *Message) Queued() bool { return m.Closed && !m.failed && m.queue.Result == "" }

// Write adds to the body.
func (m *Message) Write(p []byte) (int, error) {
	if !m.failed {
		m.Body.Write(p)
	}
	return len(p), nil
}

// Fail gives the message up.
func (m *Message) Fail() { m.failed = true }

// From adds the sender to the envelope.
func (m *Message) From(s string) { m.Envelope = queue.AppendSender(m.Envelope, s) }

// To adds a recipient.
func (m *Message) To(r string) { m.Envelope = queue.AppendRecipient(m.Envelope, r) }

// PID is always the same.
func (m *Message) PID() int { return PID }

// Close ends the message.
func (m *Message) Close() string {
	m.Closed = true
	if m.failed {
		return queue.Result(queue.ExitRead, true, "")
	}
	return m.queue.Result
}
