package tcpserver

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"goqmail/internal/cdb"
	"goqmail/internal/prog"
	"goqmail/internal/tcpenv"
	"goqmail/internal/tcprules"
	"goqmail/internal/testkit/dnstest"
)

var testZone = dnstest.Zone{
	Names:     map[string]string{"192.0.2.1": "good.test", "192.0.2.2": "bad.test", "192.0.2.3": "soft", "192.0.2.4": "gone.test", "2001:db8::1": "good.test"},
	Addresses: map[string]string{"good.test": "192.0.2.9 192.0.2.1 2001:db8::1", "bad.test": "192.0.2.9", "six.test": "2001:db8::7", "both.test": "2001:db8::8 192.0.2.8"},
}

func TestLines(t *testing.T) {
	v4 := tcpenv.Conn{Local: netip.MustParseAddrPort("127.0.0.1:7005"), Remote: netip.MustParseAddrPort("127.0.0.1:47343"), LocalHost: tcpenv.Known("lname")}
	v6 := tcpenv.Conn{Local: netip.MustParseAddrPort("[::1]:7002"), Remote: netip.MustParseAddrPort("[::1]:54245"),
		RemoteHost: tcpenv.Known("a\x01b c\xe9%"), RemoteInfo: tcpenv.Known(strings.Repeat("n", 200) + "x")}
	n100 := strings.Repeat("n", 100)
	tests := []struct{ got, want string }{
		{statusLine(3, 40), "tcpserver: status: 3/40\n"},
		{fromLine(7, v4), "tcpserver: pid 7 from 127.0.0.1\n"},
		{fromLine(7, v6), "tcpserver: pid 7 from ::1\n"},
		{decisionLine("ok", 7, v4), "tcpserver: ok 7 lname:::ffff:127.0.0.1:7005 :::ffff:127.0.0.1::47343\n"},
		{decisionLine("deny", 7, v6), "tcpserver: deny 7 :::1:7002 a?b?c??:::1:" + n100 + "...:54245\n"},
		{endLine(7, 25600), "tcpserver: end 7 status 25600\n"},
		{dropLine("why"), "tcpserver: warning: dropping connection, why\n"},
		{safe(tcpenv.Known(n100[:99])), n100[:99]},
		{safe(tcpenv.Known(n100)), n100 + "..."}, // as C does
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

// compile writes rules as tcprules does.
func compile(t *testing.T, rules string) string {
	t.Helper()
	name := t.TempDir() + "/rules.cdb"
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w, err := cdb.NewWriter(f)
	if err == nil {
		err = tcprules.Compile([]byte(rules), w.Put)
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestDecide(t *testing.T) {
	good := compile(t, "192.0.2.1:allow,RELAYCLIENT=\"\"\n=bad.test:deny\njoe@192.0.2.3:deny\n2001:db8::1:deny\n::ffff:192.0.2.1:allow,X=\"6\"\n:allow,X=\"1\"\n")
	junk := t.TempDir() + "/junk"
	if err := os.WriteFile(junk, []byte("junk"), 0o644); err != nil {
		t.Fatal(err)
	}
	conn := func(ip string) tcpenv.Conn {
		return tcpenv.Conn{Remote: netip.AddrPortFrom(netip.MustParseAddr(ip), 1)}
	}
	bad, joe := conn("192.0.2.9"), conn("192.0.2.3")
	bad.RemoteHost, joe.RemoteInfo = tcpenv.Known("bad.test"), tcpenv.Known("joe")
	as6 := conn("192.0.2.1")
	as6.As6 = true
	tests := []struct {
		name, rules string
		may         bool
		conn        tcpenv.Conn
		deny        bool
		vars, err   string
	}{
		{"no rules", "", false, bad, false, "", ""},
		{"address", good, false, conn("192.0.2.1"), false, "RELAYCLIENT=", ""},
		{"mapped address", good, false, conn("::ffff:192.0.2.1"), false, "RELAYCLIENT=", ""},
		{"address shown as IPv6 is looked up as that", good, false, as6, false, "X=6", ""},
		{"IPv6", good, false, conn("2001:db8::1"), true, "", ""},
		{"name", good, false, bad, true, "", ""},
		{"info", good, false, joe, true, "", ""},
		{"everyone", good, false, conn("192.0.2.3"), false, "X=1", ""},
		{"absent", "/nonexistent", false, bad, false, "", "file does not exist"},
		{"absent with -X", "/nonexistent", true, bad, false, "", ""},
		{"directory", t.TempDir(), true, bad, false, "", "is a directory"},
		{"junk", junk, true, bad, false, "", "protocol error"},
	}
	for _, tt := range tests {
		o := options{rules: tt.rules, rulesMay: tt.may}
		d, err := o.decide(tt.conn)
		text := ""
		if err != nil {
			text = rulesText(err)
		}
		if d.Deny != tt.deny || strings.Join(d.Vars, " ") != tt.vars || text != tt.err {
			t.Errorf("%s: deny %v, vars %q, %s, want %v, %q, %s", tt.name, d.Deny, d.Vars, text, tt.deny, tt.vars, tt.err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	base := prog.NewEnv([]string{"PATH=/bin", "TCPREMOTEHOST=old", "TCPREMOTEINFO=old", "TCP6INTERFACE=old", "PROTO=old"})
	c := tcpenv.Conn{Local: netip.MustParseAddrPort("127.0.0.1:25"), Remote: netip.MustParseAddrPort("127.0.0.2:4321"), RemoteHost: tcpenv.Known("h.test")}
	got := prog.NewEnv(environment(base, c, []string{"TCPREMOTEHOST=rule", "A=", "B=b=c", "=x", "novalue"}))
	for name, want := range map[string]tcpenv.Text{
		"PATH": tcpenv.Known("/bin"), "PROTO": tcpenv.Known("TCP"), "TCPREMOTEHOST": tcpenv.Known("rule"), "TCP6REMOTEHOST": tcpenv.Known("h.test"),
		"TCPREMOTEINFO": {}, "TCP6INTERFACE": {}, "A": tcpenv.Known(""), "B": tcpenv.Known("b=c"), "novalue": tcpenv.Known(""),
	} {
		if v, ok := got.Get(name); v != want.Value || ok != want.Known {
			t.Errorf("%s = %q, %v, want %+v", name, v, ok, want)
		}
	}
	if v, _ := base.Get("PROTO"); v != "old" {
		t.Error("tcpserver's own environment was changed")
	}
}
