// Package qmqpc is qmail-qmqpc, which takes the place of qmail-queue on a host
// without a queue: it gives each message to the first server of
// control/qmqpservers that can be reached, by QMQP.
//
//	qmqpc.go    start and end of the process, servers
//	read.go     message and envelope from the caller
//
// Spec: spec/qmtp-qmqp.md section 3, spec/remote.md section 9.
package qmqpc

import (
	"io"
	"net/netip"
	"time"

	"goqmail/internal/control"
	"goqmail/internal/netstring"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
)

// How long a server may take.
const (
	connectLimit = 10 * time.Second
	ioLimit      = 60 * time.Second // for each read and write
)

// serversFile lists the servers, an IPv4 address on each line.
const serversFile = "qmqpservers"

// A dialer connects to a server.
type dialer func(to netip.AddrPort, limit time.Duration) (io.ReadWriteCloser, error)

// Run is qmail-qmqpc.
func Run(p *prog.Process) int {
	prog.KeepSmall()
	return run(p, func(to netip.AddrPort, limit time.Duration) (io.ReadWriteCloser, error) {
		c, err := sock.Dial(to, netip.Addr{}, limit)
		if err != nil {
			return nil, err // not a nil *sock.Conn in an interface
		}
		c.Limit = ioLimit
		return c, nil
	})
}

// run is Run with another way to connect.
func run(p *prog.Process, dial dialer) int {
	servers, code := readServers(p.Home)
	if code != queue.ExitOK {
		return code
	}
	m, code := readMail(p.FD(0), p.FD(1))
	if code != queue.ExitOK {
		return code
	}
	code = queue.ExitConfig // no usable address
	for _, s := range servers {
		conn, err := dial(netip.AddrPortFrom(s, netstring.PortQMQP), connectLimit)
		switch {
		case err == nil:
			code = m.deliver(conn)
			_ = conn.Close() // all is said
			return code      // whatever it is: the server may have the message
		case sock.NoSocket(err):
			return queue.ExitNetwork
		case sys.IsTimeout(err):
			code = queue.ExitConnTime
		default:
			code = queue.ExitConnRefuse
		}
	}
	return code
}

// readServers reads the addresses; lines that are none are left out.
func readServers(home string) (servers []netip.Addr, code int) {
	dir, err := sys.Cwd().OpenSearchDir(home)
	if err != nil {
		return nil, queue.ExitHome
	}
	_ = dir.Close() // only to tell ExitHome from ExitConfig
	r, err := control.Open(home)
	if err != nil {
		return nil, queue.ExitConfig
	}
	defer r.Close()
	lines, ok, err := r.List(serversFile)
	if err != nil || !ok {
		return nil, queue.ExitConfig
	}
	for _, l := range lines {
		if a, err := netip.ParseAddr(l); err == nil && a.Is4() {
			servers = append(servers, a)
		}
	}
	return servers, queue.ExitOK
}

// deliver sends the mail over a connection and returns what the server says as
// an exit code.
func (m *mail) deliver(conn io.ReadWriter) int {
	if err := m.send(conn); err != nil {
		return queue.ExitConnLost
	}
	answer, err := readAnswer(conn)
	if err != nil {
		return queue.ExitConnLost
	}
	switch answer {
	case pipe.Success:
		return queue.ExitOK
	case pipe.Deferral:
		return queue.ExitServerTemp
	case pipe.Failure:
		return queue.ExitRejected
	}
	return queue.ExitConnLost
}

// readAnswer reads one netstring and returns its first byte. It must be whole:
// a broken one may not be a server's answer at all.
func readAnswer(r io.Reader) (letter byte, err error) {
	in := netstring.NewReader(&source{r: r})
	n, err := in.Length()
	if err != nil {
		return 0, err
	}
	if n == 0 {
		return 0, netstring.ErrSyntax
	}
	if letter, err = in.Byte(); err != nil {
		return 0, err
	}
	if err := in.Copy(io.Discard, n-1); err != nil {
		return 0, err
	}
	return letter, in.Comma()
}

// A source reads answers for a netstring.Reader.
type source struct {
	r    io.Reader
	buf  [256]byte
	have []byte
}

func (s *source) Next() ([]byte, error) {
	for len(s.have) == 0 {
		n, err := s.r.Read(s.buf[:])
		if err != nil {
			return nil, err
		}
		s.have = s.buf[:n]
	}
	return s.have, nil
}

func (s *source) Discard(n int) { s.have = s.have[n:] }
