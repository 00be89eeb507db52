package tcpserver

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
	"goqmail/internal/testkit"
	"goqmail/internal/ucspi"
)

// socket is a listening socket of the test, as a file that can be handed on.
func socket(t *testing.T, at string) (f *os.File, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err = l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, l.Addr().String()
}

// What the variables say, as far as it can be told without descriptors from 3
// on: those of a test process are its own.
func TestInherited(t *testing.T) {
	const notNumber = "$LISTEN_FDS is no number of descriptors"
	tests := []struct {
		env  string
		left string // of the environment
		err  string
	}{
		{"", "", ""},
		{"LISTEN_FDS=1", "LISTEN_FDS=1", ""},
		{"LISTEN_PID=78 LISTEN_FDS=1 LISTEN_FDNAMES=a", "LISTEN_PID=78 LISTEN_FDS=1 LISTEN_FDNAMES=a", ""},
		{"LISTEN_PID=077 LISTEN_FDS=1", "LISTEN_PID=077 LISTEN_FDS=1", ""},
		{"LISTEN_PID=77 LISTEN_FDS=0 LISTEN_FDNAMES= A=b", "A=b", ""},
		{"LISTEN_PID=77", "LISTEN_PID=77", notNumber},
		{"LISTEN_PID=77 LISTEN_FDS=x", "LISTEN_PID=77 LISTEN_FDS=x", notNumber},
		{"LISTEN_PID=77 LISTEN_FDS=-1", "LISTEN_PID=77 LISTEN_FDS=-1", notNumber},
		{"LISTEN_PID=77 LISTEN_FDS=1001", "LISTEN_PID=77 LISTEN_FDS=1001", notNumber},
	}
	for _, tt := range tests {
		env := prog.NewEnv(strings.Fields(tt.env))
		l, err := inherited(env, 77)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if len(l.fds) != 0 || text != tt.err || strings.Join(env.List(), " ") != tt.left {
			t.Errorf("inherited(%q) = %v, %q, leaves %q, want no sockets, %q, %q", tt.env, l.fds, text, env.List(), tt.err, tt.left)
		}
	}
}

// Several sockets share the limit. After SIGTERM they go on listening, and a
// client that comes then is left to whoever has them next.
func TestLastingSockets(t *testing.T) {
	f1, at1 := socket(t, "127.0.0.1:0")
	f2, at2 := socket(t, "127.0.0.1:0")
	l := listeners{fds: []sys.FD{sys.FD(f1.Fd()), sys.FD(f2.Fd())}, lasting: true} // Fd makes them blocking
	b := newBedAt(t, options{Options: ucspi.Options{Verbosity: verbose, LocalName: "l"}, limit: 1, argv: []string{"prog"}}, testZone, l)
	b.dial("127.0.0.2")
	one := b.next()
	b.at = at2
	b.dial("127.0.0.3")
	b.wantLog("tcpserver: status: 0/1\ntcpserver: status: 1/1\ntcpserver: pid 1000000001 from 127.0.0.2\n" +
		"tcpserver: ok 1000000001 l:::ffff:" + at1 + " :::ffff:127.0.0.2::P\n")
	if len(b.started) != 0 {
		t.Fatal("a second program was started")
	}
	b.finish(one, 0)
	two := b.next()
	b.finish(two, 0)
	b.term <- syscall.SIGTERM
	if code := <-b.code; code != 0 {
		t.Errorf("exit %d", code)
	}
	for _, at := range []string{at1, at2} {
		b.at = at
		c := b.dial("127.0.0.4")
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := c.Read(make([]byte, 1)); !os.IsTimeout(err) {
			t.Errorf("a client of %s after SIGTERM: %v", at, err)
		}
	}
	for _, fd := range l.fds {
		if fd, peer, err := sock.Accept(fd); err != nil || peer.Addr().String() != "127.0.0.4" {
			t.Errorf("the next to accept got %v from %v, %v", fd, peer, err)
		} else {
			_ = fd.Close()
		}
	}
}

// activated starts the real program as a service manager does, with sockets
// from descriptor 3 on.
func activated(t *testing.T, files []*os.File, count string, args ...string) *exec.Cmd {
	t.Helper()
	fake := testkit.Fake(t, t.TempDir()+"/tcpserver", "tcpserver")
	words := append([]string{"-c", `LISTEN_PID=$$ LISTEN_FDS=` + count + ` LISTEN_FDNAMES=x exec "$0" "$@"`, fake}, args...)
	cmd := exec.Command("sh", words...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "GOCOVERDIR=" + t.TempDir()} // for go test -cover
	cmd.ExtraFiles = files
	return cmd
}

func TestRealActivation(t *testing.T) {
	f1, at1 := socket(t, "127.0.0.1:0")
	f2, at2 := socket(t, "127.0.0.1:0")
	cmd := activated(t, []*os.File{f1, f2}, "2", "-1HRl0", "192.0.2.1", "nosuchservice", "sh", "-c",
		`cat; echo "$TCPLOCALPORT ${LISTEN_PID-unset} ${LISTEN_FDS-unset} ${LISTEN_FDNAMES-unset}"; ls /proc/self/fd | tr '\n' ' '`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	port, err := io.ReadAll(out)
	if want := at1[strings.LastIndexByte(at1, ':')+1:] + "\n"; string(port) != want || err != nil {
		t.Errorf("-1 says %q, %v, want %q", port, err, want)
	}
	for _, at := range []string{at1, at2} {
		want := fmt.Sprintf("hello\n%s unset unset unset\n0 1 2 3 ", at[strings.LastIndexByte(at, ':')+1:])
		if got := talk(t, at, "hello\n"); got != want {
			t.Errorf("the client of %s got %q, want %q", at, got, want)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	c, err := net.Dial("tcp", at1)
	if err != nil {
		t.Errorf("after SIGTERM the socket does not listen: %v", err)
	} else {
		c.Close()
	}
}

// Descriptors that are no listening sockets end tcpserver before it uses them.
func TestRealActivationErrors(t *testing.T) {
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	good, at := socket(t, "127.0.0.1:0")
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	connected, err := conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer connected.Close()
	tests := []struct {
		name  string
		files []*os.File
		count string
		want  string
	}{
		{"no socket", []*os.File{null}, "1", "descriptor 3 is no listening TCP socket"},
		{"a connection", []*os.File{connected}, "1", "descriptor 3 is no listening TCP socket"},
		{"closed", nil, "1", "descriptor 3 is no listening TCP socket"},
		{"fewer than said", []*os.File{good}, "2", "descriptor 4 is no listening TCP socket"},
		{"no number", []*os.File{good}, "one", "$LISTEN_FDS is no number of descriptors"},
	}
	for _, tt := range tests {
		out, _ := activated(t, tt.files, tt.count, "0", "25", "true").CombinedOutput()
		if want := "tcpserver: fatal: " + tt.want + "\n"; string(out) != want {
			t.Errorf("%s: %q, want %q", tt.name, out, want)
		}
	}
}
