package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	smtpAddr = "127.0.0.1:25"
	sender   = "bench@sender.test"
	replyIn  = 2 * time.Minute // a server that takes longer has gone wrong
	usual    = 4096            // bytes of a message
)

// A load is mail sent by SMTP.
type load struct {
	sessions int
	n        int           // messages; not used with dur
	dur      time.Duration // send for so long instead
	per      int           // messages a connection; 0: all
	size     int           // bytes of a message; 0: usual
	rcpts    int           // recipients a message; 0: 1
	rcpt     func(message, recipient int) string
}

// sent is what became of it.
type sent struct {
	n     int
	wall  time.Duration
	start time.Time
	lat   []float64 // ms from MAIL to the acknowledgement
}

// text is a message of size bytes with the given line end.
func text(size int, nl string) []byte {
	var b bytes.Buffer
	b.Grow(size + 100)
	for _, l := range []string{"From: <bench@sender.test>", "To: <somebody@mx.example.test>", "Subject: bench",
		"Date: Sat, 21 Nov 2026 00:00:00 +0000", "Message-ID: <1@sender.test>", ""} {
		b.WriteString(l + nl)
	}
	line := strings.Repeat("m", 70) + nl
	for b.Len() < size-len(line) {
		b.WriteString(line)
	}
	return b.Bytes()
}

// each runs job from c goroutines, n times in all or until dur has passed. The
// first error ends it.
func each(c, n int, dur time.Duration, job func(who, i int) error) (int, time.Duration, error) {
	var next, done atomic.Int64
	var stop atomic.Bool
	var once sync.Once
	var first error
	var wg sync.WaitGroup
	start := time.Now()
	for who := range c {
		wg.Go(func() {
			for !stop.Load() {
				i := int(next.Add(1)) - 1
				if dur > 0 && time.Since(start) >= dur || dur == 0 && i >= n {
					return
				}
				if err := job(who, i); err != nil {
					once.Do(func() { first = err })
					stop.Store(true)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	return int(done.Load()), time.Since(start), first
}

// A client is one SMTP connection.
type client struct {
	net.Conn
	r    *bufio.Reader
	used int
}

func connect() (*client, error) {
	c, err := net.DialTimeout("tcp", smtpAddr, replyIn)
	if err != nil {
		return nil, err
	}
	cl := &client{Conn: c, r: bufio.NewReader(c)}
	if err := cl.reply("220"); err != nil {
		return nil, err
	}
	return cl, cl.command("HELO load.sender.test", "250")
}

// reply reads a reply, which must have the code.
func (c *client) reply(code string) error {
	if err := c.SetReadDeadline(time.Now().Add(replyIn)); err != nil {
		return err
	}
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", code, err)
		}
		if !strings.HasPrefix(line, code) {
			return fmt.Errorf("refused: %s", strings.TrimSpace(line))
		}
		if len(line) < 4 || line[3] != '-' {
			return nil
		}
	}
}

func (c *client) command(line, code string) error {
	if _, err := c.Write([]byte(line + "\r\n")); err != nil {
		return err
	}
	return c.reply(code)
}

// message sends one.
func (c *client) message(to []string, data []byte) error {
	if err := c.command("MAIL FROM:<"+sender+">", "250"); err != nil {
		return err
	}
	for _, a := range to {
		if err := c.command("RCPT TO:<"+a+">", "250"); err != nil {
			return err
		}
	}
	if err := c.command("DATA", "354"); err != nil {
		return err
	}
	if _, err := c.Write(data); err != nil {
		return err
	}
	return c.reply("250")
}

func (c *client) quit() error {
	err := c.command("QUIT", "221")
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	return err
}

// run sends the mail. A refused message is an error.
func (l load) run() (sent, error) {
	data := append(text(max(l.size, usual), "\r\n"), ".\r\n"...)
	clients := make([]*client, l.sessions)
	lat := make([][]float64, l.sessions)
	s := sent{start: time.Now()}
	var err error
	s.n, s.wall, err = each(l.sessions, l.n, l.dur, func(who, i int) error {
		begin := time.Now()
		c := clients[who]
		if c == nil {
			var err error
			if c, err = connect(); err != nil {
				return err
			}
			clients[who] = c
		}
		var to []string
		for j := range max(1, l.rcpts) {
			to = append(to, l.rcpt(i, j))
		}
		if err := c.message(to, data); err != nil {
			return err
		}
		lat[who] = append(lat[who], ms(time.Since(begin)))
		if c.used++; c.used == l.per {
			clients[who] = nil
			return c.quit()
		}
		return nil
	})
	for _, c := range clients {
		if c != nil && err == nil {
			err = c.quit()
		}
	}
	for _, v := range lat {
		s.lat = append(s.lat, v...)
	}
	return s, err
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// localUser and far are recipients: of the five users, of twenty domains.
func localUser(i, _ int) string { return fmt.Sprintf("u%d@%s", i%users, hostName) }
func far(i, j int) string       { return fmt.Sprintf("x%d@d%d.remote.test", j, (i+j)%domains) }
