//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// A fakeHost is a remote host's SMTP server.
type fakeHost struct {
	rcpt     func(addr string) string // reply to RCPT; nil accepts
	dot      string                   // reply to the message; "" is 250 queued
	hold     chan struct{}            // if set, the reply to the message waits for its closing
	sessions chan session
}

// A session is one connection as the server saw it.
type session struct {
	commands string // joined by "|"
	data     string // the message as it was on the wire, with the dot
}

// smtpHost starts a server on port 25 of an address.
func smtpHost(b *bed, ip string) *fakeHost { return smtpHostAt(b, ip, 25) }

// smtpHostAt starts a server. It ends with the test.
func smtpHostAt(b *bed, ip string, port int) *fakeHost {
	b.Helper()
	l, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", ip, port))
	b.must(err)
	h := &fakeHost{sessions: make(chan session, 100)}
	var talks sync.WaitGroup
	talks.Add(1)
	go func() {
		defer talks.Done()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			talks.Add(1)
			go func() {
				defer talks.Done()
				h.talk(c)
			}()
		}
	}()
	b.Cleanup(func() { _ = l.Close() })
	return h
}

// session waits for the end of the next connection.
func (h *fakeHost) session(b *bed) session {
	b.Helper()
	select {
	case s := <-h.sessions:
		return s
	case <-time.After(patience):
		b.Fatalf("nobody connected in %v", patience)
	}
	panic("not reached")
}

// talk is the server's side of a connection.
func (h *fakeHost) talk(c net.Conn) {
	var s session
	var commands []string
	defer func() {
		s.commands = strings.Join(commands, "|")
		h.sessions <- s
		_ = c.Close()
	}()
	_ = c.SetDeadline(time.Now().Add(patience))
	say := func(reply string) { _, _ = c.Write([]byte(reply + "\r\n")) }
	in := bufio.NewReader(c)
	say("220 fake")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		command := strings.TrimSuffix(line, "\r\n")
		commands = append(commands, command)
		verb, arg, _ := strings.Cut(command, " ")
		switch verb {
		case "QUIT":
			say("221 bye")
			return
		case "RCPT":
			reply := "250 ok"
			if h.rcpt != nil {
				reply = h.rcpt(strings.TrimSuffix(strings.TrimPrefix(arg, "TO:<"), ">"))
			}
			say(reply)
		case "DATA":
			say("354 go")
			for !strings.HasSuffix("\r\n"+s.data, "\r\n.\r\n") {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				s.data += line
			}
			if h.hold != nil {
				<-h.hold
			}
			if h.dot != "" {
				say(h.dot)
			} else {
				say("250 queued")
			}
		default:
			say("250 ok")
		}
	}
}
