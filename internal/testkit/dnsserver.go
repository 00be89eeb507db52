package testkit

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// A DNSZone is what a DNSServer knows. A key is a name in lower case without
// final dot, a blank and a type ("far.test MX"); the value has the records,
// separated by ", " ("10 m1.far.test, 20 m2.far.test"). The types are A, AAAA,
// MX, CNAME, PTR and TXT. A name that has records has none of the other types;
// a name without any does not exist. A value of one word that begins with an
// exclamation mark is what happens instead:
//
//	!DROP      no answer
//	!NUMBER    an answer with that response code, 2 for SERVFAIL, 5 for REFUSED
type DNSZone map[string]string

// A DNSServer answers questions from a DNSZone, on a loopback address, by UDP
// and by TCP. Datagrams over 512 bytes, or over what the query offers, are
// truncated.
type DNSServer struct {
	udp net.PacketConn
	tcp net.Listener

	mu      sync.Mutex
	zone    DNSZone
	mangle  func(query, answer []byte, tcp bool) [][]byte
	queries []string
}

// StartDNS starts a server at ip, on a port that is free for UDP and TCP, or on
// the given one. It ends with the test.
func StartDNS(t testing.TB, ip string, port int, zone DNSZone) *DNSServer {
	t.Helper()
	s := &DNSServer{zone: DNSZone{}}
	for k, v := range zone {
		s.zone[k] = v
	}
	var err error
	for range 20 {
		if s.udp, err = net.ListenPacket("udp", net.JoinHostPort(ip, strconv.Itoa(port))); err != nil {
			continue
		}
		if s.tcp, err = net.Listen("tcp", s.udp.LocalAddr().String()); err == nil {
			break
		}
		s.udp.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Add(2)
	go func() { defer wg.Done(); s.serveUDP() }()
	go func() { defer wg.Done(); s.serveTCP() }()
	t.Cleanup(func() {
		s.udp.Close()
		s.tcp.Close()
		wg.Wait()
	})
	return s
}

// Addr is where the server listens.
func (s *DNSServer) Addr() netip.AddrPort {
	return s.udp.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Mangle makes f replace each answer from now on by what it returns, one
// datagram (or TCP message) each.
func (s *DNSServer) Mangle(f func(query, answer []byte, tcp bool) [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mangle = f
}

// Queries lists the questions since the last call, "far.test MX" each; those
// that came by TCP end in " tcp".
func (s *DNSServer) Queries() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queries
	s.queries = nil
	return q
}

func (s *DNSServer) serveUDP() {
	buf := make([]byte, 4096)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if err != nil {
			return
		}
		for _, m := range s.answers(buf[:n], false) {
			_, _ = s.udp.WriteTo(m, from) // the client may have gone
		}
	}
}

func (s *DNSServer) serveTCP() {
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		go s.converse(c)
	}
}

func (s *DNSServer) converse(c net.Conn) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		for _, m := range s.answers(query, true) {
			if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)); err != nil {
				return
			}
		}
	}
}

// answers is what to send for a query.
func (s *DNSServer) answers(query []byte, tcp bool) [][]byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	a, ok := s.answer(&m, tcp)
	if !ok {
		return nil
	}
	packed, err := a.Pack()
	if err != nil {
		return nil
	}
	limit := 512
	for _, r := range m.Additionals {
		if r.Header.Type == dnsmessage.TypeOPT {
			limit = int(r.Header.Class)
		}
	}
	if !tcp && len(packed) > limit {
		a.Truncated, a.Answers = true, nil
		if packed, err = a.Pack(); err != nil {
			return nil
		}
	}
	s.mu.Lock()
	mangle := s.mangle
	s.mu.Unlock()
	if mangle != nil {
		return mangle(query, packed, tcp)
	}
	return [][]byte{packed}
}

// answer makes the answer to a query; ok is false for silence.
func (s *DNSServer) answer(m *dnsmessage.Message, tcp bool) (a dnsmessage.Message, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := m.Questions[0]
	kind := strings.TrimPrefix(q.Type.String(), "Type")
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	note := name + " " + kind
	if tcp {
		note += " tcp"
	}
	s.queries = append(s.queries, note)
	a.Header = dnsmessage.Header{ID: m.ID, Response: true, RecursionDesired: m.RecursionDesired, RecursionAvailable: true}
	a.Questions = m.Questions
	for range 10 {
		if v := s.zone[name+" "+kind]; strings.HasPrefix(v, "!") {
			n, err := strconv.Atoi(v[1:])
			a.RCode = dnsmessage.RCode(n)
			return a, err == nil
		}
		target := s.zone[name+" CNAME"]
		if target == "" {
			break
		}
		a.Answers = append(a.Answers, record(name, "CNAME", target))
		name = target
	}
	if v := s.zone[name+" "+kind]; v != "" {
		for _, one := range strings.Split(v, ", ") {
			a.Answers = append(a.Answers, record(name, kind, one))
		}
		return a, true
	}
	if !s.exists(name) {
		a.RCode = dnsmessage.RCodeNameError
	}
	return a, true
}

// exists tells whether the zone has records for a name.
func (s *DNSServer) exists(name string) bool {
	for k := range s.zone {
		if strings.HasPrefix(k, name+" ") {
			return true
		}
	}
	return false
}

// record makes one resource record.
func record(name, kind, value string) dnsmessage.Resource {
	r := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsName(name), Class: dnsmessage.ClassINET, TTL: 60}}
	switch kind {
	case "A":
		r.Body = &dnsmessage.AResource{A: netip.MustParseAddr(value).As4()}
	case "AAAA":
		r.Body = &dnsmessage.AAAAResource{AAAA: netip.MustParseAddr(value).As16()}
	case "CNAME":
		r.Body = &dnsmessage.CNAMEResource{CNAME: dnsName(value)}
	case "PTR":
		r.Body = &dnsmessage.PTRResource{PTR: dnsName(value)}
	case "TXT":
		r.Body = &dnsmessage.TXTResource{TXT: []string{value}}
	case "MX":
		pref, host, _ := strings.Cut(value, " ")
		n, err := strconv.ParseUint(pref, 10, 16)
		if err != nil {
			panic("testkit: MX record " + value)
		}
		r.Body = &dnsmessage.MXResource{Pref: uint16(n), MX: dnsName(host)}
	default:
		panic("testkit: DNS record type " + kind)
	}
	return r
}

// dnsName adds the final dot to a name that has none.
func dnsName(s string) dnsmessage.Name {
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return dnsmessage.MustNewName(s)
}
