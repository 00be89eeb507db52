package qmtpd

import (
	"bytes"
	"os"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/qq"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// The time of all tests: 20 Nov 2026 19:03:56.
const now = 1795201436

// A fakeQueue is the queue program in memory.
type fakeQueue struct {
	refuse error  // of starting it
	result string // of each message
	got    []*fakeMessage
}

type fakeMessage struct {
	q        *fakeQueue
	body     bytes.Buffer
	envelope []byte
	failed   bool
	closed   bool
}

func (q *fakeQueue) open() (qq.Sink, error) {
	if q.refuse != nil {
		return nil, q.refuse
	}
	m := &fakeMessage{q: q}
	q.got = append(q.got, m)
	return m, nil
}

func (m *fakeMessage) Write(p []byte) (int, error) {
	if !m.failed {
		m.body.Write(p)
	}
	return len(p), nil
}

func (m *fakeMessage) Fail()         { m.failed = true }
func (m *fakeMessage) From(s string) { m.envelope = queue.AppendSender(m.envelope, s) }
func (m *fakeMessage) To(r string)   { m.envelope = queue.AppendRecipient(m.envelope, r) }
func (m *fakeMessage) PID() int      { return 4711 }
func (m *fakeMessage) Close() string {
	m.closed = true
	if m.failed {
		return queue.Result(queue.ExitRead, true, "")
	}
	return m.q.result
}

// queued is the envelopes that the queue program would have taken.
func (q *fakeQueue) queued() string {
	var b []byte
	for _, m := range q.got {
		if m.closed && !m.failed && m.q.result == "" {
			b = append(b, m.envelope...)
		}
	}
	return string(b)
}

func TestMain(m *testing.M) {
	testkit.Fakes{"expired": expired}.Play()
	os.Exit(m.Run())
}

// expired is the program with a lifetime that is over at once, and a client that
// says nothing.
func expired() int {
	r, w, err := sys.Pipe()
	if err != nil {
		return 1
	}
	defer func() { _ = w.Close() }()
	p := &prog.Process{Args: []string{""}, Home: os.Getenv("HOME"), Now: sys.Now, FDs: map[int]sys.FD{0: r, 1: w}}
	return run(p, time.Millisecond)
}

// runOn runs the whole program.
func runOn(t *testing.T, h *testkit.Home, in string, env ...string) (out string, code int) {
	t.Helper()
	r, w, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ar, aw, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), ar.Close() }()
	if _, err := w.WriteString(in); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	p := &prog.Process{
		Args: []string{""}, Env: prog.NewEnv(append(env, "PATH=/bin:/usr/bin")), Home: h.Dir,
		Now: func() time.Time { return time.Unix(now, 0) }, FDs: map[int]sys.FD{0: r, 1: aw},
	}
	code = Run(p)
	_ = aw.Close()
	b, err := ar.ReadAll(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), code
}
