package header

import "goqmail/internal/address"

// A Received is what a network server knows about where a message came from.
// Bytes outside letters, digits and . @ % + / = : - [ ] are shown as ?.
//
//	Received: from REMOTEHOST (HELO HELO) (INFO@IP)
//	  by LOCAL with PROTOCOL; D Mon YYYY HH:MM:SS -0000
//
// Spec: spec/smtpd.md A7.
type Received struct {
	Protocol   string // SMTP, QMTP, QMQP
	Local      string // our name
	RemoteIP   string
	RemoteHost string
	RemoteInfo string // only with HasInfo
	HasInfo    bool
	Helo       string // only with HasHelo, and left out if it is RemoteHost
	HasHelo    bool
}

// unknown stands for what the environment does not tell.
const unknown = "unknown"

// NewReceived is what the TCP variables of the environment say; get looks one up.
func NewReceived(protocol string, get func(name string) (value string, ok bool)) Received {
	first := func(names ...string) string {
		for _, n := range names {
			if v, ok := get(n); ok {
				return v
			}
		}
		return unknown
	}
	r := Received{
		Protocol:   protocol,
		Local:      first("TCPLOCALHOST", "TCPLOCALIP"),
		RemoteIP:   first("TCPREMOTEIP"),
		RemoteHost: first("TCPREMOTEHOST"),
	}
	r.RemoteInfo, r.HasInfo = get("TCPREMOTEINFO")
	return r
}

// Append adds the field, both lines, for a message that arrives at Unix time t.
func (r Received) Append(b []byte, t int64) []byte {
	b = appendSafe(append(b, "Received: from "...), r.RemoteHost)
	if r.HasHelo && !address.EqualFold(r.Helo, r.RemoteHost) {
		b = append(appendSafe(append(b, " (HELO "...), r.Helo), ')')
	}
	b = append(b, " ("...)
	if r.HasInfo {
		b = append(appendSafe(b, r.RemoteInfo), '@')
	}
	b = appendSafe(b, r.RemoteIP)
	b = appendSafe(append(b, ")\n  by "...), r.Local)
	b = append(append(b, " with "...), r.Protocol...)
	return append(append(append(b, "; "...), DateZone(t)...), '\n')
}

// appendSafe adds s with unsafe bytes as ?.
func appendSafe(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !safe(c) {
			c = '?'
		}
		b = append(b, c)
	}
	return b
}

// safe tells whether a byte may stand in the field as it is.
func safe(c byte) bool {
	switch c {
	case '.', '@', '%', '+', '/', '=', ':', '-', '[', ']':
		return true
	}
	l := address.LowerByte(c)
	return l >= 'a' && l <= 'z' || c >= '0' && c <= '9'
}
