package dns

import (
	"errors"
	"net/netip"

	"golang.org/x/net/dns/dnsmessage"

	"goqmail/internal/address"
)

// Sizes of messages in bytes.
const (
	headerSize = 12
	plainSize  = 512   // largest answer by UDP without EDNS (RFC 1035, 4.2.1)
	ednsSize   = 1232  // what we offer by EDNS: fits unfragmented everywhere
	tcpSize    = 65535 // largest answer by TCP; some servers send as much by UDP, unasked
)

// An MX is a mail exchanger of a domain. Host has no final dot; it is empty
// for the root, which means that the domain takes no mail (RFC 7505).
type MX struct {
	Pref uint16
	Host string
}

// An answer holds what a server said. Of the record slices only the one of the
// question's type is filled.
type answer struct {
	rcode     dnsmessage.RCode
	truncated bool // there is more by TCP
	referral  bool // the server names others instead of finding out: no resolver
	records   int  // in the answer section, of any type
	malformed int  // of the question's type, but broken

	addrs []netip.Addr // A, AAAA
	mx    []MX
	names []string // PTR, with final dot
	texts []string // TXT, the strings of a record joined
}

var (
	errStray  = errors.New("not the answer to this question")
	errFormat = errors.New("malformed DNS message")
)

// name makes a DNS name of a host name as mail has it, with or without final
// dot. ok is false for what no DNS name can be: empty, too long, an empty or
// overlong label.
func name(host string) (n dnsmessage.Name, ok bool) {
	if host != "" && host[len(host)-1] == '.' {
		host = host[:len(host)-1]
	}
	if host == "" || len(host) > 253 {
		return n, false
	}
	label := 0
	for i := 0; i <= len(host); i++ {
		if i < len(host) && host[i] != '.' {
			label++
			continue
		}
		if label == 0 || label > 63 {
			return n, false
		}
		label = 0
	}
	n, err := dnsmessage.NewName(host + ".")
	return n, err == nil
}

// encode is the query for q: recursion desired, with EDNS unless plain.
func encode(id uint16, q dnsmessage.Question, plain bool) ([]byte, error) {
	b := dnsmessage.NewBuilder(make([]byte, 0, plainSize), dnsmessage.Header{ID: id, RecursionDesired: true})
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	if err := b.Question(q); err != nil {
		return nil, err
	}
	if !plain {
		var h dnsmessage.ResourceHeader
		if err := h.SetEDNS0(ednsSize, 0, false); err != nil {
			return nil, err
		}
		if err := b.StartAdditionals(); err != nil {
			return nil, err
		}
		if err := b.OPTResource(h, dnsmessage.OPTResource{}); err != nil {
			return nil, err
		}
	}
	return b.Finish()
}

// decode reads the answer to q with the number id. errStray: it answers
// something else, so the right one may still come. errFormat: it is broken.
//
// Records of the question's type count whatever their owner: the server has
// followed the aliases, whose CNAME records stand before them.
func decode(msg []byte, id uint16, q dnsmessage.Question) (a answer, err error) {
	var p dnsmessage.Parser
	h, err := p.Start(msg)
	if err != nil || h.ID != id || !h.Response || h.OpCode != 0 {
		return a, errStray
	}
	a.rcode, a.truncated = h.RCode, h.Truncated
	got, err := p.Question()
	alone := err == dnsmessage.ErrSectionDone || len(msg) == headerSize
	if alone && h.RCode != dnsmessage.RCodeSuccess && h.RCode != dnsmessage.RCodeNameError {
		return a, nil // some servers refuse without repeating the question
	}
	if err != nil || got.Type != q.Type || got.Class != q.Class || !address.EqualFold(got.Name.String(), q.Name.String()) {
		return a, errStray
	}
	if a.truncated {
		return a, nil
	}
	if _, err := p.Question(); err != dnsmessage.ErrSectionDone {
		return a, errStray
	}
	for {
		rh, err := p.AnswerHeader()
		if err == dnsmessage.ErrSectionDone {
			break
		}
		if err != nil {
			return a, errFormat
		}
		a.records++
		if rh.Type == q.Type && rh.Class == q.Class && a.add(&p, rh) {
			continue
		}
		if err := p.SkipAnswer(); err != nil {
			return a, errFormat
		}
	}
	if a.records > 0 {
		return a, nil
	}
	// A claim that there is nothing makes mail bounce: it must be well formed.
	if a.rcode, err = extendedRCode(&p, a.rcode); err != nil {
		return a, errFormat
	}
	a.referral = a.rcode == dnsmessage.RCodeSuccess && !h.RecursionAvailable && !h.Authoritative
	return a, nil
}

// extendedRCode reads on to the end of the message and returns the response
// code with the upper bits of the OPT record, if there is one (RFC 6891,
// 6.1.3): the lower four bits of "EDNS version not supported" are those of
// success.
func extendedRCode(p *dnsmessage.Parser, rcode dnsmessage.RCode) (dnsmessage.RCode, error) {
	if err := p.SkipAllAuthorities(); err != nil {
		return rcode, err
	}
	for {
		h, err := p.AdditionalHeader()
		if err == dnsmessage.ErrSectionDone {
			return rcode, nil
		}
		if err != nil {
			return rcode, err
		}
		if h.Type == dnsmessage.TypeOPT {
			rcode = dnsmessage.RCode(h.TTL>>24<<4) | rcode&15
		}
		if err := p.SkipAdditional(); err != nil {
			return rcode, err
		}
	}
}

// add takes the record at which p stands; false: it is broken, p still stands
// there.
func (a *answer) add(p *dnsmessage.Parser, h dnsmessage.ResourceHeader) bool {
	err := errFormat
	switch h.Type {
	case dnsmessage.TypeA:
		var r dnsmessage.AResource
		if h.Length != 4 {
			break
		}
		if r, err = p.AResource(); err == nil {
			a.addrs = append(a.addrs, netip.AddrFrom4(r.A))
		}
	case dnsmessage.TypeAAAA:
		var r dnsmessage.AAAAResource
		if h.Length != 16 {
			break
		}
		if r, err = p.AAAAResource(); err == nil {
			a.addrs = append(a.addrs, netip.AddrFrom16(r.AAAA))
		}
	case dnsmessage.TypeMX:
		var r dnsmessage.MXResource
		if r, err = p.MXResource(); err == nil {
			host := r.MX.String()
			a.mx = append(a.mx, MX{r.Pref, host[:len(host)-1]})
		}
	case dnsmessage.TypePTR:
		var r dnsmessage.PTRResource
		if r, err = p.PTRResource(); err == nil {
			a.names = append(a.names, r.PTR.String())
		}
	case dnsmessage.TypeTXT:
		var r dnsmessage.TXTResource
		if r, err = p.TXTResource(); err == nil {
			text := ""
			for _, s := range r.TXT {
				text += s
			}
			a.texts = append(a.texts, text)
		}
	}
	if err != nil {
		a.malformed++
	}
	return err == nil
}
