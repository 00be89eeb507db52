package tcpident

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/dns"
	"goqmail/internal/ident"
	"goqmail/internal/prog"
	"goqmail/internal/tcpenv"
	"goqmail/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.Fakes{"tcp-env": func() int { return Run(prog.Self()) }}.Play()
	os.Exit(m.Run())
}

type ptr struct {
	name string
	err  error
}

func (p ptr) PTR(netip.Addr) (string, error) { return p.name, p.err }

func TestName(t *testing.T) {
	tests := []struct {
		name string
		r    ptr
		want tcpenv.Text
	}{
		{"known", ptr{"a.test", nil}, tcpenv.Known("a.test")},
		{"none", ptr{"", dns.ErrNotFound}, tcpenv.Text{}},
		{"alias to nothing", ptr{"", nil}, tcpenv.Text{}},
		{"cannot tell", ptr{"", dns.ErrTemporary}, tcpenv.Known("softdnserror")},
		{"other trouble", ptr{"", errors.New("x")}, tcpenv.Known("softdnserror")},
	}
	for _, tt := range tests {
		if got := name(tt.r, netip.IPv4Unspecified()); got != tt.want {
			t.Errorf("%s: name = %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestSeconds(t *testing.T) {
	tests := []struct {
		in   string
		want int
	}{{"5", 5}, {"0", 0}, {"", 0}, {"x", 0}, {"7x", 7}, {"-1", 0}, {"99999999999999999999", 86400}}
	for _, tt := range tests {
		if got := seconds(tt.in); got != tt.want {
			t.Errorf("seconds(%q) = %d, want %d", tt.in, got, tt.want)
		}
	}
}

// pair makes a connection on the loopback interface; the first side is a file.
func pair(t *testing.T, at string) (*os.File, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(at, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := unix.SetNonblock(int(f.Fd()), false); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close(); c.Close() })
	return f, c
}

// run runs tcp-env with descriptor 0 and gives its exit code and output.
func run(t *testing.T, stdin *os.File, env []string, args ...string) (int, string) {
	t.Helper()
	path := testkit.Fake(t, t.TempDir()+"/tcp-env", "tcp-env")
	cmd := exec.Command(path, args...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, &out, &out
	cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, env...)
	err := cmd.Run()
	var e *exec.ExitError
	if err != nil && !errors.As(err, &e) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

const showEnv = "env | grep -E '^(TCP|PROTO)' | sort | tr '\\n' ' '"

// What needs no look-up.
func TestRun(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.Close()
	tests := []struct {
		name string
		env  []string
		args []string
		code int
		out  string
	}{
		{"no program", []string{"PROTO=TCP"}, nil, 111, ""},
		{"only options", []string{"PROTO=TCP"}, []string{"-R", "-t", "5"}, 111, ""},
		{"not a socket", nil, []string{"sh", "-c", "echo x"}, 111, ""},
		{"not a socket, PROTO of another kind", []string{"PROTO=UDP"}, []string{"sh", "-c", "echo x"}, 111, ""},
		{"PROTO is set", []string{"PROTO=TCP", "TCPREMOTEIP=9.9.9.9"}, []string{"sh", "-c", showEnv}, 0, "PROTO=TCP TCPREMOTEIP=9.9.9.9 "},
		{"the program's exit code", []string{"PROTO=TCP"}, []string{"-z", "-t5", "-rR", "--", "sh", "-c", "exit 7"}, 7, ""},
		{"no such program", []string{"PROTO=TCP"}, []string{"/nonexistent"}, 111, ""},
		{"no such program in PATH", []string{"PROTO=TCP"}, []string{"nonexistent-program"}, 111, ""},
	}
	for _, tt := range tests {
		if code, out := run(t, r, tt.env, tt.args...); code != tt.code || out != tt.out {
			t.Errorf("%s: exit %d, %q, want %d, %q", tt.name, code, out, tt.code, tt.out)
		}
	}
}

// The whole program with a resolver and an ident server.
func TestConnection(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		testkit.StartDNS(t, "127.0.0.1", dns.Port, testkit.DNSZone{"1.0.0.127.in-addr.arpa PTR": "Lo.Cal", "9.0.0.127.in-addr.arpa PTR": "!2"})
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", "113"))
		if err != nil {
			t.Fatal(err)
		}
		if _, port, _ := net.SplitHostPort(l.Addr().String()); port != "113" || ident.Port != 113 {
			t.Fatal("not the ident port")
		}
		queries := make(chan string, 10)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					close(queries)
					return
				}
				buf := make([]byte, 100)
				_ = c.SetDeadline(time.Now().Add(10 * time.Second))
				n, _ := c.Read(buf)
				queries <- string(buf[:n])
				_, _ = io.WriteString(c, "1 , 2 : USERID : UNIX : joe\r\n")
				c.Close()
			}
		}()
		f, c := pair(t, "127.0.0.1")
		_, rport, _ := net.SplitHostPort(c.LocalAddr().String())
		_, lport, _ := net.SplitHostPort(c.RemoteAddr().String())
		want := "PROTO=TCP TCP6LOCALHOST=lo.cal TCP6LOCALIP=::ffff:127.0.0.1 TCP6LOCALPORT=L TCP6REMOTEHOST=lo.cal TCP6REMOTEINFO=joe TCP6REMOTEIP=::ffff:127.0.0.1 TCP6REMOTEPORT=R " +
			"TCPLOCALHOST=lo.cal TCPLOCALIP=127.0.0.1 TCPLOCALPORT=L TCPREMOTEHOST=lo.cal TCPREMOTEINFO=joe TCPREMOTEIP=127.0.0.1 TCPREMOTEPORT=R "
		want = strings.NewReplacer("=L ", "="+lport+" ", "=R ", "="+rport+" ").Replace(want)
		stale := []string{"TCPREMOTEHOST=stale", "TCP6INTERFACE=stale"}
		if code, out := run(t, f, stale, "sh", "-c", showEnv); code != 0 || out != want {
			t.Errorf("exit %d\n%s\nwant %s", code, out, want)
		}
		if q := <-queries; q != rport+" , "+lport+"\r\n" {
			t.Errorf("ident was asked %q", q)
		}
		want = strings.NewReplacer(" TCPREMOTEINFO=joe", "", " TCP6REMOTEINFO=joe", "").Replace(want)
		if code, out := run(t, f, nil, "-R", "sh", "-c", showEnv); code != 0 || out != want {
			t.Errorf("-R: exit %d\n%s\nwant %s", code, out, want)
		}
		f, _ = pair(t, "127.0.0.9")
		if _, out := run(t, f, nil, "-R", "sh", "-c", showEnv); !strings.Contains(out, " TCPLOCALHOST=softdnserror ") || !strings.Contains(out, " TCPREMOTEHOST=lo.cal ") {
			t.Errorf("resolver in trouble: %s", out)
		}
		l.Close()
		if _, more := <-queries; more {
			t.Error("ident was asked with -R")
		}
	})
}
