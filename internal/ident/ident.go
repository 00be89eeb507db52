// Package ident asks a peer's ident server who opened a connection (RFC 1413).
// The answer is the peer's claim, of use to the peer's administrator only.
// Spec: spec/smtpd.md A8, spec/ucspi.md section 1.
package ident

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"goqmail/internal/sys/sock"
)

// Port is where ident servers listen.
const Port = 113

// Limits in bytes.
const (
	InfoMax  = 998  // of what is kept
	replyMax = 4096 // of the reply's line
)

// Ask asks the server at the remote address of a connection whose sides are
// given, from the local address. What follows a NUL in it is dropped, as no
// environment can hold one. ok is false when there is no server, no whole
// answer within limit, or limit is not above zero.
func Ask(local, remote netip.AddrPort, limit time.Duration) (info string, ok bool) {
	return ask(local, remote, Port, limit)
}

func ask(local, remote netip.AddrPort, port uint16, limit time.Duration) (info string, ok bool) {
	if limit <= 0 {
		return "", false
	}
	end := time.Now().Add(limit)
	c, err := sock.Dial(netip.AddrPortFrom(remote.Addr().Unmap(), port), local.Addr().Unmap(), limit)
	if err != nil {
		return "", false
	}
	defer func() { _ = c.Close() }() // nothing more to say
	query := strconv.Itoa(int(remote.Port())) + " , " + strconv.Itoa(int(local.Port())) + "\r\n"
	if c.Limit = time.Until(end); c.Limit <= 0 {
		return "", false
	}
	if _, err := c.Write([]byte(query)); err != nil {
		return "", false
	}
	var d decoder
	var buf [256]byte
	for {
		if c.Limit = time.Until(end); c.Limit <= 0 {
			return "", false
		}
		n, err := c.Read(buf[:])
		if err != nil {
			return "", false
		}
		for _, b := range buf[:n] {
			if d.push(b) {
				info, _, _ = strings.Cut(string(d.info), "\x00")
				return info, !d.failed
			}
		}
	}
}

// A decoder reads the server's answer:
//
//	PORT , PORT : USERID : SYSTEM : INFO LF
//
// Blanks, tabs and CRs count nowhere, not even in INFO. INFO is what follows
// the third colon; a line with fewer (an error message) has the empty one. At
// InfoMax bytes the answer is taken as complete.
type decoder struct {
	colons int
	size   int
	info   []byte
	failed bool // the line has no end
}

// push takes the next byte; done says that the answer is complete or failed.
func (d *decoder) push(b byte) (done bool) {
	if d.size++; d.size > replyMax {
		d.failed = true
		return true
	}
	switch {
	case b == '\n':
		return true
	case b == ' ', b == '\t', b == '\r':
	case d.colons < 3:
		if b == ':' {
			d.colons++
		}
	default:
		d.info = append(d.info, b)
	}
	return len(d.info) >= InfoMax
}
