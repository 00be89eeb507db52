package dns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

// quick is a configuration for servers that may be silent.
func quick(servers ...*testkit.DNSServer) Config {
	c := Config{Timeout: 100 * time.Millisecond, Attempts: 2}
	for _, s := range servers {
		c.Servers = append(c.Servers, s.Addr())
	}
	return c
}

// show writes the result of a look-up in one line.
func show(v any, err error) string {
	switch err {
	case nil:
		return fmt.Sprint(v)
	case ErrNotFound:
		return "not found"
	case ErrTemporary:
		return "temporary"
	}
	return "unexpected error " + err.Error()
}

var lookups = map[string]func(r *Resolver, name string) string{
	"MX":   func(r *Resolver, n string) string { return show(r.MX(n)) },
	"A":    func(r *Resolver, n string) string { return show(r.A(n)) },
	"AAAA": func(r *Resolver, n string) string { return show(r.AAAA(n)) },
	"TXT":  func(r *Resolver, n string) string { return show(r.TXT(n)) },
	"PTR":  func(r *Resolver, n string) string { return show(r.PTR(netip.MustParseAddr(n))) },
}

func TestLookup(t *testing.T) {
	s := testkit.StartDNS(t, "127.0.0.1", 0, testkit.DNSZone{
		"far.test MX":                   "20 m2.far.test, 10 m1.far.test",
		"m1.far.test A":                 "127.0.0.2, 127.0.0.3",
		"m1.far.test AAAA":              "2001:db8::1",
		"null.test MX":                  "0 .",
		"text.test TXT":                 "see there",
		"alias.test CNAME":              "far.test",
		"twice.test CNAME":              "alias.test",
		"ahost.test CNAME":              "m1.far.test",
		"dangling.test CNAME":           "gone.test",
		"loop.test CNAME":               "pool.test",
		"pool.test CNAME":               "loop.test",
		"servfail.test MX":              "!2",
		"formerr.test MX":               "!1",
		"notimp.test MX":                "!4",
		"refused.test MX":               "!5",
		"yxdomain.test MX":              "!6",
		"silent.test MX":                "!DROP",
		"4.3.2.1.in-addr.arpa PTR":      "Host.Far.Test",
		"5.3.2.1.in-addr.arpa PTR":      "a b:c\xe9\n.test, other.test",
		"6.3.2.1.in-addr.arpa CNAME":    "6.0/28.3.2.1.in-addr.arpa",
		"6.0/28.3.2.1.in-addr.arpa PTR": "classless.test",
		"1" + strings.Repeat(".0", 23) + ".8.b.d.0.1.0.0.2.ip6.arpa PTR": "six.test",
	})
	tests := []struct{ kind, name, want string }{
		{"MX", "far.test", "[{20 m2.far.test} {10 m1.far.test}]"},
		{"MX", "FAR.test.", "[{20 m2.far.test} {10 m1.far.test}]"},
		{"MX", "alias.test", "[{20 m2.far.test} {10 m1.far.test}]"},
		{"MX", "twice.test", "[{20 m2.far.test} {10 m1.far.test}]"},
		{"MX", "ahost.test", "[]"},
		{"MX", "null.test", "[{0 }]"},
		{"MX", "m1.far.test", "not found"}, // exists, has no MX
		{"MX", "nx.test", "not found"},
		{"MX", "dangling.test", "not found"},
		{"MX", "loop.test", "[]"},
		{"MX", "servfail.test", "temporary"},
		{"MX", "formerr.test", "temporary"},
		{"MX", "notimp.test", "temporary"},
		{"MX", "refused.test", "temporary"},
		{"MX", "yxdomain.test", "temporary"},
		{"MX", "silent.test", "temporary"},
		{"A", "m1.far.test", "[127.0.0.2 127.0.0.3]"},
		{"A", "ahost.test", "[127.0.0.2 127.0.0.3]"},
		{"A", "far.test", "not found"},
		{"AAAA", "m1.far.test", "[2001:db8::1]"},
		{"AAAA", "far.test", "not found"},
		{"TXT", "text.test", "[see there]"},
		{"PTR", "1.2.3.4", "host.far.test"},
		{"PTR", "::ffff:1.2.3.4", "host.far.test"},
		{"PTR", "1.2.3.5", `a\040b\072c\351\012.test`},
		{"PTR", "1.2.3.6", "classless.test"},
		{"PTR", "1.2.3.7", "not found"},
		{"PTR", "2001:db8::1", "six.test"},
		{"A", "", "not found"},
		{"A", ".", "not found"},
		{"A", "a..test", "not found"},
		{"A", strings.Repeat("a", 64) + ".test", "not found"},
		{"A", strings.Repeat("a.", 127) + "x", "not found"},
	}
	for _, tt := range tests {
		if got := lookups[tt.kind](New(quick(s)), tt.name); got != tt.want {
			t.Errorf("%s(%q) = %s, want %s", tt.kind, tt.name, got, tt.want)
		}
	}
}

// Several servers: which are asked, and what becomes of the look-up.
func TestServers(t *testing.T) {
	good := testkit.StartDNS(t, "127.0.0.1", 0, testkit.DNSZone{"x.test A": "127.0.0.9"})
	refusing := testkit.StartDNS(t, "127.0.0.1", 0, testkit.DNSZone{"x.test A": "!5"})
	silent := testkit.StartDNS(t, "127.0.0.1", 0, testkit.DNSZone{"x.test A": "!DROP"})
	denying := testkit.StartDNS(t, "127.0.0.1", 0, nil)
	all := []*testkit.DNSServer{good, refusing, silent, denying}
	tests := []struct {
		name    string
		servers []*testkit.DNSServer
		want    string
		asked   []int // of good, refusing, silent, denying, in two look-ups
	}{
		{"the first answers", []*testkit.DNSServer{good, refusing}, "[127.0.0.9]", []int{2, 0, 0, 0}},
		{"the second answers, and is asked first then", []*testkit.DNSServer{refusing, good}, "[127.0.0.9]", []int{2, 1, 0, 0}},
		{"after silence", []*testkit.DNSServer{silent, good}, "[127.0.0.9]", []int{2, 0, 1, 0}},
		{"that it does not exist is an answer", []*testkit.DNSServer{denying, good}, "not found", []int{0, 0, 0, 2}},
		{"a refusal is not asked for twice", []*testkit.DNSServer{refusing}, "temporary", []int{0, 2, 0, 0}},
		{"none", nil, "temporary", []int{0, 0, 0, 0}},
	}
	for _, tt := range tests {
		for _, s := range all {
			s.Queries()
		}
		r := New(quick(tt.servers...))
		for range 2 {
			if got := lookups["A"](r, "x.test"); got != tt.want {
				t.Errorf("%s: A = %s, want %s", tt.name, got, tt.want)
			}
		}
		for i, s := range all {
			if got := len(s.Queries()); got != tt.asked[i] {
				t.Errorf("%s: server %d was asked %d times, want %d", tt.name, i, got, tt.asked[i])
			}
		}
	}
}

// Nobody listens: the refusal is heard at once.
func TestNoServer(t *testing.T) {
	s := testkit.StartDNS(t, "127.0.0.1", 0, nil)
	c := Config{Servers: []netip.AddrPort{netip.AddrPortFrom(s.Addr().Addr(), 9)}, Timeout: time.Minute, Attempts: 3}
	start := time.Now()
	if got := lookups["A"](New(c), "x.test"); got != "temporary" {
		t.Errorf("A = %s, want temporary", got)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}

// Answers over a datagram's size come by TCP, up to what a message can hold.
func TestTruncated(t *testing.T) {
	records := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf("%d m%d.big.test", i, i)
		}
		return strings.Join(list, ", ")
	}
	s := testkit.StartDNS(t, "127.0.0.1", 0, testkit.DNSZone{
		"small.test MX": records(10),
		"big.test MX":   records(41),
		"huge.test MX":  records(2000),
	})
	tests := []struct {
		name    string
		records int
		queries []string
		tcp     bool
	}{
		{"small.test", 10, []string{"small.test MX"}, false},
		{"big.test", 41, []string{"big.test MX"}, false}, // EDNS is enough
		{"huge.test", 2000, []string{"huge.test MX", "huge.test MX tcp"}, false},
		{"big.test", 41, []string{"big.test MX tcp"}, true},
	}
	for _, tt := range tests {
		c := quick(s)
		c.TCP, c.Timeout = tt.tcp, 5*time.Second
		mx, err := New(c).MX(tt.name)
		if err != nil || len(mx) != tt.records {
			t.Errorf("MX(%s) = %d records, %v, want %d", tt.name, len(mx), err, tt.records)
		}
		if q := s.Queries(); !slices.Equal(q, tt.queries) {
			t.Errorf("MX(%s) asked %v, want %v", tt.name, q, tt.queries)
		}
	}
}

// A server that sends more than the query offers, and not truncated, is heard.
func TestLargeDatagram(t *testing.T) {
	list := make([]string, 900)
	for i := range list {
		list[i] = fmt.Sprintf("10.0.%d.%d", i/256, i%256)
	}
	s := testkit.StartDNS(t, "127.0.0.1", 0, testkit.DNSZone{"x.test A": "10.1.1.1", "y.test A": strings.Join(list, ", ")})
	var whole []byte
	s.Mangle(func(query, answer []byte, tcp bool) [][]byte {
		if tcp {
			whole = answer
		}
		if whole == nil {
			return [][]byte{answer}
		}
		m := slices.Clone(whole)
		copy(m, query[:2])
		return [][]byte{m}
	})
	r := New(quick(s))
	for i := range 2 { // by TCP, then what came so by UDP
		if a, err := r.A("y.test"); len(a) != len(list) || err != nil {
			t.Errorf("look-up %d: %d addresses, %v", i, len(a), err)
		}
	}
	if q := s.Queries(); !slices.Equal(q, []string{"y.test A", "y.test A tcp", "y.test A"}) {
		t.Errorf("queries %q", q)
	}
}

// What hostile or broken servers send; none of it may be believed.
func TestHostileAnswers(t *testing.T) {
	patch := func(at int, b ...byte) func([]byte) []byte {
		return func(m []byte) []byte { m = slices.Clone(m); copy(m[at:], b); return m }
	}
	tests := []struct {
		name string
		then bool // the true answer follows
		do   func(answer []byte) []byte
		want string
	}{
		{"true", false, func(m []byte) []byte { return m }, "[127.0.0.9]"},
		{"wrong id", false, patch(0, 0, 0), "temporary"},
		{"wrong id, then true", true, func(m []byte) []byte { m = slices.Clone(m); m[0]++; return m }, "[127.0.0.9]"},
		{"a query", true, patch(2, 0), "[127.0.0.9]"},
		{"another name", true, patch(13, 'y'), "[127.0.0.9]"},
		{"name in other case", false, patch(13, 'X'), "[127.0.0.9]"},
		{"another type", true, patch(21, 28), "[127.0.0.9]"},
		{"another class", true, patch(23, 3), "[127.0.0.9]"},
		{"no question", true, patch(4, 0, 0), "[127.0.0.9]"},
		{"two questions", true, patch(4, 0, 2), "[127.0.0.9]"},
		{"empty datagram", true, func([]byte) []byte { return nil }, "[127.0.0.9]"},
		{"short", true, func(m []byte) []byte { return m[:11] }, "[127.0.0.9]"},
		{"cut in the record", false, func(m []byte) []byte { return m[:len(m)-2] }, "temporary"},
		{"more records than there are", false, patch(6, 0xff, 0xff), "temporary"},
		{"fewer records than there are", false, patch(6, 0, 0), "not found"},
		{"owner is a pointer to itself", false, patch(24, 0xc0, 24), "temporary"},
		{"wrong length of an address", false, patch(24+2+8, 0, 3), "temporary"},
		{"referral", false, func(m []byte) []byte {
			m = slices.Clone(m)
			binary.BigEndian.PutUint16(m[2:], 0x8000)
			m[7] = 0
			return m
		}, "temporary"},
		{"nothing, and a broken end", false, func(m []byte) []byte {
			m = slices.Clone(m)
			m[7], m[9] = 0, 9
			return m
		}, "temporary"},
		{"EDNS version not known", false, func(m []byte) []byte {
			m = slices.Clone(m[:24])
			m[7], m[11] = 0, 1
			return append(m, 0, 0, 41, 4, 0, 1, 0, 0, 0, 0, 0)
		}, "temporary"},
		{"truncated by TCP too", false, patch(2, 0x82), "temporary"},
	}
	for _, tt := range tests {
		s := testkit.StartDNS(t, "127.0.0.1", 0, testkit.DNSZone{"x.test A": "127.0.0.9"})
		s.Mangle(func(_, answer []byte, tcp bool) [][]byte {
			m := [][]byte{tt.do(answer)}
			if tt.then {
				m = append(m, answer)
			}
			return m
		})
		if got := lookups["A"](New(quick(s)), "x.test"); got != tt.want {
			t.Errorf("%s: A = %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Servers that do not understand EDNS, or are deaf for it, are asked without.
func TestNoEDNS(t *testing.T) {
	for _, how := range []string{"FORMERR", "header only", "SERVFAIL", "NOTIMP", "BADVERS", "rubbish", "silence", "silence, one attempt"} {
		s := testkit.StartDNS(t, "127.0.0.1", 0, testkit.DNSZone{"x.test A": "127.0.0.9"})
		s.Mangle(func(query, answer []byte, _ bool) [][]byte {
			if query[11] == 0 { // no additional record
				return [][]byte{answer}
			}
			m := slices.Clone(answer[:24])
			m[7] = 0
			switch how {
			case "FORMERR":
				m[3], m[5] = m[3]|1, 0
				m = m[:12] // no question repeated
			case "header only": // with the counts of the query
				m[3] |= 1
				copy(m[4:], query[4:12])
				m = m[:12]
			case "SERVFAIL":
				m[3] |= 2
			case "NOTIMP":
				m[3] |= 4
			case "rubbish":
				m[7] = 9
			case "BADVERS":
				m[11] = 1
				m = append(m, 0, 0, 41, 4, 0, 1, 0, 0, 0, 0, 0)
			default:
				return nil
			}
			return [][]byte{m}
		})
		c := quick(s)
		switch how {
		case "silence":
		case "silence, one attempt":
			c.Attempts = 1
		default:
			c.Timeout = 30 * time.Second // nothing is waited for
		}
		r, start := New(c), time.Now()
		for range 3 {
			if got := lookups["A"](r, "x.test"); got != "[127.0.0.9]" {
				t.Errorf("%s: A = %s", how, got)
			}
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("%s: took %v", how, d)
		}
		// Only the first look-up may find it out.
		if n := len(s.Queries()); n > 4 {
			t.Errorf("%s: %d queries for 3 look-ups", how, n)
		}
	}
}

// A broken record among good ones does not spoil them.
func TestMalformedRecord(t *testing.T) {
	q := dnsmessage.Question{Name: dnsmessage.MustNewName("x.test."), Type: dnsmessage.TypeMX, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, Response: true, RecursionAvailable: true}, Questions: []dnsmessage.Question{q}}
	for _, h := range []string{"bad.test.", "good.test."} {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class},
			Body:   &dnsmessage.MXResource{Pref: 1, MX: dnsmessage.MustNewName(h)},
		})
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	b[slices.Index(b, 'b')] = '.' // a dot inside a label
	a, err := decode(b, 7, q)
	if err != nil || a.malformed != 1 || !slices.Equal(a.mx, []MX{{1, "good.test"}}) {
		t.Errorf("decode = %+v, %v", a, err)
	}
}

// Silence costs a bounded time, many names a bounded number of look-ups.
func TestBudget(t *testing.T) {
	clock := time.Unix(1e9, 0)
	start, asked := clock, 0
	r := New(Config{Servers: make([]netip.AddrPort, 3), Timeout: 30 * time.Second, Attempts: 5})
	r.now = func() time.Time { return clock }
	r.exchange = func(_ netip.AddrPort, _, _ []byte, limit time.Duration, _ func([]byte) bool) (int, error) {
		asked++
		clock = clock.Add(limit)
		return 0, sys.ErrTimeout
	}
	for range 2000 {
		if got := lookups["A"](r, "x.test"); got != "temporary" {
			t.Fatalf("A = %s", got)
		}
	}
	if d := clock.Sub(start); d > MaxTime+time.Second {
		t.Errorf("silence took %v, want at most %v", d, MaxTime)
	}
	s := testkit.StartDNS(t, "127.0.0.1", 0, testkit.DNSZone{"x.test A": "127.0.0.9"})
	r, asked = New(quick(s)), 0
	for range 2000 {
		_, err := r.A("x.test")
		if asked++; (err == nil) != (asked <= MaxLookups) {
			t.Fatalf("look-up %d: %v", asked, err)
		}
	}
	if n := len(s.Queries()); n != MaxLookups {
		t.Errorf("%d queries, want %d", n, MaxLookups)
	}
}

// The rounds of a look-up: how long each server gets.
func TestPatience(t *testing.T) {
	tests := []struct {
		servers, attempts int
		timeout           time.Duration
		want              []time.Duration
	}{
		{1, 2, 5 * time.Second, []time.Duration{5 * time.Second, 10 * time.Second}},
		{2, 2, 5 * time.Second, []time.Duration{5 * time.Second, 5 * time.Second, 5 * time.Second, 5 * time.Second}},
		{3, 2, time.Second, []time.Duration{time.Second, time.Second, time.Second, time.Second, time.Second, time.Second}},
		{1, 1, 3 * time.Second, []time.Duration{3 * time.Second}},
	}
	for _, tt := range tests {
		var got []time.Duration
		clock := time.Unix(1e9, 0)
		r := New(Config{Servers: make([]netip.AddrPort, tt.servers), Timeout: tt.timeout, Attempts: tt.attempts})
		r.now = func() time.Time { return clock }
		r.exchange = func(_ netip.AddrPort, _, _ []byte, limit time.Duration, _ func([]byte) bool) (int, error) {
			got = append(got, limit)
			clock = clock.Add(limit)
			return 0, sys.ErrTimeout
		}
		_, err := r.A("x.test")
		if !errors.Is(err, ErrTemporary) || !slices.Equal(got, tt.want) {
			t.Errorf("%d servers, %d attempts of %v: waited %v, %v, want %v", tt.servers, tt.attempts, tt.timeout, got, err, tt.want)
		}
	}
}

func TestParseConfig(t *testing.T) {
	server := func(ips ...string) (s []netip.AddrPort) {
		for _, ip := range ips {
			s = append(s, netip.AddrPortFrom(netip.MustParseAddr(ip), Port))
		}
		return s
	}
	tests := []struct {
		text string
		want Config
	}{
		{"", Config{server("127.0.0.1"), 5 * time.Second, 2, false, false, nil}},
		{"nameserver 192.0.2.1\n", Config{server("192.0.2.1"), 5 * time.Second, 2, false, false, nil}},
		{"nameserver 192.0.2.1\r\nnameserver\t2001:db8::1\n# nameserver 192.0.2.3\n; x\n#\nsearch a.test b.test\nnameserver junk\nnameserver",
			Config{server("192.0.2.1", "2001:db8::1"), 5 * time.Second, 2, false, false, []string{"a.test", "b.test"}}},
		{"search a.test\ndomain\tc.test\nsearch", Config{server("127.0.0.1"), 5 * time.Second, 2, false, false, []string{"c.test"}}},
		{"nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\nnameserver 1.1.1.4\n",
			Config{server("1.1.1.1", "1.1.1.2", "1.1.1.3"), 5 * time.Second, 2, false, false, nil}},
		{"nameserver fe80::1%7\nnameserver fe80::1%nosuchif\noptions timeout:1 attempts:3 rotate\noptions use-vc ndots:3",
			Config{server("fe80::1%7"), time.Second, 3, true, true, nil}},
		{"options timeout:99 attempts:99", Config{server("127.0.0.1"), 30 * time.Second, 5, false, false, nil}},
		{"options timeout:0 attempts:0", Config{server("127.0.0.1"), time.Second, 1, false, false, nil}},
		{"options timeout:x attempts:", Config{server("127.0.0.1"), 5 * time.Second, 2, false, false, nil}},
	}
	for _, tt := range tests {
		if got := ParseConfig(tt.text); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("ParseConfig(%q) = %+v, want %+v", tt.text, got, tt.want)
		}
	}
}

func TestComplete(t *testing.T) {
	tests := []struct{ host, local, want string }{
		{"mail", "", "[mail.a.test mail.b.test mail]"},
		{"mail", " c.test\td.test ", "[mail.c.test mail.d.test mail]"},
		{"mail.", "c.test", "[mail.]"},
		{"mail.x", "", "[mail.x]"},
	}
	r := New(ParseConfig("search a.test b.test\n"))
	for _, tt := range tests {
		if got := fmt.Sprint(r.Complete(tt.host, tt.local)); got != tt.want {
			t.Errorf("Complete(%q, %q) = %s, want %s", tt.host, tt.local, got, tt.want)
		}
	}
}

func TestParseCacheIP(t *testing.T) {
	tests := []struct{ value, want string }{
		{"", "[]"},
		{"127.0.0.9", "[127.0.0.9:53]"},
		{"127.0.0.9.127.0.0.10", "[127.0.0.9:53 127.0.0.10:53]"},
		{"127.0.0.9, 127.0.0.10", "[127.0.0.9:53 127.0.0.10:53]"},
		{"::1", "[[::1]:53]"},
		{"junk", "[]"},
		{"1.2.3", "[]"},
		{"1.2.3.4.300.1.1.1", "[1.2.3.4:53]"},
	}
	for _, tt := range tests {
		if got := fmt.Sprint(ParseCacheIP(tt.value)); got != tt.want {
			t.Errorf("ParseCacheIP(%q) = %s, want %s", tt.value, got, tt.want)
		}
	}
}

func TestReverseName(t *testing.T) {
	tests := []struct{ ip, want string }{
		{"1.2.3.4", "4.3.2.1.in-addr.arpa"},
		{"::ffff:255.0.1.10", "10.1.0.255.in-addr.arpa"},
		{"2001:db8::567:89ab", "b.a.9.8.7.6.5.0" + strings.Repeat(".0", 16) + ".8.b.d.0.1.0.0.2.ip6.arpa"},
	}
	for _, tt := range tests {
		if got := ReverseName(netip.MustParseAddr(tt.ip)); got != tt.want {
			t.Errorf("ReverseName(%s) = %s, want %s", tt.ip, got, tt.want)
		}
	}
}

// FuzzDecode: what decodes can be written as a message again that decodes to
// the same records.
func FuzzDecode(f *testing.F) {
	types := []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeMX, dnsmessage.TypePTR, dnsmessage.TypeTXT}
	const id = 0x1234
	question := func(k byte) dnsmessage.Question {
		return dnsmessage.Question{Name: dnsmessage.MustNewName("x.test."), Type: types[int(k)%len(types)], Class: dnsmessage.ClassINET}
	}
	for k := range types {
		q := question(byte(k))
		m := dnsmessage.Message{Header: dnsmessage.Header{ID: id, Response: true, RecursionAvailable: true}, Questions: []dnsmessage.Question{q}}
		for _, body := range []dnsmessage.ResourceBody{
			&dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("y.test.")}, &dnsmessage.AResource{A: [4]byte{1, 2, 3, 4}},
			&dnsmessage.AAAAResource{}, &dnsmessage.MXResource{Pref: 7, MX: q.Name}, &dnsmessage.MXResource{MX: dnsmessage.MustNewName(".")},
			&dnsmessage.PTRResource{PTR: q.Name}, &dnsmessage.TXTResource{TXT: []string{"a", "b"}},
		} {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: body})
		}
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(k), b)
		f.Add(byte(k), b[:len(b)-1])
	}
	f.Fuzz(func(t *testing.T, k byte, msg []byte) {
		q := question(k)
		a, err := decode(msg, id, q)
		if err != nil || a.truncated {
			return
		}
		m := dnsmessage.Message{
			Header:    dnsmessage.Header{ID: id, Response: true, RecursionAvailable: true, RCode: a.rcode & 15},
			Questions: []dnsmessage.Question{q},
		}
		add := func(body dnsmessage.ResourceBody) {
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: body})
		}
		for _, v := range a.addrs {
			if v.Is4() {
				add(&dnsmessage.AResource{A: v.As4()})
			} else {
				add(&dnsmessage.AAAAResource{AAAA: v.As16()})
			}
		}
		for _, v := range a.mx {
			n, err := dnsmessage.NewName(v.Host + ".")
			if err != nil {
				t.Fatalf("decode gave the exchanger %q: %v", v.Host, err)
			}
			add(&dnsmessage.MXResource{Pref: v.Pref, MX: n})
		}
		for _, v := range a.names {
			n, err := dnsmessage.NewName(v)
			if err != nil {
				t.Fatalf("decode gave the name %q: %v", v, err)
			}
			add(&dnsmessage.PTRResource{PTR: n})
		}
		for _, v := range a.texts {
			var parts []string
			for ; len(v) > 255; v = v[255:] {
				parts = append(parts, v[:255])
			}
			add(&dnsmessage.TXTResource{TXT: append(parts, v)})
		}
		b, err := m.Pack()
		if err != nil {
			t.Fatalf("records %+v cannot be written: %v", a, err)
		}
		again, err := decode(b, id, q)
		if err != nil || !reflect.DeepEqual(a.addrs, again.addrs) || !reflect.DeepEqual(a.mx, again.mx) ||
			!reflect.DeepEqual(a.names, again.names) || !reflect.DeepEqual(a.texts, again.texts) {
			t.Errorf("decode = %+v, written and decoded again %+v, %v", a, again, err)
		}
	})
}
