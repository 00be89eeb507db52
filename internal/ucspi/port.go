package ucspi

import (
	"strconv"
	"strings"

	"goqmail/internal/address"
	"goqmail/internal/sys"
)

// servicesFile names ports (services(5)); servicesMax is how many bytes of it
// are read.
const (
	servicesFile = "/etc/services"
	servicesMax  = 1 << 22
)

// Port reads a port: a number or the name of a TCP service. A number that is no
// port is an error (C took it modulo 65536).
func Port(s string) (port uint16, ok bool) {
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		return uint16(n), true
	}
	text, err := sys.Cwd().ReadFile(servicesFile, servicesMax)
	if err != nil {
		return 0, false
	}
	return service(string(text), s)
}

// service finds a TCP service by name or alias in the text of services(5).
func service(text, name string) (port uint16, ok bool) {
	for len(text) > 0 {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		line, _, _ = strings.Cut(line, "#")
		words := address.Fields(line, " \t")
		if len(words) < 2 {
			continue
		}
		number, proto, _ := strings.Cut(words[1], "/")
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || proto != "tcp" {
			continue
		}
		for i, w := range words {
			if i != 1 && w == name {
				return uint16(n), true
			}
		}
	}
	return 0, false
}

// Leading reads the digits at the start of s, at most a million of whatever it
// is; ok is false without any.
func Leading(s string) (n int, ok bool) {
	const most = 1000000
	for ; len(s) > 0 && s[0] >= '0' && s[0] <= '9'; s = s[1:] {
		ok = true
		n = min(n*10+int(s[0]-'0'), most)
	}
	return n, ok
}
