package tcprules

import (
	"bytes"
	"strings"
)

// A Client is what is known of the other end of a connection. A field that is
// not known is nil; one that is known may be empty.
type Client struct {
	IP   *string // TCPREMOTEIP: dotted quad, also of ::ffff:1.2.3.4; or IPv6 text
	Host *string // TCPREMOTEHOST, compared as it is: tcpserver gives lower case
	Info *string // TCPREMOTEINFO, the ident answer
}

// ClientFromEnv takes a client from TCPREMOTEIP, TCPREMOTEHOST and
// TCPREMOTEINFO; get is the Get of an environment.
func ClientFromEnv(get func(name string) (value string, ok bool)) Client {
	field := func(name string) *string {
		if v, ok := get(name); ok {
			return &v
		}
		return nil
	}
	return Client{field("TCPREMOTEIP"), field("TCPREMOTEHOST"), field("TCPREMOTEINFO")}
}

// A Decision is what the rules say about a client.
type Decision struct {
	Found bool     // a rule was found; without one the client is allowed
	Key   string   // the rule's address
	Deny  bool     // drop the connection
	Vars  []string // NAME=VALUE to set before the program runs, in order
}

// Lookup finds the rule for a client; the first key that exists decides. get
// looks a key up in the compiled rules; its error is returned.
func Lookup(get func(key string) (data []byte, found bool, err error), c Client) (Decision, error) {
	var d Decision
	var err error
	c.keys(func(key string) bool {
		var data []byte
		data, d.Found, err = get(key)
		if d.Found && err == nil {
			d.Key = key
			d.Deny, d.Vars = decode(data)
		}
		return !d.Found && err == nil
	})
	if err != nil {
		return Decision{}, err
	}
	return d, nil
}

// keys calls try with each key of the client until it returns false: INFO@IP,
// INFO@=HOST, IP, =HOST, the beginnings of IP that end in a dot or colon, =
// with the ends of HOST that begin with a dot, = alone for any HOST, and the
// empty key. Longer ones come first.
func (c Client) keys(try func(key string) bool) {
	more := true
	at := func(known *string, key string) {
		if known != nil && more {
			more = try(key)
		}
	}
	var ip, host, info string
	for _, f := range []struct {
		to   *string
		from *string
	}{{&ip, c.IP}, {&host, c.Host}, {&info, c.Info}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if c.Info != nil {
		at(c.IP, info+"@"+ip)
		at(c.Host, info+"@="+host)
	}
	at(c.IP, ip)
	at(c.Host, "="+host)
	for i := len(ip) - 1; i > 0; i-- {
		if ip[i-1] == '.' || ip[i-1] == ':' {
			at(c.IP, ip[:i])
		}
	}
	for i := 1; i < len(host); i++ {
		if host[i] == '.' {
			at(c.Host, "="+host[i:])
		}
	}
	at(c.Host, "=")
	if more {
		try("")
	}
}

// decode reads the data of a record. What follows a D does not count, nor does
// a string without its NUL, with another first byte, or with no = in a +.
func decode(data []byte) (deny bool, vars []string) {
	for {
		i := bytes.IndexByte(data, 0)
		if i < 0 {
			return false, vars
		}
		s := string(data[:i])
		data = data[i+1:]
		switch {
		case s == "":
		case s[0] == denyMark:
			return true, vars
		case s[0] == setMark && strings.IndexByte(s, '=') > 0:
			vars = append(vars, s[1:])
		}
	}
}
