//go:build e2e

package conformance

import (
	"errors"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dial connects from one address to another.
func dial(from, to string, port int) (*net.TCPConn, error) {
	if from == "" {
		from = "127.0.0.1"
	}
	local := &net.TCPAddr{IP: net.ParseIP(from)}
	return net.DialTCP("tcp4", local, &net.TCPAddr{IP: net.ParseIP(to), Port: port})
}

// doTCP: descriptors 0 and 1 are one accepted TCP connection.
func (r *run) doTCP() error {
	server, client, err := connection(r.t.From)
	if err != nil {
		return errnoOf(err)
	}
	defer func() { _ = client.Close() }() // everything was read
	r.norm.extra = append(r.norm.extra,
		portReplacement(client.LocalAddr().(*net.TCPAddr).Port, "<RPORT>"),
		portReplacement(client.RemoteAddr().(*net.TCPAddr).Port, "<LPORT>"))
	_, errFD, err := r.output(false)
	if err != nil {
		return err
	}
	again, err := unix.FcntlInt(uintptr(server), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return err
	}
	if err := r.start(server, again, errFD); err != nil {
		return err
	}
	_ = client.SetWriteDeadline(time.Now().Add(r.timeout))
	if _, err := client.Write(r.t.In.bytes(time.Now().Unix())); err != nil {
		return errnoOf(err)
	}
	if err := client.CloseWrite(); err != nil {
		return errnoOf(err)
	}
	r.said, err = readAll(client, r.timeout)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errTimeout
	}
	if err != nil {
		return errnoOf(err)
	}
	return r.finish()
}

// connection makes a connection; the server's end is a blocking descriptor.
func connection(from string) (server int, client *net.TCPConn, err error) {
	ls, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, err
	}
	defer func() { _ = unix.Close(ls) }() // only listens
	if err := unix.Bind(ls, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return -1, nil, err
	}
	if err := unix.Listen(ls, 1); err != nil {
		return -1, nil, err
	}
	name, err := unix.Getsockname(ls)
	if err != nil {
		return -1, nil, err
	}
	if client, err = dial(from, "127.0.0.1", name.(*unix.SockaddrInet4).Port); err != nil {
		return -1, nil, err
	}
	server, _, err = unix.Accept4(ls, unix.SOCK_CLOEXEC)
	return server, client, err
}

// Times of a daemon's conversation.
const (
	connectTries = 150
	connectPause = 20 * time.Millisecond
	talkTime     = 5 * time.Second
	quietTime    = 80 * time.Millisecond // for the log lines after a connection
)

// doDaemon: a server that is started, talked to, and terminated. What each
// connection got is in brackets.
func (r *run) doDaemon() error {
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	out, errFD, err := r.output(true)
	if err != nil {
		return err
	}
	if err := r.start(null, out, errFD); err != nil {
		return err
	}
	for _, c := range r.t.Conns {
		client := r.reach(c)
		if client == nil {
			r.said = append(r.said, "<no connection>"...)
			break
		}
		r.norm.extra = append(r.norm.extra, portReplacement(client.LocalAddr().(*net.TCPAddr).Port, "<RPORT>"))
		r.said = append(append(append(r.said, '['), talk(client, c)...), ']')
		r.settle()
	}
	if !r.wait(time.Now().Add(50 * time.Millisecond)) {
		_ = syscall.Kill(r.pid, syscall.SIGTERM) // it may just have ended
	}
	return r.finish()
}

// reach connects to the daemon, once it listens.
func (r *run) reach(c conn) *net.TCPConn {
	to := c.To
	if to == "" {
		to = "127.0.0.1"
	}
	for range connectTries {
		if client, err := dial(c.From, to, r.t.Port); err == nil {
			return client
		}
		if r.wait(time.Now().Add(connectPause)) {
			return nil
		}
	}
	return nil
}

// talk sends what the case says and returns the answer. A reset and a plain
// close count as the same.
func talk(client *net.TCPConn, c conn) []byte {
	defer func() { _ = client.Close() }() // everything was read
	_ = client.SetWriteDeadline(time.Now().Add(talkTime))
	_, err := client.Write(c.In.bytes(time.Now().Unix()))
	if err == nil {
		err = client.CloseWrite()
	}
	var got []byte
	if err == nil {
		got, err = readAll(client, talkTime)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		got = append(got, "<timeout>"...)
	}
	return got
}

// settle waits until the daemon has no children, and a moment more.
func (r *run) settle() {
	for limit := time.Now().Add(orphanWait); time.Now().Before(limit) && hasChildren(r.pid); {
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(quietTime)
}

// hasChildren reports whether a process has children, living or not waited for.
func hasChildren(pid int) bool {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, n := range names {
		b, err := os.ReadFile("/proc/" + n.Name() + "/stat")
		if err != nil {
			continue // no process, or one that has gone
		}
		s := string(b)
		f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
		if len(f) > 1 && f[1] == strconv.Itoa(pid) {
			return true
		}
	}
	return false
}

// A serving is the server that a case gives its program to talk to.
type serving struct {
	l    *net.TCPListener
	done chan struct{}
	got  []byte // what came, after done
	met  bool   // somebody connected
}

var reNetstring = regexp.MustCompile(`\A(\d+):`)

// serve listens for one connection and answers it.
func serve(f *fakeServe) (*serving, error) {
	ip := f.IP
	if ip == "" {
		ip = "127.0.0.1"
	}
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.ParseIP(ip), Port: f.Port})
	if err != nil {
		return nil, err
	}
	if err := l.SetDeadline(time.Now().Add(f.wait() + defaultTimeout)); err != nil {
		return nil, err
	}
	s := &serving{l: l, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		c, err := l.AcceptTCP()
		if err != nil {
			return
		}
		s.met = true
		s.got = f.answer(c)
		_ = c.Close() // everything was said
	}()
	return s, nil
}

// wait is how long the server stays when nobody connects.
func (f *fakeServe) wait() time.Duration {
	if f.Wait > 0 {
		return time.Duration(f.Wait * float64(time.Second))
	}
	return 3 * time.Second
}

// answer holds the server's side of the conversation and returns what it read.
func (f *fakeServe) answer(c *net.TCPConn) (got []byte) {
	now := time.Now().Unix()
	buf := make([]byte, 65536)
	read := func(n int) bool {
		_ = c.SetReadDeadline(time.Now().Add(talkTime))
		n, err := c.Read(buf[:n])
		got = append(got, buf[:n]...)
		return err == nil
	}
	if f.Greet != nil {
		if _, err := c.Write(f.Greet.bytes(now)); err != nil {
			return got
		}
	}
	switch f.Mode {
	case "netstring":
		for !hasNetstring(got) && read(len(buf)) {
		}
	case "line":
		for !strings.HasSuffix(string(got), "\n") && read(1) {
		}
	default:
		for read(len(buf)) {
		}
	}
	if _, err := c.Write(f.Reply.bytes(now)); err != nil {
		return got
	}
	if err := c.CloseWrite(); err != nil {
		return got
	}
	for f.Mode == "netstring" && read(len(buf)) {
	}
	return got
}

// hasNetstring reports whether b begins with a whole netstring.
func hasNetstring(b []byte) bool {
	m := reNetstring.FindSubmatch(b)
	return m != nil && int64(len(b)) >= int64(len(m[0]))+atoi(m[1])+1
}

// end waits for the conversation's end, but not for a client that has not come
// in time, and returns what was read, or nil when nobody connected.
func (s *serving) end(f *fakeServe) any {
	select {
	case <-s.done:
	case <-time.After(f.wait() + time.Second):
	}
	_ = s.l.Close() // ends an AcceptTCP that still waits
	<-s.done
	if !s.met {
		return nil
	}
	return s.got
}
