package dns

import (
	"net/netip"
	"strconv"
	"time"

	"goqmail/internal/address"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
)

// Where resolvers listen, and the file that names them.
const (
	Port       = 53
	ConfigFile = "/etc/resolv.conf"
)

// Limits of resolv.conf: what exceeds them is cut, as the C library does.
const (
	maxServers  = 3
	maxTimeout  = 30
	maxAttempts = 5
	maxConfig   = 1 << 20 // bytes of the file
)

// A Config says which resolvers to ask and how patiently.
type Config struct {
	Servers  []netip.AddrPort
	Timeout  time.Duration // for the first question to each server
	Attempts int           // how often each server is asked
	Rotate   bool          // begin at a random server
	TCP      bool          // ask by TCP only
	Search   []string      // domains of names without a dot; mail has no such names
}

// DefaultConfig asks a resolver on this host: what an absent or empty
// resolv.conf means.
func DefaultConfig() Config {
	return Config{
		Servers:  []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), Port)},
		Timeout:  5 * time.Second,
		Attempts: 2,
	}
}

// ParseConfig reads the text of resolv.conf (resolv.conf(5)): the nameserver
// lines, the options timeout:N, attempts:N, rotate and use-vc, and the last
// search or domain line, which no look-up uses: names in mail are complete.
// All else is ignored.
func ParseConfig(text string) Config {
	c := DefaultConfig()
	var servers []netip.AddrPort
	for _, line := range splitLines(text) {
		words := fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			if ip, ok := parseServer(words[1]); ok && len(servers) < maxServers {
				servers = append(servers, netip.AddrPortFrom(ip, Port))
			}
		case "search", "domain":
			c.Search = words[1:]
		case "options":
			for _, w := range words[1:] {
				c.option(w)
			}
		}
	}
	if len(servers) > 0 {
		c.Servers = servers
	}
	return c
}

// option obeys one word of an options line.
func (c *Config) option(word string) {
	if n, ok := number(word, "timeout:"); ok {
		c.Timeout = time.Duration(max(1, min(n, maxTimeout))) * time.Second
	}
	if n, ok := number(word, "attempts:"); ok {
		c.Attempts = max(1, min(n, maxAttempts))
	}
	switch word {
	case "rotate":
		c.Rotate = true
	case "use-vc":
		c.TCP = true
	}
}

// number reads word as prefix and a decimal number.
func number(word, prefix string) (n int, ok bool) {
	if len(word) <= len(prefix) || word[:len(prefix)] != prefix {
		return 0, false
	}
	n, err := strconv.Atoi(word[len(prefix):])
	return n, err == nil
}

// parseServer reads a server's address; the zone of an IPv6 one may be the name
// of an interface.
func parseServer(s string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return ip, false
	}
	if z := ip.Zone(); z != "" {
		if _, err := strconv.ParseUint(z, 10, 32); err != nil {
			i, err := sock.InterfaceIndex(z)
			if err != nil {
				return ip, false
			}
			ip = ip.WithZone(strconv.FormatUint(uint64(i), 10))
		}
	}
	return ip, true
}

// ParseCacheIP reads $DNSCACHEIP, which the UCSPI programs obey instead of
// resolv.conf: up to 16 IPv4 addresses joined by dots, blanks or commas, or one
// IPv6 address. None: resolv.conf counts.
func ParseCacheIP(value string) []netip.AddrPort {
	if ip, err := netip.ParseAddr(value); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(ip, Port)}
	}
	var out []netip.AddrPort
	var ip [4]byte
	k, n, digits := 0, 0, 0
	for i := 0; i <= len(value) && len(out) < 16; i++ {
		if i < len(value) && value[i] >= '0' && value[i] <= '9' {
			if n = n*10 + int(value[i]-'0'); n > 255 {
				return out
			}
			digits++
			continue
		}
		if digits == 0 {
			continue // separators may follow each other
		}
		ip[k], k, n, digits = byte(n), k+1, 0, 0
		if k == len(ip) {
			out, k = append(out, netip.AddrPortFrom(netip.AddrFrom4(ip), Port)), 0
		}
	}
	return out
}

// System makes a Resolver for the resolvers of /etc/resolv.conf, or of cacheIP
// where that names any (the value of $DNSCACHEIP; "" for programs that do not
// obey it). A resolv.conf that cannot be read counts as empty: then no resolver
// will be found, which is temporary.
func System(cacheIP string) *Resolver {
	c := DefaultConfig()
	if text, err := sys.Cwd().ReadFile(ConfigFile, maxConfig); err == nil {
		c = ParseConfig(string(text))
	}
	if s := ParseCacheIP(cacheIP); len(s) > 0 {
		c.Servers = s
	}
	return New(c)
}

// Complete lists what a name that a user typed may mean, in the order to try:
// one with a dot is complete, another is tried in each domain of the search list
// and then as it is. local goes before the list of resolv.conf (the value of
// $LOCALDOMAIN; "" for none).
func (r *Resolver) Complete(host, local string) []string {
	for i := 0; i < len(host); i++ {
		if host[i] == '.' {
			return []string{host}
		}
	}
	search := r.config.Search
	if list := fields(local); len(list) > 0 {
		search = list
	}
	var out []string
	for _, domain := range search {
		out = append(out, host+"."+domain)
	}
	return append(out, host)
}

// splitLines cuts text at each LF; comments, from # or ; at a line's start,
// become empty lines.
func splitLines(text string) []string {
	var out []string
	for len(text) > 0 {
		i := 0
		for i < len(text) && text[i] != '\n' {
			i++
		}
		line := text[:i]
		if line != "" && (line[0] == '#' || line[0] == ';') {
			line = ""
		}
		out = append(out, line)
		text = text[min(i+1, len(text)):]
	}
	return out
}

// fields cuts a line at blanks and tabs (and CRs).
func fields(line string) []string { return address.Fields(line, " \t\r") }
