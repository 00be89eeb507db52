package tcpserver

import (
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
	"goqmail/internal/sys/sock"
	"goqmail/internal/testkit/dnstest"
	"goqmail/internal/ucspi"
)

// A bed is a server in this process, whose programs are not real: started gets
// each that begins, end ends it.
type bed struct {
	t       *testing.T
	s       *server
	at      string
	log     *lines
	started chan started
	ends    chan ended
	term    chan syscall.Signal
	code    chan int
}

type started struct {
	pid  int
	file *os.File // the connection
	cmd  *child.Cmd
}

type ended struct{ pid, status int }

// lines collects what is written to a pipe.
type lines struct {
	w  sys.FD
	mu sync.Mutex
	b  []byte
}

func newLines(t *testing.T) *lines {
	r, w, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l := &lines{w: w}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			if err != nil {
				return
			}
			l.mu.Lock()
			l.b = append(l.b, buf[:n]...)
			l.mu.Unlock()
		}
	}()
	t.Cleanup(func() { w.Close(); <-done; r.Close() })
	return l
}

var (
	rport = regexp.MustCompile(`(?m):\d+$`)
	pids  = regexp.MustCompile(`\b(pid|ok|end|deny) (\d+)`)
)

// text is what was written, the peers' ports as :P, our own pid as SELF.
func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := rport.ReplaceAllString(string(l.b), ":P")
	return pids.ReplaceAllStringFunc(s, func(m string) string {
		return strings.ReplaceAll(m, fmt.Sprint(os.Getpid()), "SELF")
	})
}

const patience = 10 * time.Second

// until waits for a condition that something else brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func newBed(t *testing.T, o options, z dnstest.Zone) *bed {
	t.Helper()
	o.backlog = 5
	if o.limit == 0 {
		o.limit = 40
	}
	o.LocalName, o.Verbosity = "l", verbose
	if len(o.argv) == 0 {
		o.argv = []string{"prog"}
	}
	o.host, o.port = "127.0.0.1", "0"
	l, err := o.open(z)
	if err != nil {
		t.Fatal(err)
	}
	return newBedAt(t, o, z, l)
}

// newBedAt is newBed with sockets that are there.
func newBedAt(t *testing.T, o options, z dnstest.Zone, l listeners) *bed {
	t.Helper()
	b := &bed{t: t, log: newLines(t), started: make(chan started, 100), ends: make(chan ended, 100), term: make(chan syscall.Signal), code: make(chan int, 1)}
	p := &prog.Process{Args: []string{"tcpserver"}, Env: prog.NewEnv([]string{"PATH=/bin"}), FDs: map[int]sys.FD{2: b.log.w}}
	var err error
	if b.s, err = newServer(o, p, l); err != nil {
		t.Fatal(err)
	}
	b.s.resolver = func() resolver { return z }
	pid := 1000000000 // no process has this number
	b.s.start = func(c *child.Cmd, path string) (child.Process, error) {
		if c.Path == "absent" {
			return child.Process{}, sys.NewError("exec", c.Path, syscall.ENOENT)
		}
		fd, err := c.Files[0].Dup(3)
		if err != nil {
			return child.Process{}, err
		}
		pid++
		b.started <- started{pid, os.NewFile(uintptr(fd), "connection"), c}
		return child.Process{PID: pid}, nil
	}
	b.s.wait = func() (int, child.Status, error) {
		e := <-b.ends
		return e.pid, child.Status(e.status), nil
	}
	at, err := sock.LocalName(l.fds[0])
	if err != nil {
		t.Fatal(err)
	}
	b.at = at.String()
	go func() { b.code <- b.s.run(b.term) }()
	// The descriptor stays open: the acceptor of this bed may still be on its way
	// to look at it, and must not find the next bed's.
	t.Cleanup(func() { b.s.close() })
	return b
}

func (b *bed) dial(from string) net.Conn {
	b.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	c, err := d.Dial("tcp", b.at)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	return c
}

// next is the next program that begins.
func (b *bed) next() started {
	b.t.Helper()
	select {
	case s := <-b.started:
		b.t.Cleanup(func() { s.file.Close() })
		return s
	case <-time.After(patience):
		b.t.Fatalf("no program was started; log:\n%s", b.log.text())
		return started{}
	}
}

func (b *bed) finish(s started, status int) {
	s.file.Close()
	b.ends <- ended{s.pid, status}
}

// wantLog waits for the log to become exactly want.
func (b *bed) wantLog(want string) {
	b.t.Helper()
	port := b.at[strings.LastIndexByte(b.at, ':'):]
	want = strings.ReplaceAll(want, ":L ", port+" ")
	defer func() {
		if b.t.Failed() {
			b.t.Logf("log:\n%s\nwant:\n%s", b.log.text(), want)
		}
	}()
	until(b.t, "the log", func() bool { return b.log.text() == want })
}

func TestServe(t *testing.T) {
	b := newBed(t, options{Options: ucspi.Options{NoDelay: true}, banner: "hi\r\n"}, testZone)
	c := b.dial("127.0.0.2")
	s := b.next()
	if _, err := s.file.WriteString("from the program\n"); err != nil {
		t.Fatal(err)
	}
	if s.cmd.Files[0] != s.cmd.Files[1] || s.cmd.Files[2] != b.log.w || len(s.cmd.Files) != 3 {
		t.Errorf("descriptors of the program: %v", s.cmd.Files)
	}
	b.finish(s, 1792)
	if got, err := io.ReadAll(c); string(got) != "hi\r\nfrom the program\n" || err != nil {
		t.Errorf("the client got %q, %v", got, err)
	}
	b.wantLog("tcpserver: status: 0/40\ntcpserver: status: 1/40\ntcpserver: pid 1000000001 from 127.0.0.2\n" +
		"tcpserver: ok 1000000001 l:::ffff:127.0.0.1:L :::ffff:127.0.0.2::P\ntcpserver: end 1000000001 status 1792\ntcpserver: status: 0/40\n")
}

// Connections that get no program.
func TestRefused(t *testing.T) {
	const head = "tcpserver: status: 0/40\ntcpserver: status: 1/40\ntcpserver: pid SELF from 127.0.0.2\n"
	const names = " SELF l:::ffff:127.0.0.1:L :::ffff:127.0.0.2::P\n"
	tests := []struct {
		name string
		o    options
		want string
	}{
		{"denied", options{rules: compile(t, "127.0.0.2:deny\n")}, "tcpserver: deny" + names + "tcpserver: end SELF status 25600\n"},
		{"rules unreadable", options{rules: "/nonexistent"},
			"tcpserver: warning: dropping connection, unable to read /nonexistent: file does not exist\ntcpserver: end SELF status 28416\n"},
		{"no program", options{argv: []string{"absent"}},
			"tcpserver: ok" + names + "tcpserver: warning: dropping connection, unable to run absent: file does not exist\ntcpserver: end SELF status 28416\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, tt.o, testZone)
			if got, _ := io.ReadAll(b.dial("127.0.0.2")); len(got) > 0 {
				t.Errorf("the client got %q", got)
			}
			b.wantLog(head + tt.want + "tcpserver: status: 0/40\n")
		})
	}
}

// A panic while looking names up costs the name.
func TestPanicInLookup(t *testing.T) {
	z := dnstest.Zone{Names: map[string]string{"127.0.0.2": "panic"}}
	b := newBed(t, options{Options: ucspi.Options{LookRemote: true}}, z)
	b.dial("127.0.0.2")
	s := b.next()
	if _, ok := prog.NewEnv(s.cmd.Env).Get("TCPREMOTEHOST"); ok {
		t.Error("the name is known")
	}
	b.finish(s, 0)
}

// The limit holds: the next connection waits until a program has ended.
func TestLimit(t *testing.T) {
	b := newBed(t, options{limit: 2}, testZone)
	b.dial("127.0.0.2")
	one := b.next()
	b.dial("127.0.0.3")
	two := b.next()
	b.dial("127.0.0.4")
	b.dial("127.0.0.5")
	full := "tcpserver: status: 0/2\ntcpserver: status: 1/2\ntcpserver: pid 1000000001 from 127.0.0.2\ntcpserver: ok 1000000001 l:::ffff:127.0.0.1:L :::ffff:127.0.0.2::P\n" +
		"tcpserver: status: 2/2\ntcpserver: pid 1000000002 from 127.0.0.3\ntcpserver: ok 1000000002 l:::ffff:127.0.0.1:L :::ffff:127.0.0.3::P\n"
	b.wantLog(full)
	if len(b.s.slots) != 2 || len(b.started) != 0 {
		t.Fatalf("%d connections count, %d more were started", len(b.s.slots), len(b.started))
	}
	b.finish(two, 0)
	three := b.next()
	b.wantLog(full + "tcpserver: end 1000000002 status 0\ntcpserver: status: 1/2\ntcpserver: status: 2/2\n" +
		"tcpserver: pid 1000000003 from 127.0.0.4\ntcpserver: ok 1000000003 l:::ffff:127.0.0.1:L :::ffff:127.0.0.4::P\n")
	b.ends <- ended{4711, 0} // a child that is none of its programs
	b.finish(one, 0)
	four := b.next()
	b.finish(three, 0)
	b.finish(four, 0)
	until(t, "the last end", func() bool { return strings.HasSuffix(b.log.text(), "status: 0/2\n") })
	until(t, "the free slots", func() bool { return len(b.s.slots) == 0 })
}

// A look-up that hangs delays no other connection; SIGTERM waits for it, and a
// second one does not.
func TestSlowLookup(t *testing.T) {
	for _, second := range []bool{false, true} {
		z := dnstest.Zone{Names: map[string]string{"127.0.0.2": "slow.test"}, Hold: map[string]chan struct{}{"127.0.0.2": make(chan struct{})}}
		b := newBed(t, options{Options: ucspi.Options{LookRemote: true}}, z)
		b.dial("127.0.0.2")
		until(t, "the slow connection", func() bool { return strings.HasSuffix(b.log.text(), "status: 1/40\n") })
		b.dial("127.0.0.3")
		fast := b.next()
		if ip, _ := prog.NewEnv(fast.cmd.Env).Get("TCPREMOTEIP"); ip != "127.0.0.3" {
			t.Errorf("the program serves %s", ip)
		}
		b.term <- syscall.SIGTERM
		until(t, "the end of listening", func() bool {
			c, err := net.Dial("tcp", b.at)
			if err == nil {
				c.Close()
			}
			return err != nil
		})
		select {
		case code := <-b.code:
			t.Fatalf("exit %d while a connection is looked up", code)
		default:
		}
		if second {
			b.term <- syscall.SIGTERM
		} else {
			close(z.Hold["127.0.0.2"])
			for {
				env := prog.NewEnv(b.next().cmd.Env)
				if ip, _ := env.Get("TCPREMOTEIP"); ip != "127.0.0.2" {
					continue // one of those that looked for the end of listening
				}
				if host, _ := env.Get("TCPREMOTEHOST"); host != "slow.test" {
					t.Errorf("the slow connection's host is %q", host)
				}
				break
			}
		}
		select {
		case code := <-b.code:
			if code != 0 {
				t.Errorf("exit %d after SIGTERM", code)
			}
		case <-time.After(patience):
			t.Fatal("no exit after SIGTERM")
		}
		if second {
			close(z.Hold["127.0.0.2"])
			b.next()
		}
	}
}

// SIGTERM while nothing is being looked up: the programs go on.
func TestTerm(t *testing.T) {
	b := newBed(t, options{}, testZone)
	b.dial("127.0.0.2")
	b.next()
	b.term <- syscall.SIGTERM
	select {
	case code := <-b.code:
		if code != 0 {
			t.Errorf("exit %d", code)
		}
	case <-time.After(patience):
		t.Fatal("no exit")
	}
}
