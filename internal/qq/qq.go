// Package qq queues a message: it runs bin/qmail-queue, or the program named
// by $QMAILQUEUE, feeds it message and envelope and turns its exit code into
// the text that users and SMTP clients see. Spec: spec/queue.md section 9.
//
//	m, err := qq.Open(cfg)
//	m.Write(header and body)
//	m.From(sender); m.To(rcpt) ...
//	res := m.Close()
//
// The queue program has the message on descriptor 0, the envelope on 1 (read
// by it), a pipe for a text of its own on 6, home as its directory, and its
// path as argv[0].
package qq

import (
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
)

// A Config says how to run the queue program.
type Config struct {
	Home string
	Env  []string // the environment; QMAILQUEUE is looked up in it

	// NoStderr gives the queue program /dev/null as descriptor 2: for
	// qmail-send, whose own descriptor 2 is a report pipe.
	NoStderr bool

	// Alone: the process does nothing else while it waits for the queue program
	// (sys.FD.AwaitBriefly).
	Alone bool
}

// ownProgram is the queue program unless $QMAILQUEUE names another.
const ownProgram = "bin/qmail-queue"

// program is the queue program's path: relative ones start at home. own is false
// for one from the environment.
func (c Config) program() (path string, own bool) {
	const name = "QMAILQUEUE="
	for _, e := range c.Env {
		if len(e) >= len(name) && e[:len(name)] == name {
			return e[len(name):], false
		}
	}
	return ownProgram, true
}

// A Message is one message on its way into the queue.
type Message struct {
	proc     child.Process
	job      *job // not nil: in the place of proc
	started  bool
	alone    bool // Config.Alone
	code     int  // exit code to report when nothing was started
	message  sys.FD
	envelope sys.FD
	custom   sys.FD
	buf      []byte
	failed   bool
}

const bufSize = 32 << 10

// Open starts the queue program. An error means that pipes or a process could
// not be made ("qqt failure", "unable to fork"); a program that cannot be
// executed is reported by Close, as with C.
func Open(c Config) (*Message, error) {
	var p [6]sys.FD // message r w, envelope r w, custom r w
	for i := range p {
		p[i] = -1
	}
	for i := 0; i < len(p); i += 2 {
		var err error
		if p[i], p[i+1], err = sys.Pipe(); err != nil {
			closeAll(p[:])
			return nil, err
		}
	}
	m := &Message{message: p[1], envelope: p[3], custom: p[4], alone: c.Alone, buf: make([]byte, 0, bufSize)}
	err := m.start(c, p[0], p[2], p[5])
	closeAll([]sys.FD{p[0], p[2], p[5]})
	if err != nil {
		closeAll([]sys.FD{p[1], p[3], p[4]})
		return nil, err
	}
	return m, nil
}

// start runs the program. Its failures are of three kinds: the home directory
// (61), no process to be had (an error), and everything else (120).
func (m *Message) start(c Config, message, envelope, custom sys.FD) error {
	home, err := sys.Cwd().OpenSearchDir(c.Home)
	if err != nil {
		m.code = queue.ExitHome
		return nil
	}
	_ = home.Close() // only to tell ExitHome from ExitExec
	stderr := sys.FD(2)
	if c.NoStderr {
		if stderr, err = sys.Cwd().Open("/dev/null", sys.ReadWrite, 0); err != nil {
			return err
		}
		defer closeAll([]sys.FD{stderr})
	}
	path, _ := c.program()
	m.proc, err = child.Start(&child.Cmd{
		Path: path, Args: []string{path}, Dir: c.Home, Env: child.WithoutRuntime(c.Env),
		Files: []sys.FD{message, envelope, stderr, -1, -1, -1, custom}, Watch: true,
	})
	switch {
	case err == nil:
		m.started = true
	case sys.IsNoMemory(err) || sys.IsWouldBlock(err):
		return err
	default:
		m.code = queue.ExitExec
	}
	return nil
}

// A Sink takes one message on its way into the queue. *Message is the real one;
// servers hold a Sink, so that their tests can queue in memory.
type Sink interface {
	Write(p []byte) (int, error)
	Fail() // give it up: nothing will be queued
	From(sender string)
	To(rcpt string)
	Close() (result string) // "" when queued, else a letter and a text
	PID() int               // of the queue program
}

// PID is the number of the queue program, shown as "qp" in logs and replies: its
// pid, or, when it takes several messages, one that is unique for a day. The
// latter is known when Close has returned.
func (m *Message) PID() int {
	if m.job != nil {
		return m.job.number
	}
	return m.proc.PID
}

// Fail gives the message up: nothing more is written, the envelope stays
// unfinished, so that qmail-queue queues nothing.
func (m *Message) Fail() { m.failed = true }

// Failed tells whether the message was given up or a write failed.
func (m *Message) Failed() bool { return m.failed }

// Write adds to the message. Errors are kept for Close: it always returns
// len(p), nil, so that the caller reads its own input to the end.
func (m *Message) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 && !m.failed {
		n := min(len(p), bufSize-len(m.buf))
		m.buf, p = append(m.buf, p[:n]...), p[n:]
		if len(m.buf) == bufSize {
			m.flush(m.message)
		}
	}
	return total, nil
}

// WriteByte adds one byte to the message.
func (m *Message) WriteByte(c byte) error {
	if !m.failed {
		if m.buf = append(m.buf, c); len(m.buf) == bufSize {
			m.flush(m.message)
		}
	}
	return nil
}

// flush writes what is buffered.
func (m *Message) flush(to sys.FD) {
	if !m.failed && m.started && len(m.buf) > 0 {
		write := to.Write
		if m.job != nil {
			write = to.WriteAlone
		}
		if _, err := write(m.buf); err != nil {
			m.failed = true
		}
	}
	m.buf = m.buf[:0]
}

// From ends the message and begins the envelope.
func (m *Message) From(sender string) {
	m.flush(m.message)
	_ = m.message.Close() // nothing can be lost here
	m.message = -1
	m.record(queue.LetterSender, sender)
}

// To adds a recipient.
func (m *Message) To(rcpt string) { m.record(queue.LetterRecipient, rcpt) }

func (m *Message) record(letter byte, text string) {
	if m.failed {
		return
	}
	m.buf = queue.AppendRecord(m.buf, letter, text)
	if len(m.buf) >= bufSize {
		m.flush(m.envelope)
	}
}

// Close ends the envelope, waits for the queue program, and returns the result:
// "" when the message is queued, else D (permanent) or Z (temporary) and a text.
func (m *Message) Close() string {
	if m.message >= 0 {
		// No envelope was given: the message is given up.
		m.failed = true
		_ = m.message.Close()
	}
	if !m.failed {
		m.buf = queue.AppendEnd(m.buf)
	}
	m.flush(m.envelope)
	_ = m.envelope.Close() // as in From
	if m.job != nil {
		m.job.keeper.takeBack(m)
		return m.job.result(m.failed)
	}
	if m.alone {
		m.custom.AwaitBriefly(sys.Readable, sys.Brief)
	}
	custom := readCustom(m.custom)
	_ = m.custom.Close()
	if !m.started {
		return queue.Result(m.code, m.failed, "")
	}
	st, err := m.proc.Wait()
	if err != nil {
		return queue.ResultWait
	}
	return ended(st, m.failed, custom)
}

// ended is the result of a queue program that has ended.
func ended(st child.Status, failed bool, custom string) string {
	if st.Crashed() {
		return queue.ResultCrashed
	}
	return queue.Result(st.Code(), failed, custom)
}

// readCustom reads the queue program's own text to its end and keeps the first
// queue.CustomTextMax bytes.
func readCustom(fd sys.FD) string {
	var keep []byte
	buf := make([]byte, 256)
	for {
		n, err := fd.Read(buf)
		keep = append(keep, buf[:min(n, queue.CustomTextMax-len(keep))]...)
		if err != nil {
			return string(keep)
		}
	}
}

func closeAll(fds []sys.FD) {
	for _, fd := range fds {
		if fd >= 0 {
			_ = fd.Close() // pipe ends without data
		}
	}
}
