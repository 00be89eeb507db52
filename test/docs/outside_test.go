//go:build e2e

package docs

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"

	"goqmail/internal/testkit"
)

// hosts are those outside, with their addresses.
var hosts = map[string]string{
	"mx.example.net":        "192.0.2.25",
	"mx.example.com":        "192.0.2.26",
	"smarthost.example.net": "192.0.2.27",
}

// outside starts the hosts outside, and the name server.
func (b *bed) outside() {
	b.Helper()
	zone := testkit.DNSZone{
		"example.org MX": "10 " + hostName, hostName + " A": own,
		"example.net MX": "10 mx.example.net", "example.com MX": "10 mx.example.com",
		"10.2.0.192.in-addr.arpa PTR": hostName,
	}
	for name, ip := range hosts {
		zone[name+" A"] = ip
		dir := "/mnt/outside/" + name
		b.must(os.MkdirAll(dir, 0o755))
		l, err := net.Listen("tcp4", ip+":25")
		b.must(err)
		b.Cleanup(func() { _ = l.Close() })
		go serve(l, name, dir)
	}
	testkit.StartDNS(b.T, "127.0.0.1", 53, zone)
}

// serve takes mail for a host until the listener is closed.
func serve(l net.Listener, name, dir string) {
	messages := make(chan string)
	go func() {
		for n := 1; ; n++ {
			if os.WriteFile(fmt.Sprintf("%s/%d", dir, n), []byte(<-messages), 0o644) != nil {
				return // the client waits, and the page fails
			}
		}
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			converse(c, name, messages)
		}()
	}
}

// converse is one SMTP session, simple and trusting.
func converse(c net.Conn, name string, messages chan<- string) {
	r := bufio.NewReader(c)
	say := func(reply string) { fmt.Fprintf(c, "%s\r\n", reply) } // a client that has gone ends the loop
	say("220 " + name + " ESMTP")
	var helo, envelope string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch verb {
		case "HELO", "EHLO":
			helo = line + "\n"
			say("250 " + name)
		case "MAIL":
			envelope = line + "\n"
			say("250 ok")
		case "RCPT":
			if strings.Contains(line, "<nobody@") {
				say("550 no such mailbox")
				continue
			}
			envelope += line + "\n"
			say("250 ok")
		case "DATA":
			say("354 go ahead")
			text := ""
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				text += strings.TrimSuffix(strings.TrimPrefix(line, "."), "\r\n") + "\n"
			}
			messages <- helo + envelope + "\n" + text
			say("250 queued")
		case "QUIT":
			say("221 " + name)
			return
		default:
			say("250 ok")
		}
	}
}
