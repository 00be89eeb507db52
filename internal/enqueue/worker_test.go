package enqueue

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/pipe"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	program "goqmail/internal/sys/child"
	"goqmail/internal/testkit"
)

// A server is the fake qmail-queue as a worker, and the other end.
type server struct {
	t    *testing.T
	h    *testkit.Home
	conn *sys.PacketConn
	proc program.Process
	next uint32
}

func serving(t *testing.T, h *testkit.Home) *server {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	conn, theirs, err := sys.PacketPair()
	if err != nil {
		t.Fatal(err)
	}
	null, err := sys.Cwd().Open("/dev/null", sys.ReadWrite, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = null.Close(), theirs.Close() }()
	s := &server{t: t, h: h, conn: conn}
	s.proc, err = program.Start(&program.Cmd{
		Path: self, Args: []string{pipe.WorkerName("bin/qmail-queue", 3)}, Files: []sys.FD{null, null, null, theirs},
		Env: []string{testkit.FakeEnv("queue"), homeVar + "=" + h.Dir},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = s.proc.KillNow(), s.conn.Close() })
	buf := make([]byte, 100)
	if n, err := conn.Receive(buf); string(buf[:n]) != string(pipe.MarkQueue) || err != nil {
		t.Fatalf("hello %q, %v", buf[:n], err)
	}
	return s
}

// send sends a job with these files.
func (s *server) send(files ...sys.FD) {
	s.t.Helper()
	s.next++
	packet, _ := pipe.Job{Number: s.next}.Append(nil)
	if err := s.conn.Send(packet, files, time.Second); err != nil {
		s.t.Fatal(err)
	}
}

// answer takes the answer to the last job.
func (s *server) answer() (a pipe.JobAnswer, err error) {
	s.t.Helper()
	buf := make([]byte, pipe.AnswerMax)
	n, err := s.conn.Receive(buf)
	if err != nil {
		return a, err
	}
	if a, err = pipe.ParseJobAnswer(buf[:n]); err == nil && a.Number != s.next {
		s.t.Errorf("an answer to job %d, want %d", a.Number, s.next)
	}
	return a, err
}

// pipes gives the job a message and an envelope, whole.
func (s *server) pipes(message, envelope string) {
	s.t.Helper()
	var far [2]sys.FD
	for i, text := range []string{message, envelope} {
		r, w, err := sys.Pipe()
		if err == nil {
			_, err = w.WriteString(text)
		}
		if err != nil {
			s.t.Fatal(err)
		}
		_ = w.Close()
		far[i] = r
	}
	s.send(far[:]...)
	sys.CloseAll(far[:])
}

// queued does a message and returns its answer.
func (s *server) queued(message, envelope string) pipe.JobAnswer {
	s.t.Helper()
	s.pipes(message, envelope)
	a, err := s.answer()
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// ended waits for the end of the process.
func (s *server) ended() program.Status {
	s.t.Helper()
	st, err := s.proc.Wait()
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// open lists the process's descriptors.
func (s *server) open() string {
	s.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", s.proc.PID)
	list, err := os.ReadDir(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, f := range list {
		to, _ := os.Readlink(dir + "/" + f.Name())
		if strings.Contains(to, "/queue/pid/") || strings.Contains(to, "/queue/intd/") {
			continue // made ahead, or kept to be used again
		}
		out = append(out, f.Name()+" "+to)
	}
	return strings.Join(out, "\n")
}

const good = "Fs@a\x00Tr@b\x00\x00"

// todos is how many messages are queued, left how many other files there are
// besides those of the messages.
func todos(h *testkit.Home) (todos, left int) {
	for _, f := range h.Files() {
		switch {
		case strings.HasPrefix(f, "todo/"):
			todos++
		case !strings.HasPrefix(f, "pid/"): // names of spares
			left++
		}
	}
	return todos, left - 2*todos // mess and intd
}

func TestSeveral(t *testing.T) {
	h := testkit.NewHome(t)
	s := serving(t, h)
	tests := []struct {
		name, message, envelope string
		want                    int
	}{
		{"first", "one\n", good, 0},
		{"no envelope", "two\n", "", queue.ExitRead},
		{"envelope that ends early", "three\n", "Fs@a\x00Tr", queue.ExitRead},
		{"address too long", "four\n", "F" + strings.Repeat("x", queue.MaxAddress+1) + "\x00\x00", queue.ExitAddress},
		{"empty message", "", "F\x00\x00", 0},
		{"last but one", strings.Repeat("x", 60000), good, 0},
		{"another", "six\n", good, 0},
	}
	fds := ""
	numbers := map[int]bool{}
	good := 0
	for i, tt := range tests {
		a := s.queued(tt.message, tt.envelope)
		n, err := strconv.Atoi(a.Text)
		if int(a.Code) != tt.want || a.Retire || err != nil || n != s.proc.PID+i*numberStep || numbers[n] {
			t.Errorf("%s: %+v, want code %d and a number of its own", tt.name, a, tt.want)
		}
		numbers[n] = true
		if tt.want == 0 {
			good++
		}
		if queued, left := todos(h); queued != good || left != 0 {
			t.Errorf("%s: %d queued, %d files left over; want %d and none: %q", tt.name, queued, left, good, h.Files())
		}
		if now := s.open(); fds == "" {
			fds = now
		} else if fds != now {
			t.Errorf("%s: descriptors\n%s\nbefore\n%s", tt.name, now, fds)
		}
		if tt.want == 0 {
			if id := newest(t, h, n); id == "" {
				t.Errorf("%s: number %d is not in the envelope and the Received line", tt.name, n)
			}
		}
	}
	_ = s.conn.CloseWrite()
	if st := s.ended(); st != 0 {
		t.Errorf("ended with %x", int(st))
	}
	if pid, err := os.ReadDir(h.Path("queue/pid")); err != nil || len(pid) != 0 {
		t.Errorf("left in pid/: %v, %v", pid, err)
	}
}

// newest finds the message with the number.
func newest(t *testing.T, h *testkit.Home, number int) (name string) {
	t.Helper()
	for _, f := range h.Files() {
		id, ok := strings.CutPrefix(f, "todo/")
		if !ok {
			continue
		}
		envelope, _ := h.Read("queue/" + f)
		n, _ := strconv.ParseUint(id, 10, 64)
		message, _ := h.Read("queue/" + queue.Mess.Path(queue.ID(n)))
		if strings.HasPrefix(envelope, fmt.Sprintf("u1000\x00p%d\x00F", number)) && strings.HasPrefix(message, fmt.Sprintf("Received: (qmail %d invoked by uid 1000); ", number)) {
			return id
		}
	}
	return ""
}

// An envelope that is none has its answer, and ends the process.
func TestWrongEnvelope(t *testing.T) {
	h := testkit.NewHome(t)
	s := serving(t, h)
	if a := s.queued("x\n", "Xs@a\x00\x00"); a.Code != queue.ExitLetter || !a.Retire {
		t.Errorf("answer %+v, want %d and the last", a, queue.ExitLetter)
	}
	if st := s.ended(); st != 0 || len(h.Files()) != 0 {
		t.Errorf("ended with %x, files %q", int(st), h.Files())
	}
}

// What is no job ends the process with 81, and nothing is queued of it.
func TestHostilePackets(t *testing.T) {
	h := testkit.NewHome(t)
	null, err := sys.Cwd().Open("/dev/null", sys.ReadOnly, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	with, _ := pipe.Job{Number: 1, Args: []string{"x"}}.Append(nil)
	plain, _ := pipe.Job{Number: 1}.Append(nil)
	for _, tt := range []struct {
		name   string
		packet []byte
		files  int
	}{
		{"a byte", []byte("x"), 2}, {"no descriptors", plain, 0}, {"one", plain, 1}, {"three", plain, 3}, {"eight", plain, 8},
		{"250", plain, 250}, {"an argument", with, 2}, {"too long", make([]byte, pipe.JobMax+1), 2}, {"no number", []byte("abc"), 2},
	} {
		s := serving(t, h)
		if a := s.queued("good\n", good); a.Code != 0 {
			t.Fatalf("%s: the message before: %+v", tt.name, a)
		}
		before, _ := todos(h)
		files := make([]sys.FD, tt.files)
		for i := range files {
			files[i] = null
		}
		if err := s.conn.Send(tt.packet, files, time.Second); err != nil {
			t.Fatal(err)
		}
		want := program.Status(queue.ExitBug << 8)
		if tt.name == "an argument" {
			want = 0 // it is answered
		}
		if st := s.ended(); st != want {
			t.Errorf("%s: ended with %x, want %x", tt.name, int(st), int(want))
		}
		if now, left := todos(h); now != before || left != 0 {
			t.Errorf("%s: %d queued, %d before, %d left over", tt.name, now, before, left)
		}
	}
}

// Descriptors of any kind: a message is queued whole, or not and there is a code;
// the process goes on.
func TestHostileFiles(t *testing.T) {
	h := testkit.NewHome(t)
	open := func(name string, flags int) sys.FD {
		fd, err := unix.Open(name, flags|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		return sys.FD(fd)
	}
	stream, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.Close(stream[0]), unix.Close(stream[1]) })
	if err := unix.Shutdown(stream[0], unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	h.Write("message", "text\n")
	h.Write("envelope", good)
	if err := unix.Mkfifo(h.Path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	fifo := open(h.Path("fifo"), unix.O_RDONLY|unix.O_NONBLOCK)
	null, zero, dir := open("/dev/null", unix.O_RDONLY), open("/dev/zero", unix.O_RDONLY), open("/", unix.O_RDONLY)
	opath, wronly, socket := open("/", unix.O_PATH), open("/dev/null", unix.O_WRONLY), sys.FD(stream[1])
	message := func() sys.FD { return open(h.Path("message"), unix.O_RDONLY) }
	envelope := func() sys.FD { return open(h.Path("envelope"), unix.O_RDONLY) }
	s := serving(t, h)
	for _, tt := range []struct {
		name string
		m, e sys.FD
		want int
	}{
		{"files", message(), envelope(), 0}, {"directory", dir, envelope(), queue.ExitRead}, {"directory as envelope", message(), dir, queue.ExitRead},
		{"no read", wronly, envelope(), queue.ExitRead}, {"path only", opath, envelope(), queue.ExitRead}, {"socket", socket, envelope(), 0},
		{"zeros as envelope", message(), zero, queue.ExitLetter}, {"fifo without writer", fifo, envelope(), 0},
		{"null", null, null, queue.ExitRead}, {"twice the same", dir, dir, queue.ExitRead},
	} {
		before, _ := todos(h)
		s.send(tt.m, tt.e)
		a, err := s.answer()
		if err != nil || int(a.Code) != tt.want {
			t.Errorf("%s: %+v, %v, want code %d", tt.name, a, err, tt.want)
		}
		now, left := todos(h)
		if (now > before) != (tt.want == 0) || left != 0 {
			t.Errorf("%s: %d queued, %d before, %d left over", tt.name, now, before, left)
		}
		if a.Retire {
			s = serving(t, h)
		}
	}
	one := message()
	s.send(one, one) // the message is at its end when the envelope is read
	if a, err := s.answer(); err != nil || a.Code != queue.ExitRead {
		t.Errorf("one file as both: %+v, %v", a, err)
	}
}

// A worker that is killed: what it said stays true, what it had is lost, and no
// message is queued in part.
func TestKilled(t *testing.T) {
	h := testkit.NewHome(t)
	for _, tt := range []struct {
		sig  syscall.Signal
		want program.Status
	}{{syscall.SIGKILL, 9}, {syscall.SIGALRM, queue.ExitTimeout << 8}, {syscall.SIGSEGV, queue.ExitBug << 8}, {syscall.SIGTERM, 15}} {
		empty(t, h)
		s := serving(t, h)
		if a := s.queued("x\n", good); a.Code != 0 {
			t.Fatalf("%+v", a)
		}
		r, w, err := sys.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		s.send(r, r)
		_ = r.Close()
		if _, err := w.WriteString(strings.Repeat("x", 1<<20)); err != nil { // more than the pipe holds: it reads
			t.Fatal(err)
		}
		if err := s.proc.Kill(tt.sig); err != nil {
			t.Fatal(err)
		}
		if _, err := s.answer(); err != io.EOF {
			t.Errorf("%v: %v, want an end", tt.sig, err)
		}
		if st := s.ended(); st != tt.want {
			t.Errorf("%v: ended with %x, want %x", tt.sig, int(st), int(tt.want))
		}
		if queued, left := todos(h); queued != 1 || left != 1 {
			t.Errorf("%v: %d queued, %d left over; want one each", tt.sig, queued, left)
		}
		_ = w.Close()
	}
}

// A caller that reads no answer, and one that offers what is no conversation.
func TestCallers(t *testing.T) {
	h := testkit.NewHome(t)
	s := serving(t, h)
	for range 3 {
		s.pipes("x\n", good)
	}
	_ = s.conn.Close()
	if st := s.ended(); st.Crashed() || st.Code() != 0 && st.Code() != queue.ExitBug {
		t.Errorf("a caller that went away: ended with %x", int(st))
	}
	if _, left := todos(h); left != 0 {
		t.Errorf("files %q", h.Files())
	}
	// A stream socket is no offer: the message is on descriptor 0.
	stream, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = unix.Close(stream[0]), unix.Close(stream[1]) }()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	null, err := sys.Cwd().Open("/dev/null", sys.ReadWrite, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	p, err := program.Start(&program.Cmd{
		Path: self, Args: []string{pipe.WorkerName("q", 3)}, Files: []sys.FD{null, null, null, sys.FD(stream[0])},
		Env: []string{testkit.FakeEnv("queue"), homeVar + "=" + h.Dir},
	})
	if err != nil {
		t.Fatal(err)
	}
	if st, err := p.Wait(); err != nil || st.Code() != queue.ExitRead {
		t.Errorf("a stream socket: ended with %x, %v; want %d, as without envelope", int(st), err, queue.ExitRead)
	}
}

// The number of messages of one process is limited, and the starter told.
func TestLastMessage(t *testing.T) {
	if testing.Short() {
		t.Skip("many messages")
	}
	h := testkit.NewHome(t)
	s := serving(t, h)
	for i := 1; i <= maxJobs; i++ {
		a := s.queued("", "")
		if a.Code != queue.ExitRead || a.Retire != (i == maxJobs) {
			t.Fatalf("message %d: %+v", i, a)
		}
	}
	if st := s.ended(); st != 0 {
		t.Errorf("ended with %x", int(st))
	}
}
