package remote

import (
	"net/netip"
	"time"

	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
)

// connectTime is how long targets are tried in one run. A domain can list
// thousands of addresses that swallow what is sent to them, and every one would
// hold this delivery's slot for timeoutconnect. Lock/tcpto remembers those that
// were tried, so that the next run gets further.
const connectTime = 10 * time.Minute

// connect opens a connection to the first target that takes one. Hosts that
// timed out lately are not tried. Once it stands, no other target is: what the
// server says is final for this run.
func (d *delivery) connect(to []target, port uint16) (*session, verdict) {
	end := d.now().Add(connectTime)
	tried := map[netip.Addr]bool{}
	for _, t := range to {
		ip := t.ip.As4()
		if tried[t.ip] {
			continue
		}
		tried[t.ip] = true
		if d.now().After(end) {
			break
		}
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
