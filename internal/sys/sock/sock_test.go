package sock

import (
	"io"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/sys"
)

const someTime = 5 * time.Second // more than any step here takes

// listenLoopback listens at a free port of ip, or skips where ip is not there.
func listenLoopback(t *testing.T, ip string, backlog int) (sys.FD, netip.AddrPort) {
	t.Helper()
	l, err := Listen(netip.AddrPortFrom(netip.MustParseAddr(ip), 0), backlog)
	if err != nil {
		if strings.Contains(ip, ":") {
			t.Skipf("no IPv6 here: Listen(%s) = %v", ip, err)
		}
		t.Fatalf("Listen(%s) = %v", ip, err)
	}
	t.Cleanup(func() { l.Close() })
	at, err := LocalName(l)
	if err != nil {
		t.Fatalf("LocalName = %v", err)
	}
	return l, at
}

func TestDialAndAccept(t *testing.T) {
	tests := []struct{ name, at, from string }{
		{"IPv4", "127.0.0.1", ""},
		{"IPv4 from another address", "127.0.0.1", "127.0.0.9"},
		{"IPv6", "::1", ""},
		{"IPv6 from its only address", "::1", "::1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, at := listenLoopback(t, tt.at, 5)
			var from netip.Addr
			if tt.from != "" {
				from = netip.MustParseAddr(tt.from)
			}
			c, err := Dial(at, from, someTime)
			if err != nil {
				t.Fatalf("Dial(%v) = %v", at, err)
			}
			defer c.Close()
			fd, peer, err := Accept(l)
			if err != nil {
				t.Fatalf("Accept = %v", err)
			}
			local, err := LocalName(c.FD)
			if err != nil || local != peer {
				t.Errorf("LocalName = %v, %v, but Accept told %v", local, err, peer)
			}
			if from.IsValid() && peer.Addr() != from {
				t.Errorf("peer is %v, dialled from %v", peer.Addr(), from)
			}
			if got, err := PeerName(c.FD); err != nil || got != at {
				t.Errorf("PeerName = %v, %v, want %v", got, err, at)
			}
			if flags, _ := unix.FcntlInt(uintptr(c.FD), unix.F_GETFL, 0); flags&unix.O_NONBLOCK != 0 {
				t.Error("the dialled socket is non-blocking")
			}
			if err := DropOptions(fd); err != nil && at.Addr().Is4() {
				t.Errorf("DropOptions = %v", err)
			}
			c.Limit = someTime
			if _, err := c.Write([]byte("hello")); err != nil {
				t.Fatalf("Write = %v", err)
			}
			var b [9]byte
			if n, err := fd.Read(b[:]); err != nil || string(b[:n]) != "hello" {
				t.Errorf("Read = %q, %v", b[:n], err)
			}
			fd.Close()
			if n, err := c.Read(b[:]); n != 0 || err != io.EOF {
				t.Errorf("Read after the peer closed = %d, %v, want 0, EOF", n, err)
			}
		})
	}
}

func TestDualStack(t *testing.T) {
	l, at := listenLoopback(t, "::", 5)
	c, err := Dial(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), at.Port()), netip.Addr{}, someTime)
	if err != nil {
		t.Fatalf("Dial = %v", err)
	}
	defer c.Close()
	fd, peer, err := Accept(l)
	if err != nil {
		t.Fatalf("Accept = %v", err)
	}
	defer fd.Close()
	if want := netip.MustParseAddr("::ffff:127.0.0.1"); peer.Addr() != want {
		t.Errorf("peer = %v, want %v", peer.Addr(), want)
	}
	if local, err := LocalName(fd); err != nil || !local.Addr().Is4In6() {
		t.Errorf("LocalName = %v, %v, want an IPv4-mapped address", local, err)
	}
}

func TestDialErrors(t *testing.T) {
	_, busy := listenLoopback(t, "127.0.0.1", 5)
	l, closed := listenLoopback(t, "127.0.0.1", 5)
	l.Close()
	tests := []struct {
		name, from string
		to         netip.AddrPort
		text       string
	}{
		{"refused", "", closed, "connect: connection refused"},
		{"local address not ours", "192.0.2.1", busy, "bind: address not available"},
		{"two families", "::1", busy, "bind: address family not supported by protocol family"},
	}
	for _, tt := range tests {
		var from netip.Addr
		if tt.from != "" {
			from = netip.MustParseAddr(tt.from)
		}
		c, err := Dial(tt.to, from, someTime)
		if err == nil {
			c.Close()
		}
		if err == nil || err.Error() != tt.text {
			t.Errorf("%s: Dial = %v, want %s", tt.name, err, tt.text)
		}
		if err != nil && (sys.IsTimeout(err) || NoSocket(err)) {
			t.Errorf("%s: counts as time-out or lack of sockets", tt.name)
		}
	}
}

// A listener whose queue is full drops what comes: the connection hangs.
func TestDialTimeout(t *testing.T) {
	_, at := listenLoopback(t, "127.0.0.1", 0)
	const limit = 50 * time.Millisecond
	for range 5 {
		start := time.Now()
		c, err := Dial(at, netip.Addr{}, limit)
		if err == nil {
			defer c.Close()
			continue
		}
		if !sys.IsTimeout(err) {
			t.Fatalf("Dial = %v, want a time-out", err)
		}
		if d := time.Since(start); d < limit {
			t.Errorf("gave up after %v, limit %v", d, limit)
		}
		return
	}
	t.Fatal("five connections to a listener with no queue")
}

func TestReadTimeout(t *testing.T) {
	_, at := listenLoopback(t, "127.0.0.1", 5)
	c, err := Dial(at, netip.Addr{}, someTime)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Limit = 20 * time.Millisecond
	if _, err := c.Read(make([]byte, 1)); !sys.IsTimeout(err) {
		t.Errorf("Read from a silent peer = %v, want a time-out", err)
	}
	big := make([]byte, 1<<20)
	var werr error
	for i := 0; i < 64 && werr == nil; i++ {
		_, werr = c.Write(big)
	}
	if !sys.IsTimeout(werr) {
		t.Errorf("Write to a peer that does not read = %v, want a time-out", werr)
	}
}

func TestListenErrors(t *testing.T) {
	_, busy := listenLoopback(t, "127.0.0.1", 5)
	tests := []struct {
		name string
		at   netip.AddrPort
		text string
	}{
		{"in use", busy, "bind: address already used"},
		{"not ours", netip.MustParseAddrPort("192.0.2.1:0"), "bind: address not available"},
	}
	for _, tt := range tests {
		l, err := Listen(tt.at, 5)
		if err == nil {
			l.Close()
		}
		if err == nil || err.Error() != tt.text {
			t.Errorf("%s: Listen(%v) = %v, want %s", tt.name, tt.at, err, tt.text)
		}
	}
}

// StopListening frees the port and ends an Accept under way.
func TestStopListening(t *testing.T) {
	l, at := listenLoopback(t, "127.0.0.1", 5)
	failed := make(chan error)
	go func() {
		_, _, err := Accept(l)
		failed <- err
	}()
	StopListening(l)
	select {
	case err := <-failed:
		if err == nil || Gone(err) {
			t.Errorf("Accept = %v", err)
		}
	case <-time.After(someTime):
		t.Fatal("Accept goes on")
	}
	if again, err := Listen(at, 5); err != nil {
		t.Errorf("Listen at the same port = %v", err)
	} else {
		again.Close()
	}
}

func TestIsListening(t *testing.T) {
	l, at := listenLoopback(t, "127.0.0.1", 5)
	c, err := Dial(at, netip.Addr{}, someTime)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, w, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	local, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(local)
	name := &unix.SockaddrUnix{Name: t.TempDir() + "/s"}
	if err := unix.Bind(local, name); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(local, 1); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		fd   sys.FD
		want bool
	}{
		{"listening", l, true}, {"connected", c.FD, false}, {"pipe", r, false}, {"closed", -1, false}, {"of the UNIX domain", sys.FD(local), false},
	} {
		if got := IsListening(tt.fd); got != tt.want {
			t.Errorf("IsListening(%s) = %v", tt.name, got)
		}
	}
}

func TestGone(t *testing.T) {
	tests := []struct {
		err  error
		want bool
	}{
		{sys.NewError("accept", "", unix.ECONNABORTED), true},
		{sys.NewError("accept", "", unix.ENETDOWN), true},
		{sys.NewError("accept", "", unix.EMFILE), false},
		{sys.NewError("accept", "", unix.EINVAL), false},
		{io.EOF, false},
	}
	for _, tt := range tests {
		if got := Gone(tt.err); got != tt.want {
			t.Errorf("Gone(%v) = %v, want %v", tt.err, got, tt.want)
		}
	}
}

func TestNamesOfNoSocket(t *testing.T) {
	r, w, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	for _, fd := range []sys.FD{r, sys.FD(pair[0])} {
		if a, err := LocalName(fd); err == nil {
			t.Errorf("LocalName(no TCP socket) = %v", a)
		}
		if a, err := PeerName(fd); err == nil {
			t.Errorf("PeerName(no TCP socket) = %v", a)
		}
	}
}

// udpServer answers each datagram with what answer gives for it; it returns its
// address. It ends when the test does.
func udpServer(t *testing.T, answer func(query []byte) [][]byte) netip.AddrPort {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := LocalName(sys.FD(fd))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, from, err := unix.Recvfrom(fd, buf, 0)
			if err == unix.EINTR {
				continue
			}
			if err != nil || n == 0 {
				return
			}
			for _, a := range answer(buf[:n]) {
				_ = unix.Sendto(fd, a, 0, from)
			}
		}
	}()
	t.Cleanup(func() {
		c, _ := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		sa, _ := sockaddr(at)
		_ = unix.Sendto(c, nil, 0, sa) // an empty datagram ends the server
		<-done
		unix.Close(c)
		unix.Close(fd)
	})
	return at
}

func TestExchange(t *testing.T) {
	at := udpServer(t, func(q []byte) [][]byte {
		switch string(q) {
		case "ping":
			return [][]byte{[]byte("junk"), []byte("pong")}
		case "flood":
			flood := make([][]byte, maxStray+10)
			for i := range flood {
				flood[i] = []byte("junk")
			}
			return flood
		}
		return nil
	})
	tests := []struct {
		query, want string
		limit       time.Duration
		timeout     bool
	}{
		{"ping", "pong", someTime, false},
		{"silence", "", 20 * time.Millisecond, true},
		{"flood", "", 300 * time.Millisecond, true},
	}
	for _, tt := range tests {
		buf := make([]byte, 100)
		n, err := Exchange(at, []byte(tt.query), buf, tt.limit, func(a []byte) bool { return string(a) == "pong" })
		if string(buf[:n]) != tt.want || sys.IsTimeout(err) != tt.timeout || err != nil && !tt.timeout {
			t.Errorf("Exchange(%s) = %q, %v", tt.query, buf[:n], err)
		}
	}
	// Nobody there: the kernel hears the refusal on a connected socket.
	l, closed := listenLoopback(t, "127.0.0.1", 1)
	l.Close()
	if _, err := Exchange(closed, []byte("x"), make([]byte, 9), someTime, func([]byte) bool { return true }); err == nil || sys.IsTimeout(err) {
		t.Errorf("Exchange with nobody = %v, want connection refused", err)
	}
}

func TestLocalAddresses(t *testing.T) {
	own, err := LocalAddresses()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		addr string
		want bool
	}{
		{"127.0.0.1", true},
		{"0.0.0.0", true},
		{"::ffff:127.0.0.1", true},
		{"::", true},
		{"127.0.0.2", false}, // loopback, but no interface has it
		{"192.0.2.1", false},
		{"2001:db8::1", false},
	}
	for _, tt := range tests {
		if got := own.Contains(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("LocalAddresses = %v, Contains(%s) = %v, want %v", own, tt.addr, got, tt.want)
		}
	}
}

func TestInterfaces(t *testing.T) {
	i, err := InterfaceIndex("lo")
	if err != nil {
		t.Fatalf("InterfaceIndex(lo) = %v", err)
	}
	if name, err := InterfaceName(i); name != "lo" || err != nil {
		t.Errorf("InterfaceName(%d) = %q, %v, want lo", i, name, err)
	}
	lo := netip.MustParseAddr("fe80::1").WithZone(strconv.Itoa(int(i)))
	if name, ok := ZoneName(lo); name != "lo" || !ok {
		t.Errorf("ZoneName(%v) = %q, %v, want lo", lo, name, ok)
	}
	if name, ok := ZoneName(netip.MustParseAddr("2001:db8::1")); ok {
		t.Errorf("ZoneName(global address) = %q", name)
	}
	if i, err := InterfaceIndex("nosuchif"); err == nil {
		t.Errorf("InterfaceIndex(nosuchif) = %d", i)
	}
	if i, err := InterfaceIndex("a name far too long for the kernel"); err == nil {
		t.Errorf("InterfaceIndex(too long) = %d", i)
	}
	if n, err := InterfaceName(1 << 30); err == nil {
		t.Errorf("InterfaceName(no such number) = %q", n)
	}
}

func TestRandom(t *testing.T) {
	a, err := Random()
	b, err2 := Random()
	if err != nil || err2 != nil || a == b {
		t.Errorf("Random = %x, %v and %x, %v", a, err, b, err2)
	}
}

func TestSockaddr(t *testing.T) {
	for _, s := range []string{"1.2.3.4:5", "[2001:db8::1]:65535", "[fe80::1%3]:25", "[::ffff:1.2.3.4]:25"} {
		want := netip.MustParseAddrPort(s)
		sa, _ := sockaddr(want)
		if got, ok := addrPort(sa); !ok || got != want {
			t.Errorf("addrPort(sockaddr(%s)) = %v, %v", s, got, ok)
		}
	}
}

func TestDialFrom(t *testing.T) {
	l, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), 5)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	to, err := LocalName(l)
	if err != nil {
		t.Fatal(err)
	}
	first, err := DialFrom(to, netip.MustParseAddrPort("127.0.0.9:0"), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	at, err := LocalName(first.FD)
	if err != nil || at.Addr().String() != "127.0.0.9" {
		t.Errorf("connected from %v, %v, want 127.0.0.9", at, err)
	}
	port := netip.AddrPortFrom(netip.Addr{}, at.Port())
	for name, from := range map[string]netip.AddrPort{
		"taken": at, "port of any address": port, "not ours": netip.MustParseAddrPort("192.0.2.1:0"), "other family": netip.MustParseAddrPort("[::1]:0"),
	} {
		if _, err := DialFrom(to, from, time.Second); !NotBound(err) {
			t.Errorf("%s: DialFrom = %v, want one that is not bound", name, err)
		}
	}
	if _, err := DialFrom(netip.MustParseAddrPort("127.0.0.1:1"), netip.AddrPort{}, time.Second); err == nil || NotBound(err) {
		t.Errorf("DialFrom to a closed port = %v", err)
	}
}
