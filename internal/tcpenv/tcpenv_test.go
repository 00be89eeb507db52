package tcpenv

import (
	"net/netip"
	"strings"
	"testing"
)

// The forms were observed with the C tcpserver of Debian's ucspi-tcp-ipv6.
var ip6Tests = []struct{ ip, want string }{
	{"127.0.0.1", "::ffff:127.0.0.1"},
	{"::ffff:10.11.12.13", "::ffff:10.11.12.13"},
	{"::1", "::1"},
	{"::", "::"},
	{"2001:db8::5", "2001:db8::5"},
	{"2001:db8:0:1::5", "2001:db8:0:1::5"},
	{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
	{"2001:db8:0:1:1:1:1:1", "2001:db8::1:1:1:1:1"},
	{"fd00::a:0:1", "fd00::a:0:1"},
	{"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
	{"1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7::"},
	{"0:2:3:4:5:6:7:8", "::2:3:4:5:6:7:8"},
	{"1:0:2:0:3:0:4:0", "1::2:0:3:0:4:0"},
	{"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
	{"::1.2.3.5", "::102:305"},
	{"64:ff9b::102:304", "64:ff9b::102:304"},
	{"fec0:0:0:1:0:0:0:0", "fec0:0:0:1::"},
	{"FE80::ABCD%3", "fe80::abcd"},
}

func TestIP6(t *testing.T) {
	for _, tt := range ip6Tests {
		if got := IP6(netip.MustParseAddr(tt.ip)); got != tt.want {
			t.Errorf("IP6(%s) = %s, want %s", tt.ip, got, tt.want)
		}
	}
}

// FuzzIP6: the text is that address again, and there is one text for it.
func FuzzIP6(f *testing.F) {
	for _, tt := range ip6Tests {
		b := netip.MustParseAddr(tt.ip).As16()
		f.Add(b[:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ip, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		got := IP6(ip)
		back, err := netip.ParseAddr(got)
		if err != nil || back.Unmap() != ip.Unmap() {
			t.Fatalf("IP6(%v) = %q, read as %v, %v", ip, got, back, err)
		}
		if strings.ToLower(got) != got || IP6(back) != got {
			t.Errorf("IP6(%v) = %q, again %q", ip, got, IP6(back))
		}
	})
}

func TestVars(t *testing.T) {
	v4 := Conn{
		Local: netip.MustParseAddrPort("[::ffff:127.0.0.1]:25"), Remote: netip.MustParseAddrPort("192.0.2.9:4321"),
		LocalHost: Known("mx.test"), RemoteInfo: Known(""),
	}
	v4as6 := v4
	v4as6.As6 = true
	v6 := Conn{
		Local: netip.MustParseAddrPort("[fe80::1%2]:25"), Remote: netip.MustParseAddrPort("[fe80::9%2]:4321"),
		RemoteHost: Known("six.test"), Interface: Known("eth0"),
	}
	tests := []struct {
		name string
		conn Conn
		want string
	}{
		{"IPv4", v4, "PROTO=TCP TCPLOCALIP=127.0.0.1 TCPLOCALPORT=25 TCPLOCALHOST=mx.test TCPREMOTEIP=192.0.2.9 TCPREMOTEPORT=4321 -TCPREMOTEHOST TCPREMOTEINFO= " +
			"TCP6LOCALIP=::ffff:127.0.0.1 TCP6LOCALPORT=25 TCP6LOCALHOST=mx.test TCP6REMOTEIP=::ffff:192.0.2.9 TCP6REMOTEPORT=4321 -TCP6REMOTEHOST TCP6REMOTEINFO= -TCP6INTERFACE"},
		{"IPv4 as IPv6", v4as6, "PROTO=TCP6 TCPLOCALIP=::ffff:127.0.0.1 TCPLOCALPORT=25 TCPLOCALHOST=mx.test TCPREMOTEIP=::ffff:192.0.2.9 TCPREMOTEPORT=4321 -TCPREMOTEHOST TCPREMOTEINFO= " +
			"TCP6LOCALIP=::ffff:127.0.0.1 TCP6LOCALPORT=25 TCP6LOCALHOST=mx.test TCP6REMOTEIP=::ffff:192.0.2.9 TCP6REMOTEPORT=4321 -TCP6REMOTEHOST TCP6REMOTEINFO= -TCP6INTERFACE"},
		{"IPv6", v6, "PROTO=TCP6 TCPLOCALIP=fe80::1 TCPLOCALPORT=25 -TCPLOCALHOST TCPREMOTEIP=fe80::9 TCPREMOTEPORT=4321 TCPREMOTEHOST=six.test -TCPREMOTEINFO " +
			"TCP6LOCALIP=fe80::1 TCP6LOCALPORT=25 -TCP6LOCALHOST TCP6REMOTEIP=fe80::9 TCP6REMOTEPORT=4321 TCP6REMOTEHOST=six.test -TCP6REMOTEINFO TCP6INTERFACE=eth0"},
	}
	for _, tt := range tests {
		var got []string
		for _, v := range tt.conn.Vars() {
			if v.Known {
				got = append(got, v.Name+"="+v.Value)
			} else {
				got = append(got, "-"+v.Name)
			}
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %s\nwant %s", tt.name, s, tt.want)
		}
	}
}
