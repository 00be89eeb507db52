package remote

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/control"
	"goqmail/internal/dns"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
	"goqmail/internal/testkit"
)

// A zone answers look-ups from tables. A name that is in none does not exist;
// soft.test fails temporarily, alias.test is an alias that leads nowhere.
type zone struct {
	mx    map[string][]dns.MX
	a     map[string]string // addresses, separated by blanks
	asked []string
}

func (z *zone) look(kind, name string) error {
	z.asked = append(z.asked, kind+" "+name)
	if name == "soft.test" {
		return dns.ErrTemporary
	}
	return nil
}

func (z *zone) MX(name string) ([]dns.MX, error) {
	if err := z.look("MX", name); err != nil || name == "alias.test" {
		return nil, err
	}
	if mx := z.mx[name]; mx != nil {
		return mx, nil
	}
	return nil, dns.ErrNotFound
}

func (z *zone) A(name string) ([]netip.Addr, error) {
	if err := z.look("A", name); err != nil || name == "alias.test" {
		return nil, err
	}
	var ips []netip.Addr
	for _, s := range strings.Fields(z.a[name]) {
		ips = append(ips, netip.MustParseAddr(s))
	}
	if ips == nil {
		return nil, dns.ErrNotFound
	}
	return ips, nil
}

func newZone() *zone {
	return &zone{
		mx: map[string][]dns.MX{
			"two.test":     {{Pref: 20, Host: "m2.test"}, {Pref: 10, Host: "m1.test"}},
			"null.test":    {{Pref: 0, Host: ""}},
			"part.test":    {{Pref: 0, Host: ""}, {Pref: 5, Host: "m1.test"}},
			"gone.test":    {{Pref: 1, Host: "nx.test"}},
			"softmx.test":  {{Pref: 1, Host: "soft.test"}},
			"mixed.test":   {{Pref: 1, Host: "soft.test"}, {Pref: 2, Host: "nx.test"}, {Pref: 3, Host: "m1.test"}},
			"literal.test": {{Pref: 1, Host: "192.0.2.9"}, {Pref: 2, Host: "[192.0.2.10]"}},
			"big.test":     {{Pref: 1, Host: "300.1.1.1"}},
			"twice.test":   {{Pref: 7, Host: "M1.test"}, {Pref: 3, Host: "m1.test"}},
			"own.test":     {{Pref: 10, Host: "me.test"}, {Pref: 20, Host: "m2.test"}},
			"equal.test":   {{Pref: 10, Host: "me.test"}, {Pref: 10, Host: "m2.test"}},
			"backup.test":  {{Pref: 10, Host: "m1.test"}, {Pref: 20, Host: "me.test"}, {Pref: 30, Host: "m2.test"}},
		},
		a: map[string]string{
			"m1.test": "192.0.2.1", "m2.test": "192.0.2.2 192.0.2.3", "me.test": "127.0.0.1", "a.test": "192.0.2.4 192.0.2.5",
			"zero.test": "0.0.0.0", "ownpart.test": "192.0.2.1 127.0.0.1",
		},
	}
}

var own = func() (sock.Addresses, error) {
	return sock.Addresses{netip.IPv4Unspecified(), netip.MustParseAddr("127.0.0.1")}, nil
}

// A table remembers what was asked of it.
type table struct {
	skip  string // address to skip
	notes []string
}

func (t *table) Skip(ip [4]byte) bool { return netip.AddrFrom4(ip).String() == t.skip }
func (t *table) Success(ip [4]byte) {
	t.notes = append(t.notes, "success "+netip.AddrFrom4(ip).String())
}
func (t *table) Timeout(ip [4]byte) {
	t.notes = append(t.notes, "timeout "+netip.AddrFrom4(ip).String())
}

// try runs a delivery to host in which no connection succeeds; it returns the
// verdict and what was tried to connect to.
func try(z *zone, tt *table, host string, routes []string, errs map[string]error) (verdict, []string) {
	var tried []string
	d := &delivery{host: host, recipients: []string{"x@y"}, report: &report{}, resolver: z, timeouts: tt, local: own, now: time.Now}
	d.routes = control.NewColonMap(routes)
	d.dial = func(to netip.AddrPort) (io.ReadWriteCloser, error) {
		tried = append(tried, strings.TrimSuffix(to.String(), ":25"))
		if err := errs[to.Addr().String()]; err != nil {
			return nil, err
		}
		return nil, sys.NewError("connect", "", unix.ECONNREFUSED)
	}
	return d.run(), tried
}

func TestAddresses(t *testing.T) {
	tests := []struct {
		host  string
		asked string
		want  verdict
		tried []string
	}{
		{"two.test", "MX two.test, A m1.test, A m2.test", noConnection, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}},
		{"a.test", "MX a.test, A a.test", noConnection, []string{"192.0.2.4", "192.0.2.5"}},
		{"null.test", "MX null.test", noExchanger, nil},
		{"part.test", "MX part.test, A m1.test", noConnection, []string{"192.0.2.1"}},
		{"gone.test", "MX gone.test, A nx.test", noExchanger, nil},
		{"softmx.test", "MX softmx.test, A soft.test", noAnswer, nil},
		{"mixed.test", "MX mixed.test, A soft.test, A nx.test, A m1.test", noConnection, []string{"192.0.2.1"}},
		{"literal.test", "MX literal.test", noConnection, []string{"192.0.2.9", "192.0.2.10"}},
		{"big.test", "MX big.test, A 300.1.1.1", noExchanger, nil},
		{"twice.test", "MX twice.test, A m1.test", noConnection, []string{"192.0.2.1"}},
		{"soft.test", "MX soft.test", noAnswer, nil},
		{"nx.test", "MX nx.test, A nx.test", noHost("nx.test"), nil},
		{"alias.test", "MX alias.test, A alias.test", noExchanger, nil},
		{"192.0.2.7", "", noConnection, []string{"192.0.2.7"}},
		{"[192.0.2.7]", "", noConnection, []string{"192.0.2.7"}},
		{"300.1.1.1", "MX 300.1.1.1, A 300.1.1.1", noHost("300.1.1.1"), nil},
		{"a b\xe9\n", "MX a b\xe9\n, A a b\xe9\n", verdict{failure, "Sorry, I couldn't find any host named a?b??. (#5.1.2)\n"}, nil},
		// this host itself
		{"own.test", "MX own.test, A me.test, A m2.test", selfListed, nil},
		{"backup.test", "MX backup.test, A m1.test, A me.test, A m2.test", noConnection, []string{"192.0.2.1"}},
		{"me.test", "MX me.test, A me.test", selfListed, nil},
		{"zero.test", "MX zero.test, A zero.test", selfListed, nil},
		{"ownpart.test", "MX ownpart.test, A ownpart.test", selfListed, nil},
		{"[127.0.0.1]", "", selfListed, nil},
	}
	for _, tt := range tests {
		z := newZone()
		v, tried := try(z, &table{}, tt.host, nil, nil)
		if v != tt.want || !slices.Equal(tried, tt.tried) || strings.Join(z.asked, ", ") != tt.asked {
			t.Errorf("%q: %c%s tried %v asked %v\nwant %c%s tried %v asked %s",
				tt.host, v.letter, v.text, tried, z.asked, tt.want.letter, tt.want.text, tt.tried, tt.asked)
		}
	}
	z := newZone()
	if v, _ := try(z, &table{}, "equal.test", nil, nil); v != selfListed {
		t.Errorf("equal preference: %+v", v)
	}
}

// Exchangers of equal preference come in any order, but before worse ones.
func TestRandomOrder(t *testing.T) {
	z := &zone{mx: map[string][]dns.MX{"x.test": {{Pref: 20, Host: "c"}, {Pref: 10, Host: "a"}, {Pref: 10, Host: "b"}}},
		a: map[string]string{"a": "192.0.2.1", "b": "192.0.2.2", "c": "192.0.2.3"}}
	first := map[string]int{}
	for range 200 {
		_, tried := try(z, &table{}, "x.test", nil, nil)
		if len(tried) != 3 || tried[2] != "192.0.2.3" {
			t.Fatalf("tried %v", tried)
		}
		first[tried[0]]++
	}
	if len(first) != 2 {
		t.Errorf("first of 200: %v", first)
	}
}

func TestRoutes(t *testing.T) {
	routes := []string{"one.test:m1.test", ".sub.test:192.0.2.33", "direct.sub.test:", "port.test:m1.test:2525", "Upper.Test:[192.0.2.33]",
		"gone.test:nx.test", "softroute.test:soft.test", "own.test:[127.0.0.1]", "empty.test::2525", "nodigits.test:m1.test:x", "trail.test:m1.test:26x:1",
		"big.test:m1.test:65536", "max.test:m1.test:65535", "huge.test:m1.test:99999999999999999999", "aliasroute.test:alias.test", "nocolon.test"}
	tests := []struct {
		host, fallback string
		want           verdict
		tried          []string
	}{
		{"one.test", "", noConnection, []string{"192.0.2.1"}},
		{"ONE.TEST", "", noConnection, []string{"192.0.2.1"}},
		{"upper.test", "", noConnection, []string{"192.0.2.33"}},
		{"a.sub.test", "", noConnection, []string{"192.0.2.33"}},
		{"a.b.sub.test", "", noConnection, []string{"192.0.2.33"}},
		{"sub.test", "", noHost("sub.test"), nil},
		{"direct.sub.test", ":m1.test", noHost("direct.sub.test"), nil},
		{"port.test", "", noConnection, []string{"192.0.2.1:2525"}},
		{"gone.test", "", noHost("nx.test"), nil},
		{"softroute.test", "", noAnswer, nil},
		{"aliasroute.test", "", noExchanger, nil},
		{"own.test", "", noConnection, []string{"127.0.0.1"}},
		{"empty.test", "", noHost(""), nil},
		{"nodigits.test", "", noConnection, []string{"192.0.2.1"}},
		{"trail.test", "", noConnection, []string{"192.0.2.1:26"}},
		{"max.test", "", noConnection, []string{"192.0.2.1:65535"}},
		{"big.test", "", noControls, nil},
		{"huge.test", "", noControls, nil},
		{"two.test", ":[192.0.2.5]:26", noConnection, []string{"192.0.2.5:26"}},
		{"two.test", ":", noConnection, []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}},
		{"nocolon.test", "", noHost("nocolon.test"), nil},
		{"", ":m1.test", noConnection, []string{"192.0.2.1"}},
	}
	for _, tt := range tests {
		r := routes
		if tt.fallback != "" {
			r = append(slices.Clone(routes), tt.fallback)
		}
		v, tried := try(newZone(), &table{}, tt.host, r, nil)
		if v != tt.want || !slices.Equal(tried, tt.tried) {
			t.Errorf("%q %s: %c%s tried %v, want %c%s tried %v", tt.host, tt.fallback, v.letter, v.text, tried, tt.want.letter, tt.want.text, tt.tried)
		}
	}
}

func TestTimeouts(t *testing.T) {
	timeout, reset := sys.ErrTimeout, sys.NewError("connect", "", unix.ECONNRESET)
	noSocket := sys.NewError("socket", "", unix.EMFILE)
	tests := []struct {
		name, skip string
		errs       map[string]error
		want       verdict
		tried      []string
		notes      []string
	}{
		{"time-out", "", map[string]error{"192.0.2.1": timeout, "192.0.2.2": reset}, noConnection,
			[]string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, []string{"timeout 192.0.2.1"}},
		{"the kernel's time-out", "", map[string]error{"192.0.2.3": sys.NewError("connect", "", unix.ETIMEDOUT)}, noConnection,
			[]string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, []string{"timeout 192.0.2.3"}},
		{"skipped", "192.0.2.1", nil, noConnection, []string{"192.0.2.2", "192.0.2.3"}, nil},
		{"no socket", "", map[string]error{"192.0.2.2": noSocket}, noResources, []string{"192.0.2.1", "192.0.2.2"}, nil},
	}
	for _, tt := range tests {
		tab := &table{skip: tt.skip}
		v, tried := try(newZone(), tab, "two.test", nil, tt.errs)
		if v != tt.want || !slices.Equal(tried, tt.tried) || !slices.Equal(tab.notes, tt.notes) {
			t.Errorf("%s: %+v tried %v noted %v", tt.name, v, tried, tab.notes)
		}
	}
}

// Thousands of addresses that swallow everything cost a bounded time; one that
// is listed often is tried once.
func TestManyAddresses(t *testing.T) {
	clock := time.Unix(1e9, 0)
	start, tried := clock, 0
	var list []string
	for i := range 4000 {
		list = append(list, fmt.Sprintf("10.0.%d.%d", i/200, i%200), "192.0.2.1")
	}
	z := &zone{a: map[string]string{"many.test": strings.Join(list, " ")}}
	d := &delivery{host: "many.test", recipients: []string{"x@y"}, report: &report{}, resolver: z, timeouts: noTable{}, local: own}
	d.now = func() time.Time { return clock }
	seen := map[netip.AddrPort]bool{}
	d.dial = func(to netip.AddrPort) (io.ReadWriteCloser, error) {
		if seen[to] {
			t.Errorf("%v is tried again", to)
		}
		seen[to] = true
		tried++
		clock = clock.Add(time.Minute)
		return nil, sys.ErrTimeout
	}
	if v := d.run(); v != noConnection {
		t.Errorf("verdict %+v", v)
	}
	if took := clock.Sub(start); took > connectTime+2*time.Minute || tried < 5 {
		t.Errorf("tried %d addresses in %v", tried, took)
	}
}

// Exchangers whose addresses are more than can be tried are not asked for.
func TestManyExchangers(t *testing.T) {
	z := &zone{mx: map[string][]dns.MX{}, a: map[string]string{}}
	list := strings.Repeat("192.0.2.1 ", 300)
	for i := range 100 {
		host := fmt.Sprintf("m%d.test", i)
		z.mx["many.test"] = append(z.mx["many.test"], dns.MX{Pref: uint16(i), Host: host})
		z.a[host] = list
	}
	v, tried := try(z, &table{}, "many.test", nil, nil)
	if v != noConnection || len(tried) != 1 || strings.Join(z.asked, ", ") != "MX many.test, A m0.test, A m1.test, A m2.test, A m3.test" {
		t.Errorf("verdict %+v, tried %v, asked %v", v, tried, z.asked)
	}
}

// Once a connection stands, what the server says is final.
func TestFirstConnectionIsFinal(t *testing.T) {
	tab := &table{}
	s := &server{script: map[string]string{"greet": "421 busy"}}
	d := &delivery{host: "two.test", recipients: []string{"x@y"}, report: &report{}, resolver: newZone(), timeouts: tab, local: own, now: time.Now}
	d.dial = func(to netip.AddrPort) (io.ReadWriteCloser, error) {
		if to.Addr() == netip.MustParseAddr("192.0.2.1") {
			return nil, sys.ErrTimeout
		}
		return s, nil
	}
	v := d.run()
	if want := "Connected to 192.0.2.2 but greeting failed.\nRemote host said: 421 busy\n"; v != (verdict{deferral, want}) {
		t.Errorf("verdict %+v", v)
	}
	if want := []string{"timeout 192.0.2.1", "success 192.0.2.2"}; !slices.Equal(tab.notes, want) || !s.closed {
		t.Errorf("noted %v, closed %v", tab.notes, s.closed)
	}
}

func TestNoInterfaces(t *testing.T) {
	d := &delivery{host: "a.test", recipients: []string{"x@y"}, report: &report{}, resolver: newZone(), timeouts: noTable{}, now: time.Now}
	d.local = func() (sock.Addresses, error) { return nil, errors.New("no netlink") }
	if v := d.run(); v != noResources {
		t.Errorf("verdict %+v", v)
	}
}

// runIn runs qmail-remote with a home below a temporary directory and an empty
// message.
func runIn(t *testing.T, home string, args ...string) (code int, out string) {
	t.Helper()
	return runWith(t, os.O_RDONLY, home, args...)
}

// runWith is runIn with /dev/null opened in a way as descriptor 0.
func runWith(t *testing.T, how int, home string, args ...string) (code int, out string) {
	t.Helper()
	r, w, err := sys.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	null, err := sys.Cwd().Open("/dev/null", how, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	p := &prog.Process{Args: append([]string{"qmail-remote"}, args...), Home: home, Now: time.Now, FDs: map[int]sys.FD{0: null, 1: w}}
	code = Run(p)
	w.Close()
	b, err := r.ReadAll(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	return code, string(b)
}

func TestRun(t *testing.T) {
	type files map[string]string
	const usage, controls = "DI (qmail-remote) was invoked improperly. (#5.3.5)\n\x00", "ZUnable to read control files. (#4.3.0)\n\x00"
	const refused = "ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n\x00"
	ok := []string{"[127.0.0.1]", "a@b", "c@d"}
	tests := []struct {
		name    string
		control files // nil: no home; a name that ends in / is a directory
		args    []string
		want    string
	}{
		{"no arguments", files{"me": "x\n"}, nil, usage},
		{"two arguments", files{"me": "x\n"}, ok[:2], usage},
		{"no home", nil, ok, "ZUnable to switch to home directory. (#4.3.0)\n\x00"},
		{"no name", files{}, ok, controls},
		{"me unreadable", files{"me/": ""}, ok, controls},
		{"helohost unreadable", files{"me": "x\n", "helohost/": ""}, ok, controls},
		{"timeoutconnect unreadable", files{"me": "x\n", "timeoutconnect/": ""}, ok, controls},
		{"timeoutremote unreadable", files{"me": "x\n", "timeoutremote/": ""}, ok, controls},
		{"smtproutes unreadable", files{"me": "x\n", "smtproutes/": ""}, ok, controls},
		{"port out of range", files{"me": "x\n", "smtproutes": ":[127.0.0.1]:65536\n"}, ok, controls},
		{"sender with LF", files{"me": "x\n"}, []string{"x.test", "a\nRCPT@b", "c@d"}, usage},
		{"recipient with CR", files{"me": "x\n"}, []string{"x.test", "a@b", "c@d", "e\r@f"}, usage},
		{"own address", files{"me": "x\n"}, ok, "D" + selfListed.text + "\x00"},
		{"nobody there", files{"helohost": "x\n", "smtproutes": ":[127.0.0.1]:1\n"}, ok, refused},
	}
	for _, tt := range tests {
		home := t.TempDir()
		if tt.control == nil {
			home += "/nosuch"
		} else if err := os.Mkdir(home+"/control", 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range tt.control {
			var err error
			if d, dir := strings.CutSuffix(name, "/"); dir {
				err = os.Mkdir(home+"/control/"+d, 0o755)
			} else {
				err = os.WriteFile(home+"/control/"+name, []byte(text), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if code, out := runIn(t, home, tt.args...); code != 0 || out != tt.want {
			t.Errorf("%s: exit %d, report %q, want 0, %q", tt.name, code, out, tt.want)
		}
	}
}

// A panic becomes a message report.
func TestPanic(t *testing.T) {
	if v := safely(func() verdict { panic("a bug") }); v != crashed {
		t.Errorf("verdict %+v", v)
	}
	if v := safely(func() verdict { return noRead }); v != noRead {
		t.Errorf("verdict %+v", v)
	}
}

// serveOne serves one connection; what the client sent comes out.
func serveOne(l net.Listener) <-chan string {
	got := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			got <- err.Error()
			return
		}
		defer c.Close()
		s := &server{}
		buf := make([]byte, 4096)
		n, _ := s.Read(buf)
		for {
			if _, err := c.Write(buf[:n]); err != nil {
				break
			}
			if n, err = c.Read(buf); err != nil {
				break
			}
			_, _ = s.Write(buf[:n])
			n, _ = s.Read(buf)
		}
		got <- s.wire.String()
	}()
	return got
}

// What the Go run-time puts in the place of a closed descriptor 0 is not taken
// for an empty message.
func TestNoMessage(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := serveOne(l)
	home := t.TempDir()
	if err := os.Mkdir(home+"/control", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"me": "mx.test\n", "smtproutes": ":" + l.Addr().String() + "\n"} {
		if err := os.WriteFile(home+"/control/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, out := runWith(t, os.O_RDWR, home, "far.test", "a@b", "x@far.test")
	if want := "r\x00Z" + noRead.text + "\x00"; out != want {
		t.Errorf("report %q, want %q", out, want)
	}
	if wire, want := <-got, "HELO mx.test\r\nMAIL FROM:<a@b>\r\nRCPT TO:<x@far.test>\r\nDATA\r\n"; wire != want {
		t.Errorf("sent %q, want %q", wire, want)
	}
}

// The whole program with a resolver and a server, in a network of its own.
func TestDelivery(t *testing.T) {
	testkit.InWorld(t, testkit.World{Host: "mx.test", Addrs: []string{"127.0.0.31", "127.0.0.32"}}, func(t *testing.T) {
		testkit.StartDNS(t, "127.0.0.1", dns.Port, testkit.DNSZone{
			"far.test MX":  "10 down.test, 20 m.test",
			"down.test A":  "127.0.1.30",
			"m.test A":     "127.0.1.31",
			"self.test MX": "10 me.test, 20 m.test",
			"me.test A":    "127.0.0.32",
		})
		l, err := net.Listen("tcp", "127.0.1.31:25")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		got := serveOne(l)
		home := t.TempDir()
		for _, dir := range []string{"/control", "/queue", "/queue/lock"} {
			if err := os.Mkdir(home+dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for name, text := range map[string]string{"/control/me": "mx.test\n", "/queue/lock/tcpto": strings.Repeat("\x00", 1024)} {
			if err := os.WriteFile(home+name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, out := runIn(t, home, "far.test", "a@b", "x@far.test")
		if want := "r\x00K127.0.1.31 accepted message.\nRemote host said: 250 queued\n\x00"; out != want {
			t.Errorf("report %q, want %q", out, want)
		}
		if wire, want := <-got, "HELO mx.test\r\nMAIL FROM:<a@b>\r\nRCPT TO:<x@far.test>\r\nDATA\r\n.\r\nQUIT\r\n"; wire != want {
			t.Errorf("sent %q, want %q", wire, want)
		}
		if _, out := runIn(t, home, "self.test", "a@b", "x@self.test"); out != fmt.Sprintf("%c%s\x00", selfListed.letter, selfListed.text) {
			t.Errorf("report for this host %q", out)
		}
	})
}
