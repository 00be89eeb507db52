package remote

import (
	"net/netip"

	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
)

// connect opens a connection to the first target that takes one. Hosts that
// timed out lately are not tried. Once it stands, no other target is: what the
// server says is final for this run.
func (d *delivery) connect(to []target, port uint16) (*session, verdict) {
	for _, t := range to {
		ip := t.ip.As4()
		if d.timeouts.Skip(ip) {
			continue
		}
		c, err := d.dial(netip.AddrPortFrom(t.ip, port))
		switch {
		case err == nil:
			d.timeouts.Success(ip)
			return newSession(c, t.ip.String()), verdict{}
		case sock.NoSocket(err):
			return nil, noResources
		case sys.IsTimeout(err):
			d.timeouts.Timeout(ip)
		}
	}
	return nil, noConnection
}
