// Package dns is the suite's only resolver: a stub that asks the resolvers of
// /etc/resolv.conf. It knows MX, A, AAAA, PTR and TXT; it does not search
// domains, cache, or follow aliases (the resolvers do that).
//
// Only two answers are permanent: the name does not exist, and it has no such
// record (ErrNotFound). Everything else, a refusal, a broken message, silence,
// an exhausted budget, is ErrTemporary: mail waits. Answers come from strangers,
// so a Resolver spends a bounded number of look-ups and a bounded time.
// Spec: spec/remote.md section 3; RFC 1035, 6891, 7505, 7766.
package dns

import (
	"errors"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
)

// The two ways in which a look-up fails.
var (
	ErrNotFound  = errors.New("no such name or record") // permanent
	ErrTemporary = errors.New("no usable answer")       // anything else
)

// What one Resolver spends at most. A domain with more exchangers than that has
// the rest of them counted as temporarily unknown.
const (
	MaxLookups = 200
	MaxTime    = 2 * time.Minute
)

// minTimeout is the least time a server gets in a later round.
const minTimeout = time.Second

// A Resolver asks questions for one delivery or one connection. It is not for
// use by several goroutines.
type Resolver struct {
	config  Config
	first   int       // index of the server to ask first: the last that answered
	plain   bool      // ask without EDNS: a server did not understand it
	lookups int       // so far
	end     time.Time // when MaxTime is over; zero before the first look-up

	// Seams for tests.
	now      func() time.Time
	exchange func(server netip.AddrPort, query, buf []byte, limit time.Duration, accept func([]byte) bool) (int, error)
}

// New makes a Resolver with a configuration; see System for the usual one.
//
// Where each server is asked only once, EDNS is left alone: nothing would be
// left for servers that are deaf for it.
func New(c Config) *Resolver {
	r := &Resolver{config: c, plain: c.Attempts < 2, now: sys.Now, exchange: sock.Exchange}
	if c.Rotate && len(c.Servers) > 1 {
		if v, err := sock.Random(); err == nil {
			r.first = int(v % uint64(len(c.Servers)))
		}
	}
	return r
}

// lookup asks for the records of a host. Without error the answer has records,
// though perhaps none of the type: an alias that leads nowhere.
func (r *Resolver) lookup(host string, t dnsmessage.Type) (answer, error) {
	n, ok := name(host)
	if !ok {
		return answer{}, ErrNotFound // no such name can exist
	}
	if r.end.IsZero() {
		r.end = r.now().Add(MaxTime)
	}
	r.lookups++
	if r.lookups > MaxLookups {
		return answer{}, ErrTemporary
	}
	a, err := r.ask(dnsmessage.Question{Name: n, Type: t, Class: dnsmessage.ClassINET})
	switch {
	case err != nil:
		return answer{}, ErrTemporary
	case a.rcode == dnsmessage.RCodeNameError, a.records == 0:
		return answer{}, ErrNotFound
	case a.malformed > 0 && len(a.addrs)+len(a.mx)+len(a.names)+len(a.texts) == 0:
		return answer{}, ErrTemporary
	}
	return a, nil
}

// ask puts q to the servers in turn, in as many rounds as the configuration
// has, until one gives an answer that counts. A server that fails in words is
// not asked again; one that is silent is asked again, the second time without
// EDNS, for which some are deaf.
func (r *Resolver) ask(q dnsmessage.Question) (answer, error) {
	servers := r.config.Servers
	failed := make([]bool, len(servers))
	for round := range r.config.Attempts {
		for k := range servers {
			i := (r.first + k) % len(servers)
			if failed[i] {
				continue
			}
			limit := r.config.Timeout
			if round > 0 {
				limit = max(minTimeout, limit<<round/time.Duration(len(servers)))
			}
			end := r.now().Add(limit)
			if end.After(r.end) {
				end = r.end
			}
			if !r.now().Before(end) {
				return answer{}, ErrTemporary
			}
			a, err := r.askServer(servers[i], q, end, r.plain || round > 0)
			if err == nil && usable(a) {
				r.first = i
				r.plain = r.plain || round > 0 // who was silent may be deaf: do not wait again
				return a, nil
			}
			failed[i] = err == nil || !sys.IsTimeout(err)
		}
	}
	return answer{}, ErrTemporary
}

// usable tells whether the server did its work.
func usable(a answer) bool {
	return a.rcode == dnsmessage.RCodeNameError || a.rcode == dnsmessage.RCodeSuccess && !a.referral
}

// badVersion is the response code for EDNS of an unknown version (RFC 6891, 9).
const badVersion = 16

// askServer asks one server, by TCP if the answer does not fit a datagram, and
// once more without EDNS if the server may not have understood that.
func (r *Resolver) askServer(server netip.AddrPort, q dnsmessage.Question, end time.Time, plain bool) (answer, error) {
	a, err := r.askOnce(server, q, end, plain)
	if plain || !mayBeEDNS(a, err) {
		return a, err
	}
	a, err = r.askOnce(server, q, end, true)
	if err == nil && usable(a) {
		r.plain = true
	}
	return a, err
}

// mayBeEDNS tells whether a server failed in a way in which some fail that do
// not know EDNS: besides the codes meant for it (RFC 6891, 7) server failure
// and an answer that cannot be read.
func mayBeEDNS(a answer, err error) bool {
	if err != nil {
		return err == errFormat
	}
	switch a.rcode {
	case dnsmessage.RCodeFormatError, dnsmessage.RCodeServerFailure, dnsmessage.RCodeNotImplemented, badVersion:
		return true
	}
	return false
}

// askOnce sends one query and waits for its answer until end.
func (r *Resolver) askOnce(server netip.AddrPort, q dnsmessage.Question, end time.Time, plain bool) (answer, error) {
	random, err := sock.Random()
	if err != nil {
		return answer{}, err
	}
	id := uint16(random)
	query, err := encode(id, q, plain)
	if err != nil {
		return answer{}, err
	}
	if !r.config.TCP {
		var a answer
		var bad error
		_, err = r.exchange(server, query, make([]byte, tcpSize), r.left(end), func(msg []byte) bool {
			a, bad = decode(msg, id, q)
			return bad != errStray
		})
		if err == nil {
			err = bad
		}
		if err != nil || !a.truncated {
			return a, err
		}
	}
	return r.askTCP(server, query, id, q, end)
}

// askTCP asks over a connection of its own. (RFC 7766)
func (r *Resolver) askTCP(server netip.AddrPort, query []byte, id uint16, q dnsmessage.Question, end time.Time) (answer, error) {
	c, err := sock.Dial(server, netip.Addr{}, r.left(end))
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = c.Close() }() // nothing more to say
	c.Limit = r.left(end)
	msg := append([]byte{byte(len(query) >> 8), byte(len(query))}, query...)
	if _, err := c.Write(msg); err != nil {
		return answer{}, err
	}
	var head [2]byte
	if err := r.readFull(c, head[:], end); err != nil {
		return answer{}, err
	}
	msg = make([]byte, int(head[0])<<8|int(head[1]))
	if err := r.readFull(c, msg, end); err != nil {
		return answer{}, err
	}
	a, err := decode(msg, id, q)
	if err == nil && a.truncated {
		err = errFormat // by TCP everything fits
	}
	return a, err
}

// readFull fills b before end.
func (r *Resolver) readFull(c *sock.Conn, b []byte, end time.Time) error {
	for len(b) > 0 {
		c.Limit = r.left(end)
		n, err := c.Read(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// left is the time until end, never zero, which would mean no limit.
func (r *Resolver) left(end time.Time) time.Duration {
	return max(end.Sub(r.now()), time.Millisecond)
}
