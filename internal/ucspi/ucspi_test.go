package ucspi

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"goqmail/internal/tcpenv"
	"goqmail/internal/testkit/dnstest"
)

var testZone = dnstest.Zone{
	Names:     map[string]string{"192.0.2.1": "good.test", "192.0.2.2": "bad.test", "192.0.2.3": "soft", "192.0.2.4": "gone.test", "2001:db8::1": "good.test", "192.0.2.6": "panic"},
	Addresses: map[string]string{"good.test": "192.0.2.9 192.0.2.1 2001:db8::1", "bad.test": "192.0.2.9"},
}

func TestNameOf(t *testing.T) {
	tests := []struct {
		ip       string
		paranoid bool
		want     tcpenv.Text
	}{
		{"192.0.2.1", false, tcpenv.Known("good.test")},
		{"::ffff:192.0.2.1", true, tcpenv.Known("good.test")},
		{"2001:db8::1", true, tcpenv.Known("good.test")},
		{"192.0.2.2", false, tcpenv.Known("bad.test")},
		{"192.0.2.2", true, tcpenv.Text{}},
		{"192.0.2.4", true, tcpenv.Text{}},
		{"192.0.2.3", false, tcpenv.Text{}},
		{"192.0.2.5", false, tcpenv.Text{}},
	}
	for _, tt := range tests {
		if got := nameOf(testZone, netip.MustParseAddr(tt.ip), tt.paranoid); got != tt.want {
			t.Errorf("nameOf(%s, paranoid %v) = %+v, want %+v", tt.ip, tt.paranoid, got, tt.want)
		}
	}
}

func TestInquiry(t *testing.T) {
	at := func(ip string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(ip), 25) }
	conn := func(local, remote string) tcpenv.Conn { return tcpenv.Conn{Local: at(local), Remote: at(remote)} }
	tests := []struct {
		name          string
		q             Inquiry
		c             tcpenv.Conn
		local, remote tcpenv.Text
	}{
		{"both", Inquiry{Local: true, Remote: true}, conn("192.0.2.1", "192.0.2.2"), tcpenv.Known("good.test"), tcpenv.Known("bad.test")},
		{"paranoid", Inquiry{Local: true, Remote: true, Paranoid: true}, conn("192.0.2.2", "192.0.2.2"), tcpenv.Known("bad.test"), tcpenv.Text{}},
		{"given", Inquiry{LocalName: "0"}, conn("192.0.2.1", "192.0.2.2"), tcpenv.Known("0"), tcpenv.Text{}},
		{"our bug", Inquiry{Local: true, Remote: true}, conn("192.0.2.6", "192.0.2.1"), tcpenv.Text{}, tcpenv.Known("good.test")},
		{"no ident server", Inquiry{Ident: true, IdentLimit: time.Second}, conn("127.0.0.1", "127.0.0.1"), tcpenv.Known(""), tcpenv.Text{}},
	}
	for _, tt := range tests {
		tt.q.Resolver = func() Resolver { return testZone }
		tt.q.Make(&tt.c)
		if tt.c.LocalHost != tt.local || tt.c.RemoteHost != tt.remote || tt.c.RemoteInfo.Known {
			t.Errorf("%s: %+v, want %+v, %+v", tt.name, tt.c, tt.local, tt.remote)
		}
	}
}

func TestZoned(t *testing.T) {
	lo, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Skip("no interface has number 1")
	}
	tests := []struct{ ip, netIf, want, err string }{
		{"fe80::1", lo.Name, "fe80::1%1", ""},
		{"fe80::1%" + lo.Name, "", "fe80::1%1", ""},
		{"fe80::1", "", "fe80::1", ""},
		{"2001:db8::1", "nosuch", "2001:db8::1", ""},
		{"169.254.0.1", "nosuch", "169.254.0.1", ""},
		{"fe80::1", "nosuch", "", "unable to find interface nosuch: device does not support operation"},
	}
	for _, tt := range tests {
		got, err := Zoned(netip.MustParseAddr(tt.ip), tt.netIf)
		switch {
		case tt.err != "" && (err == nil || err.Error() != tt.err):
			t.Errorf("Zoned(%s, %s): %v, want %s", tt.ip, tt.netIf, err, tt.err)
		case tt.err == "" && (err != nil || got.String() != tt.want):
			t.Errorf("Zoned(%s, %s) = %s, %v, want %s", tt.ip, tt.netIf, got, err, tt.want)
		}
	}
}

func TestService(t *testing.T) {
	const text = "# comment\nsmtp\t\t25/tcp\t\tmail # x\ndomain 53/udp\ndomain 53/tcp\nbad x/tcp\nhuge 70000/tcp\nlone\n\nlast 99/tcp alias1 alias2"
	tests := []struct {
		name string
		want uint16
		ok   bool
	}{
		{"smtp", 25, true}, {"mail", 25, true}, {"domain", 53, true}, {"last", 99, true}, {"alias2", 99, true},
		{"25/tcp", 0, false}, {"x", 0, false}, {"bad", 0, false}, {"huge", 0, false}, {"lone", 0, false}, {"", 0, false}, {"comment", 0, false},
	}
	for _, tt := range tests {
		if got, ok := service(text, tt.name); got != tt.want || ok != tt.ok {
			t.Errorf("service(%q) = %d, %v, want %d, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestPort(t *testing.T) {
	tests := []struct {
		s    string
		want uint16
		ok   bool
	}{{"0", 0, true}, {"65535", 65535, true}, {"65536", 0, false}, {"-1", 0, false}, {"25x", 0, false}, {"", 0, false}, {"no such service", 0, false}}
	for _, tt := range tests {
		if got, ok := Port(tt.s); got != tt.want || ok != tt.ok {
			t.Errorf("Port(%q) = %d, %v, want %d, %v", tt.s, got, ok, tt.want, tt.ok)
		}
	}
}

func TestLeading(t *testing.T) {
	tests := []struct {
		s    string
		want int
		ok   bool
	}{{"12", 12, true}, {"3x", 3, true}, {"x", 0, false}, {"", 0, false}, {"99999999999999999999", 1000000, true}, {"-1", 0, false}}
	for _, tt := range tests {
		if got, ok := Leading(tt.s); got != tt.want || ok != tt.ok {
			t.Errorf("Leading(%q) = %d, %v, want %d, %v", tt.s, got, ok, tt.want, tt.ok)
		}
	}
}

// FuzzService: what is found stands in the text as a word with its port.
func FuzzService(f *testing.F) {
	f.Add("smtp 25/tcp mail\n", "mail")
	f.Add("#\n\na\tb", "a")
	f.Fuzz(func(t *testing.T, text, name string) {
		if _, ok := service(text, name); ok && (!strings.Contains(text, name) || !strings.Contains(text, "/tcp")) {
			t.Errorf("service(%q, %q) found it", text, name)
		}
	})
}

// TestOptions: what options with and without a value do; others are left alone.
func TestOptions(t *testing.T) {
	o := Defaults()
	for _, c := range []byte("46HRDv") {
		if !o.Flag(c) {
			t.Errorf("Flag(%c) = false", c)
		}
	}
	if !o.Value('l', "name") || !o.Value('I', "lo") || o.Flag('x') || o.Flag('l') || o.Value('t', "3") || o.Value('4', "") {
		t.Error("an option is taken for another")
	}
	want := Options{Verbosity: Verbose, LocalName: "name", IdentLimit: 26 * time.Second, NoDelay: true, Only4: true, As6: true, NetIf: "lo"}
	if o != want {
		t.Errorf("options = %+v, want %+v", o, want)
	}
	for _, c := range []byte("hrdQ") {
		o.Flag(c)
	}
	if !o.LookRemote || !o.AskIdent || o.NoDelay || o.Verbosity != Warnings || !o.Flag('q') || o.Verbosity != Quiet {
		t.Errorf("options undone = %+v", o)
	}
}
