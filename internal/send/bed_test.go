package send

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sig"
	"goqmail/internal/testkit"
)

// patience is how long a test waits for something that must happen.
const patience = 20 * time.Second

// A bed is a qmail-send in this process: a home of its own, a clock that stands
// still, and the test in the place of the logger, the spawners and qmail-clean.
type bed struct {
	*testkit.Home
	t        *testing.T
	s        *server
	p        *prog.Process
	now      atomic.Int64
	log      *logReader
	signals  chan syscall.Signal
	commands [queue.Channels]chan pipe.DeliveryCommand
	reports  [queue.Channels]sys.FD // write ends
	partner  [queue.Channels]sys.FD // read ends of the commands
	clean    *fakeClean
	ended    chan struct{} // closed when run has returned
	wide     bool          // the spawners speak the wide protocol
	stuck    bool          // the scan of info/ does not come to its end
	fds      []sys.FD
}

// newBed makes a home and the pipes; start starts qmail-send.
func newBed(t *testing.T) *bed {
	t.Helper()
	return newBedIn(t, testkit.NewHome(t))
}

// newBedIn is newBed with a home that is there.
func newBedIn(t *testing.T, home *testkit.Home) *bed {
	t.Helper()
	b := &bed{Home: home, t: t, signals: make(chan syscall.Signal, 16), ended: make(chan struct{})}
	b.now.Store(time.Now().Unix())
	b.Control("me", "mx.example.test\n")
	b.p = &prog.Process{
		Args: []string{"qmail-send"}, Home: b.Dir, FDs: map[int]sys.FD{},
		Env: prog.NewEnv([]string{"PATH=/bin:/usr/bin"}),
		Now: func() time.Time { return time.Unix(b.now.Load(), 0) },
	}
	pair := func(reads bool, n int) sys.FD { // of descriptor n; returns the other end
		r, w, err := sys.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		b.fds = append(b.fds, r, w)
		if reads {
			b.p.FDs[n] = r
			return w
		}
		b.p.FDs[n] = w
		return r
	}
	b.log = newLogReader(pair(false, pipe.FDLog))
	b.partner = [...]sys.FD{pair(false, pipe.FDLocalCommand), pair(false, pipe.FDRemoteCommand)}
	b.reports = [...]sys.FD{pair(true, pipe.FDLocalReport), pair(true, pipe.FDRemoteReport)}
	b.clean = &fakeClean{bed: b, r: pair(false, pipe.FDCleanRequest), w: pair(true, pipe.FDCleanReply)}
	return b
}

// start runs qmail-send with the given limits as the spawners' first bytes.
// The server's fields may be changed by the functions before it runs.
func (b *bed) start(local, remote byte, change ...func(*server)) {
	b.t.Helper()
	for i, n := range [...]byte{local, remote} {
		if _, err := b.reports[i].Write([]byte{n}); err != nil {
			b.t.Fatal(err)
		}
	}
	b.startAgreed(change...)
}

// filed, for start: every message gets its files before it is delivered, as with
// control/classic.
func filed(s *server) { s.transit = nil }

// startAgreed is start when somebody else plays the spawners' part at the start.
func (b *bed) startAgreed(change ...func(*server)) {
	b.t.Helper()
	s, notice := prepare(b.p)
	if notice != "" {
		b.t.Fatalf("prepare() = %q", notice)
	}
	s.signals = b.signals
	for _, f := range change {
		f(s)
	}
	b.s = s
	for i := range b.commands {
		b.commands[i] = make(chan pipe.DeliveryCommand, 1000)
		go readCommands(b.partner[i], b.wide, b.commands[i])
	}
	go b.clean.serve()
	go func() {
		s.run()
		_ = s.mutex.Close()
		close(b.ended)
	}()
	b.t.Cleanup(b.stop)
}

// stop ends qmail-send whatever it does, and closes all pipes.
func (b *bed) stop() {
	select {
	case <-b.ended:
	default:
		b.signals <- sig.TERM
		b.signals <- sig.TERM
		for range 100 { // the clock goes on until it gives up
			b.advance(1)
			select {
			case <-b.ended:
				b.closeAll()
				return
			case <-time.After(time.Millisecond):
			}
		}
		select {
		case <-b.ended:
		case <-time.After(patience):
			b.t.Error("qmail-send does not end")
		}
	}
	b.closeAll()
}

// closeAll closes all pipes, that of the log first: its reader must not come back
// to a number that is somebody else's by then.
func (b *bed) closeAll() {
	log := b.p.FD(pipe.FDLog)
	_ = log.Close()
	select {
	case <-b.log.ended:
	case <-time.After(patience):
		b.t.Error("the log does not end")
	}
	for _, fd := range b.fds {
		if fd != log {
			_ = fd.Close()
		}
	}
}

// leave sends TERM and waits for the end.
func (b *bed) leave() {
	b.t.Helper()
	b.signals <- sig.TERM
	b.waitEnd()
}

func (b *bed) waitEnd() {
	b.t.Helper()
	select {
	case <-b.ended:
	case <-time.After(patience):
		b.t.Fatalf("qmail-send does not end; log:\n%s", b.log.all())
	}
	b.until("the last line", func() bool { return strings.HasSuffix("\n"+b.log.all(), "\nstatus: exiting") })
}

// advance moves the clock and has everybody look at it. First the loop ends its
// turn, in which it may note when to try again what it has just logged.
func (b *bed) advance(seconds int64) {
	turned := make(chan bool, 1)
	b.s.post(callback(func() { turned <- true }))
	select {
	case <-turned:
	case <-b.ended:
	case <-time.After(patience):
	}
	b.now.Add(seconds)
	b.s.post(nudge{})
	b.s.wake.Set()
}

// inject puts a message into todo/ and pulls the trigger.
func (b *bed) inject(sender string, rcpts ...string) queue.ID {
	b.t.Helper()
	id := b.put(sender, rcpts...)
	b.pull()
	return id
}

// put puts a message into todo/.
func (b *bed) put(sender string, rcpts ...string) queue.ID {
	b.t.Helper()
	id := queue.ID(b.AddMessage("Received: (qmail)\n\nhello\n"))
	e := queue.AppendOrigin(nil, 7791, 6011)
	e = queue.AppendRecord(e, queue.LetterSender, sender)
	for _, r := range rcpts {
		e = queue.AppendRecord(e, queue.LetterRecipient, r)
	}
	b.Write("queue/"+queue.Intd.Path(id), string(e))
	if err := os.Link(b.path(queue.Intd, id), b.path(queue.Todo, id)); err != nil {
		b.t.Fatal(err)
	}
	return id
}

// pull pulls the trigger, if anybody waits for it.
func (b *bed) pull() {
	fd, err := syscall.Open(filepath.Join(b.Queue(), queue.LockTrigger), syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err == nil {
		_, _ = syscall.Write(fd, []byte{0})
		_ = syscall.Close(fd)
	}
}

// queued makes the files of a preprocessed message; "" makes none.
func (b *bed) queued(info, local, remote, bounce string) queue.ID {
	b.t.Helper()
	id := queue.ID(b.AddMessage("Received: (qmail)\n\nhello\n"))
	for k, text := range map[queue.Kind]string{queue.Info: info, queue.Local: local, queue.Remote: remote, queue.Bounce: bounce} {
		if text != "" {
			b.Write("queue/"+k.Path(id), text)
			b.setTime(k, id, b.now.Load()) // the real clock may be ahead of ours
		}
	}
	return id
}

func (b *bed) path(k queue.Kind, id queue.ID) string { return filepath.Join(b.Queue(), k.Path(id)) }

// file is the content of a message's file, "-" if there is none.
func (b *bed) file(k queue.Kind, id queue.ID) string {
	b.t.Helper()
	text, ok := b.Read("queue/" + k.Path(id))
	if !ok {
		return "-"
	}
	return text
}

// has tells whether a message's file is there, without an access to it.
func (b *bed) has(k queue.Kind, id queue.ID) bool {
	_, err := os.Lstat(b.path(k, id))
	return err == nil
}

// until waits until f is true. What f looks at is changed by qmail-send.
func (b *bed) until(what string, f func() bool) {
	b.t.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("waited in vain for %s; log:\n%s", what, b.log.all())
		}
	}
}

// gone waits until nothing of a message is left.
func (b *bed) gone(id queue.ID) {
	b.t.Helper()
	b.until(fmt.Sprintf("message %d to go", id), func() bool { return !b.has(queue.Mess, id) })
	for _, f := range b.Files() {
		if filepath.Base(f) == id.String() {
			b.t.Errorf("%s is left", f)
		}
	}
}

// command is the next command on a channel.
func (b *bed) command(ch queue.Channel) pipe.DeliveryCommand {
	b.t.Helper()
	select {
	case c, ok := <-b.commands[ch]:
		if !ok {
			b.t.Fatalf("%v commands ended", ch)
		}
		return c
	case <-time.After(patience):
		b.t.Fatalf("no %v command; log:\n%s", ch, b.log.all())
		panic("unreachable")
	}
}

// idle checks that no command comes on a channel: everything that was to
// happen has happened when the loop has turned twice.
func (b *bed) idle(ch queue.Channel) {
	b.t.Helper()
	b.settle()
	select {
	case c := <-b.commands[ch]:
		b.t.Fatalf("unexpected %v command %+v", ch, c)
	default:
	}
}

// settle waits until the loop has taken all events so far and nothing that it
// started beside itself, the scans of todo/ and mess/ apart, is still running.
func (b *bed) settle() {
	for quiet := 0; quiet < 3; quiet++ {
		busy := make(chan bool, 1)
		b.s.post(callback(func() {
			busy <- b.s.finishing+b.s.bouncing > 0 || b.s.storing || b.s.scanning && !b.stuck ||
				b.s.isLanding || b.s.isDeparting || len(b.s.toLand)+len(b.s.departing) > 0
		}))
		select {
		case is := <-busy:
			if is {
				quiet = -1
				time.Sleep(time.Millisecond)
			}
		case <-b.ended:
			return
		}
	}
}

// callback is an event that calls a function in the loop.
type callback func()

func (f callback) apply(*server) { f() }

// report writes a report.
func (b *bed) report(ch queue.Channel, delnum uint32, letter byte, text string) {
	b.t.Helper()
	r := pipe.Report{Delnum: delnum, Letter: letter, Text: text}
	bytes := r.Append(nil)
	if b.wide {
		bytes = r.AppendWide(nil)
	}
	if _, err := b.reports[ch].Write(bytes); err != nil {
		b.t.Fatal(err)
	}
}

// readCommands hands on the commands of a pipe.
func readCommands(fd sys.FD, wide bool, out chan<- pipe.DeliveryCommand) {
	defer close(out)
	d := pipe.CommandDecoder{Wide: wide}
	buf := make([]byte, 4096)
	for {
		n, err := fd.Read(buf)
		if err != nil {
			return
		}
		for _, c := range buf[:n] {
			if command, done, err := d.Push(c); done && err == nil {
				out <- command
			}
		}
	}
}

// A logReader collects the lines of the log.
type logReader struct {
	mu    sync.Mutex
	lines []string
	ended chan struct{} // closed at the end of the log
}

func newLogReader(fd sys.FD) *logReader {
	l := &logReader{ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		buf := make([]byte, 65536)
		rest := ""
		for {
			n, err := fd.Read(buf)
			if err != nil {
				return
			}
			rest += string(buf[:n])
			l.mu.Lock()
			for {
				line, more, ok := strings.Cut(rest, "\n")
				if !ok {
					break
				}
				l.lines, rest = append(l.lines, line), more
			}
			l.mu.Unlock()
		}
	}()
	return l
}

func (l *logReader) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

func (l *logReader) count(line string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.lines {
		if x == line {
			n++
		}
	}
	return n
}

// logged waits until a line was logged n times.
func (b *bed) logged(line string, n int) {
	b.t.Helper()
	b.until(fmt.Sprintf("%q %d times", line, n), func() bool { return b.log.count(line) >= n })
	if got := b.log.count(line); got != n {
		b.t.Errorf("logged %d times: %q, want %d", got, line, n)
	}
}

// A fakeClean is qmail-clean: it removes files and answers.
type fakeClean struct {
	bed  *bed
	r, w sys.FD

	mu     sync.Mutex
	reply  func(pipe.CleanRequest) byte // nil: obey and say "done"; 0 as answer: none
	before func(pipe.CleanRequest)      // called before a request is obeyed
	asked  []string
}

func (c *fakeClean) set(reply func(pipe.CleanRequest) byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reply = reply
}

func (c *fakeClean) requests() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.asked, " ")
}

func (c *fakeClean) serve() {
	var have []byte
	buf := make([]byte, 1)
	for {
		if _, err := c.r.Read(buf); err != nil {
			return
		}
		if buf[0] != 0 {
			have = append(have, buf[0])
			continue
		}
		req, err := pipe.ParseCleanRequest(have)
		if err != nil {
			c.bed.t.Errorf("request %q: %v", have, err)
		}
		have = nil
		c.mu.Lock()
		reply, before := c.reply, c.before
		c.asked = append(c.asked, req.String())
		c.mu.Unlock()
		if before != nil {
			before(req)
		}
		answer := byte(pipe.CleanDone)
		if reply != nil {
			answer = reply(req)
		}
		if answer == byte(pipe.CleanDone) {
			k := queue.Mess
			if req.Todo {
				k = queue.Todo
			}
			_ = os.Remove(c.bed.path(queue.Intd, req.ID))
			_ = os.Remove(c.bed.path(k, req.ID))
		}
		if answer != 0 {
			if _, err := c.w.Write([]byte{answer}); err != nil {
				return
			}
		}
	}
}

// fixedNow is a clock that stands still.
func fixedNow() time.Time { return time.Unix(1795201475, 0) }
