package ucspi

import (
	"strconv"

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
		line, rest := cut(text, '\n')
		text = rest
		line, _ = cut(line, '#')
		words := fields(line)
		if len(words) < 2 {
			continue
		}
		number, proto := cut(words[1], '/')
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

// cut cuts s at the first c.
func cut(s string, c byte) (before, after string) {
	for i := 0; i < len(s); i++ {
		if s[i] == c {
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}

// fields cuts a line at blanks and tabs.
func fields(line string) []string {
	var out []string
	start := -1
	for i := 0; i <= len(line); i++ {
		blank := i == len(line) || line[i] == ' ' || line[i] == '\t'
		if !blank && start < 0 {
			start = i
		}
		if blank && start >= 0 {
			out, start = append(out, line[start:i]), -1
		}
	}
	return out
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
