package tcpclient

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/dns"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
	"goqmail/internal/tcpenv"
	"goqmail/internal/testkit"
	"goqmail/internal/testkit/progtest"
	"goqmail/internal/ucspi"
)

func TestMain(m *testing.M) {
	testkit.Fakes{"tcpclient": func() int { return Run(prog.Self()) }}.Play()
	os.Exit(m.Run())
}

func TestParseOptions(t *testing.T) {
	def := options{Options: ucspi.Options{Verbosity: warnings, LookRemote: true, LookLocal: true, AskIdent: true, IdentLimit: 26 * time.Second}, limits: [2]time.Duration{2 * time.Second, 58 * time.Second}, host: "h", port: "25", argv: []string{"prog"}}
	with := func(f func(o *options)) options { o := def; f(&o); return o }
	from := func(ip string, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr(ip), port)
	}
	tests := []struct {
		args string
		want options
	}{
		{"h 25 prog", def},
		{"-HhRrDdvQ h 25 prog", def},
		{"h 25 prog -v", with(func(o *options) { o.argv = []string{"prog", "-v"} })},
		{"-RHl0 -- h 25 prog", with(func(o *options) { o.AskIdent, o.LookRemote, o.LookLocal, o.LocalName = false, false, false, "0" })},
		{"-46Dq -I lo h 25 prog", with(func(o *options) {
			o.Only4, o.As6, o.NoDelay, o.Verbosity, o.NetIf = true, true, true, ucspi.Quiet, "lo"
		})},
		{"-v -T3+40x -t 7 h 25 prog", with(func(o *options) {
			o.Verbosity, o.limits, o.IdentLimit = verbose, [2]time.Duration{3 * time.Second, 40 * time.Second}, 7*time.Second
		})},
		{"-T 9 -tx h 25 prog", with(func(o *options) { o.limits, o.IdentLimit = [2]time.Duration{9 * time.Second}, 0 })},
		{"-p 7 -i 127.0.0.2 h 25 prog", with(func(o *options) { o.from = from("127.0.0.2", 7) })},
		{"-i ::1 -p 65535 h 25 prog", with(func(o *options) { o.from = from("::1", 65535) })},
		{"-i ::ffff:127.0.0.2 h 25 prog", with(func(o *options) { o.from = from("127.0.0.2", 0) })},
	}
	for _, tt := range tests {
		got, bad := parseOptions(strings.Fields(tt.args))
		if bad != "" || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %q\nwant %+v", tt.args, got, bad, tt.want)
		}
	}
}

// What is wrong with the call is said whatever the verbosity. Texts recorded
// from Debian's ucspi-tcp-ipv6 0.88-7.
func TestUsage(t *testing.T) {
	const say = "tcpclient: usage: " + usage + "\n"
	for args, want := range map[string]string{
		"": say, "h": say, "h 25": say, "-q": say,
		"-z h 25 prog":     "tcpclient: illegal option -- z\n" + say,
		"-o h 25 prog":     "tcpclient: illegal option -- o\n" + say,
		"-T":               "tcpclient: option requires an argument -- T\n" + say,
		"-i foo h 25 prog": say, "-p 65536 h 25 prog": say, "-p x h 25 prog": say,
	} {
		r := progtest.Run(t, Run, progtest.Call{Args: append([]string{"tcpclient"}, strings.Fields(args)...)})
		if r.Code != 100 || r.Err != want || r.Out != "" {
			t.Errorf("tcpclient %s = %d, %q, want 100, %q", args, r.Code, r.Err, want)
		}
	}
}

// A zone answers look-ups: addresses separated by blanks, "soft" among them for
// an answer that does not come.
type zone map[string]string

func (z zone) look(host string, v4 bool) (out []netip.Addr, err error) {
	err = dns.ErrNotFound
	for _, s := range strings.Fields(z[host]) {
		switch ip, bad := netip.ParseAddr(s); {
		case bad != nil:
			if v4 == (s == "soft4") {
				err = dns.ErrTemporary
			}
		case ip.Is4() == v4:
			out, err = append(out, ip), nil
		}
	}
	return out, err
}

func (z zone) A(host string) ([]netip.Addr, error)    { return z.look(host, true) }
func (z zone) AAAA(host string) ([]netip.Addr, error) { return z.look(host, false) }
func (z zone) Complete(host, local string) []string {
	if local == "" || strings.Contains(host, ".") {
		return []string{host}
	}
	return []string{host + "." + local, host}
}

// network is what the test's network does with an address.
var network = map[string]error{
	"192.0.2.1": sys.NewError("connect", "", syscall.ECONNREFUSED),
	"192.0.2.2": sys.ErrTimeout,
	"192.0.2.3": sys.NewError("bind", "", syscall.EADDRINUSE),
	"192.0.2.4": sys.NewError("socket", "", syscall.EMFILE),
	"::1":       sys.NewError("socket", "", syscall.EAFNOSUPPORT),
	"fd00::1":   sys.NewError("connect", "", syscall.ENETUNREACH),
	"192.0.2.9": nil, "127.0.0.1": nil, "fd00::9": nil,
}

func TestConnect(t *testing.T) {
	names := zone{"many.test": "192.0.2.2 192.0.2.1 192.0.2.9 fd00::9", "six.test": "fd00::1 fd00::9", "soft.test": "soft4", "soft6.test": "soft6 192.0.2.9",
		"soft46.test": "soft4 fd00::9", "dead.test": "192.0.2.1 192.0.2.2 fd00::1", "bind.test": "192.0.2.3 192.0.2.9", "short.dom": "192.0.2.9"}
	const refused, silent = "connection refused", "timed out"
	no := func(ip, why string) string {
		return "tcpclient: unable to connect to " + ip + " port 25: " + why + "\n"
	}
	tests := []struct {
		args  string
		tried string // addresses and time limits in seconds
		said  string
		code  int
	}{
		{"192.0.2.9 25", "192.0.2.9/2", "", 0},
		{"-v 192.0.2.9 25", "192.0.2.9/2", "tcpclient: connected to 192.0.2.9 port 25\n", 0},
		{"many.test 25", "192.0.2.2/2 192.0.2.1/2 192.0.2.9/2", no("192.0.2.1", refused), 0},
		{"-q many.test 25", "192.0.2.2/2 192.0.2.1/2 192.0.2.9/2", "", 0},
		{"dead.test 25", "192.0.2.1/2 192.0.2.2/2 fd00::1/2 192.0.2.2/58", no("192.0.2.1", refused) + no("fd00::1", "network unreachable") + no("192.0.2.2", silent), 111},
		{"-T 7 192.0.2.2 25", "192.0.2.2/7", no("192.0.2.2", silent), 111},
		{"-T 1+0 192.0.2.2 25", "192.0.2.2/1", no("192.0.2.2", silent), 111},
		{"-T 0+3 192.0.2.2 25", "192.0.2.2/0 192.0.2.2/3", no("192.0.2.2", silent), 111},
		{"bind.test 25", "192.0.2.3/2", "tcpclient: fatal: unable to bind socket: address already used\n", 111},
		{"-q bind.test 25", "192.0.2.3/2", "", 111},
		{"192.0.2.4 25", "192.0.2.4/2", "tcpclient: fatal: unable to create socket: process cannot open more files\n", 111},
		{"::1 25", "::1/2", no("::1", "address family not supported by protocol family"), 111},
		{"six.test 25", "fd00::1/2 fd00::9/2", no("fd00::1", "network unreachable"), 0},
		{"-4 six.test 25", "", "tcpclient: fatal: no IP address for six.test\n", 111},
		{"-4 fd00::9 25", "", no("fd00::9", "address family not supported"), 111},
		{"-4 ::1 25", "127.0.0.1/2", "", 0},
		{"-4 0 25", "127.0.0.1/2", "", 0},
		{"0 25", "::1/2 127.0.0.1/2", no("::1", "address family not supported by protocol family"), 0},
		{"Localhost 25", "::1/2 127.0.0.1/2", no("::1", "address family not supported by protocol family"), 0},
		{"-i fd00::2 192.0.2.9 25", "", no("192.0.2.9", "network unreachable"), 111},
		{"-i 192.0.2.5 fd00::9 25", "", no("fd00::9", "network unreachable"), 111},
		{"-4 -i fd00::2 192.0.2.9 25", "", "tcpclient: fatal: unable to bind socket: address family not supported\n", 111},
		{"soft.test 25", "", "tcpclient: fatal: temporarily unable to figure out IP address for soft.test: no usable answer\n", 111},
		{"soft6.test 25", "192.0.2.9/2", "", 0},
		{"soft46.test 25", "fd00::9/2", "", 0},
		{"none.test 25", "", "tcpclient: fatal: no IP address for none.test\n", 111},
		{"short 25", "192.0.2.9/2", "", 0},
		{"192.0.2.9 smtpx", "", "tcpclient: fatal: unable to figure out port number for smtpx\n", 111},
		{"-q 192.0.2.9 70000", "", "", 111},
		{"-I nosuch fe80::1 25", "", "tcpclient: fatal: unable to find interface nosuch: device does not support operation\n", 111},
	}
	for _, tt := range tests {
		var tried []string
		code := 0
		r := progtest.Run(t, func(p *prog.Process) int {
			o, _ := parseOptions(append(strings.Fields(tt.args), "prog"))
			c := &client{options: o, p: p, resolver: names, dial: func(to, from netip.AddrPort, limit time.Duration) (*sock.Conn, error) {
				tried = append(tried, fmt.Sprint(to.Addr(), "/", int(limit.Seconds())))
				err, known := network[to.Addr().String()]
				if !known {
					t.Errorf("%s: tried %s", tt.args, to)
				}
				return &sock.Conn{}, err
			}}
			_, code = c.connection()
			return code
		}, progtest.Call{Env: []string{"LOCALDOMAIN=dom"}})
		if got := strings.Join(tried, " "); code != tt.code || r.Err != tt.said || got != tt.tried {
			t.Errorf("%s: %d, %q, tried %s\nwant %d, %q, %s", tt.args, code, r.Err, got, tt.code, tt.said, tt.tried)
		}
	}
}

func TestEnvironment(t *testing.T) {
	conn := tcpenv.Conn{Local: netip.MustParseAddrPort("127.0.0.1:1024"), Remote: netip.MustParseAddrPort("127.0.0.2:25"), RemoteHost: tcpenv.Known("x.test")}
	got := environment(prog.NewEnv([]string{"A=1", "TCPLOCALHOST=old", "TCP6REMOTEHOST=old", "TCP6INTERFACE=old", "TCPREMOTEINFO=old"}), conn)
	want := []string{"A=1", "PROTO=TCP", "TCPLOCALIP=127.0.0.1", "TCPLOCALPORT=1024", "TCPREMOTEIP=127.0.0.2", "TCPREMOTEPORT=25", "TCPREMOTEHOST=x.test"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("environment = %q, want %q", got, want)
	}
}

// echo serves one connection after the other, which gets its input back.
func echo(t *testing.T) (port string) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 100)
			n, _ := c.Read(b)     // what comes first is all there is
			_, _ = c.Write(b[:n]) // the client may have gone
			_ = c.Close()         // all is written
		}
	}()
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// The program has the connection as 6 and 7, whatever was open, and every other
// descriptor as it was; its exit code is ours.
func TestRun(t *testing.T) {
	port := echo(t)
	self := testkit.Fake(t, t.TempDir()+"/tcpclient", "tcpclient")
	const talk = `echo hello >&7; head -n 1 <&6; echo $PROTO $TCPREMOTEIP $TCPREMOTEPORT $TCPLOCALHOST; cat; for i in 3 4 5 6 7 8; do test -e /proc/$$/fd/$i && echo $i; done; exit 5`
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	tests := []struct {
		name  string
		extra int // descriptors from 3 on that are open
		open  string
	}{{"none", 0, "6 7"}, {"up to 5", 3, "3 4 5 6 7"}, {"up to 8", 6, "3 4 5 6 7 8"}}
	for _, tt := range tests {
		cmd := exec.Command(self, "-RHl", "me", "127.0.0.1", port, "sh", "-c", talk)
		cmd.Stdin = strings.NewReader("input\n")
		for range tt.extra {
			cmd.ExtraFiles = append(cmd.ExtraFiles, null)
		}
		var out, said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &said
		err := cmd.Run()
		want := "hello\nTCP 127.0.0.1 " + port + " me\ninput\n" + strings.ReplaceAll(tt.open, " ", "\n") + "\n"
		if ee := new(exec.ExitError); !errors.As(err, &ee) || ee.ExitCode() != 5 || out.String() != want || said.Len() != 0 {
			t.Errorf("%s: %v, %q, %q, want exit 5, %q", tt.name, err, out.String(), said.String(), want)
		}
	}
	cmd := exec.Command(self, "-DRHl0", "127.0.0.1", port, "./no such") // in a PATH, what cannot be searched would count
	out, _ := cmd.CombinedOutput()                                      // the exit code is looked at
	if want := "tcpclient: fatal: unable to run ./no such: file does not exist\n"; string(out) != want || cmd.ProcessState.ExitCode() != 111 {
		t.Errorf("no such program: %q, exit %d", out, cmd.ProcessState.ExitCode())
	}
}
