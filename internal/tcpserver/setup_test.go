package tcpserver

import (
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/ucspi"
)

func number(n uint32) *uint32 { return &n }

func TestParseOptions(t *testing.T) {
	def := options{Options: ucspi.Options{Verbosity: warnings, LookLocal: true, LookRemote: true, AskIdent: true, IdentLimit: 26 * time.Second}, limit: 40, backlog: 20, host: "0", port: "25", argv: []string{"prog"}}
	with := func(f func(o *options)) options { o := def; f(&o); return o }
	tests := []struct {
		args string
		env  []string
		want options
	}{
		{"0 25 prog", nil, def},
		{"-v 0 25 prog -x", nil, with(func(o *options) { o.Verbosity = verbose; o.argv = []string{"prog", "-x"} })},
		{"-q 0 25 prog", nil, with(func(o *options) { o.Verbosity = quiet })},
		{"-vQ 0 25 prog", nil, def},
		{"-HRl0 0 25 prog", nil, with(func(o *options) { o.LookRemote, o.AskIdent, o.LookLocal, o.LocalName = false, false, false, "0" })},
		{"-HhRrpPOoDd 0 25 prog", nil, with(func(o *options) { o.keepIPOpts = true })},
		{"-pD46X1 0 25 prog", nil, with(func(o *options) {
			o.paranoid, o.NoDelay, o.Only4, o.As6, o.rulesMay, o.printPort = true, true, true, true, true, true
		})},
		{"-c 5 -b7 -t 3x -x f.cdb -B hi -I lo 0 25 prog", nil, with(func(o *options) {
			o.limit, o.backlog, o.IdentLimit, o.rules, o.banner, o.NetIf = 5, 7, 3*time.Second, "f.cdb", "hi", "lo"
		})},
		{"-u 5001 -g 0 0 25 prog", nil, with(func(o *options) { o.uid, o.gid = number(5001), number(0) })},
		{"-u 12 -U -g 13 0 25 prog", []string{"UID=5001", "GID=5002"}, with(func(o *options) { o.uid, o.gid = number(5001), number(13) })},
		{"-c 99999999999 0 25 prog", nil, with(func(o *options) { o.limit = 1000000 })},
		{"--ignored 0 25 prog", nil, def},
	}
	for _, tt := range tests {
		got, bad, code := parseOptions(strings.Fields(tt.args), prog.NewEnv(tt.env))
		if code != 0 || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, %q, %d\nwant %+v", tt.args, got, bad, code, tt.want)
		}
	}
	wrong := []struct {
		args string
		env  []string
		bad  string
		code int
	}{
		{"", nil, "", 100},
		{"0", nil, "", 100},
		{"0 25", nil, "", 100},
		{"-z 0 25 prog", nil, "illegal option -- z", 100},
		{"-c", nil, "option requires an argument -- c", 100},
		{"-c x 0 25 prog", nil, "illegal number -- c", 100},
		{"-b x 0 25 prog", nil, "illegal number -- b", 100},
		{"-t x 0 25 prog", nil, "illegal number -- t", 100},
		{"-u nobody 0 25 prog", nil, "illegal number -- u", 100},
		{"-u 12x 0 25 prog", nil, "illegal number -- u", 100},
		{"-g -1 0 25 prog", nil, "illegal number -- g", 100},
		{"-u 4294967295 0 25 prog", nil, "illegal number -- u", 100},
		{"-U 0 25 prog", nil, "-U needs numbers in $UID and $GID", 111},
		{"-U 0 25 prog", []string{"UID=1"}, "-U needs numbers in $UID and $GID", 111},
		{"-U 0 25 prog", []string{"UID=x", "GID=1"}, "-U needs numbers in $UID and $GID", 111},
	}
	for _, tt := range wrong {
		if _, bad, code := parseOptions(strings.Fields(tt.args), prog.NewEnv(tt.env)); bad != tt.bad || code != tt.code {
			t.Errorf("%s: %q, %d, want %q, %d", tt.args, bad, code, tt.bad, tt.code)
		}
	}
}

func TestAddress(t *testing.T) {
	tests := []struct {
		host  string
		only4 bool
		want  string
		err   string
	}{
		{"0", false, "::", ""},
		{"", false, "::", ""},
		{"0", true, "0.0.0.0", ""},
		{"127.0.0.1", false, "127.0.0.1", ""},
		{"::1", false, "::1", ""},
		{"::1", true, "", "unable to bind: address family not supported"},
		{"good.test", false, "192.0.2.9", ""},
		{"both.test", false, "192.0.2.8", ""},
		{"six.test", false, "2001:db8::7", ""},
		{"six.test", true, "", "no IP address for six.test"},
		{"none.test", false, "", "no IP address for none.test"},
		{"soft", false, "", "temporarily unable to figure out IP address for soft: no usable answer"},
		{"fe80::1%nosuchif", false, "", "unable to find interface nosuchif: device does not support operation"},
		{"fe80::1%lo", false, "fe80::1%1", ""},
	}
	for _, tt := range tests {
		o := options{Options: ucspi.Options{Only4: tt.only4}, host: tt.host}
		got, err := o.address(testZone)
		if tt.err != "" && (err == nil || err.Error() != tt.err) || tt.err == "" && (err != nil || got.String() != tt.want) {
			t.Errorf("address(%q, only4 %v) = %v, %v, want %s%s", tt.host, tt.only4, got, err, tt.want, tt.err)
		}
	}
}

func TestSetupErrors(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, port, _ := net.SplitHostPort(busy.Addr().String())
	tests := []struct{ host, port, want string }{
		{"127.0.0.1", port, "unable to bind: address already used"},
		{"192.0.2.1", "0", "unable to bind: address not available"},
		{"127.0.0.1", "no such service", "unable to figure out port number for no such service"},
		{"127.0.0.1", "65536", "unable to figure out port number for 65536"},
		{"127.0.0.1", "-1", "unable to figure out port number for -1"},
		{"none.test", "0", "no IP address for none.test"},
	}
	for _, tt := range tests {
		o := options{host: tt.host, port: tt.port, backlog: 5}
		l, err := o.listen(testZone)
		if err == nil {
			l.Close()
		}
		if err == nil || err.Error() != tt.want {
			t.Errorf("listen(%s, %s) = %v, want %s", tt.host, tt.port, err, tt.want)
		}
	}
}
