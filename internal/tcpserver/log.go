package tcpserver

import (
	"strconv"

	"goqmail/internal/tcpenv"
)

// The lines on descriptor 2 with option -v:
//
//	tcpserver: status: N/LIMIT
//	tcpserver: pid PID from IP
//	tcpserver: ok PID LOCALHOST:LOCALIP:LOCALPORT REMOTEHOST:REMOTEIP:REMOTEINFO:REMOTEPORT
//	tcpserver: deny PID the same
//	tcpserver: end PID status STATUS
//
// What is not known is empty. Addresses are in IPv6 form, but a dotted quad
// after "from" for IPv4. STATUS is as wait4 gives it. PID is that of the program
// that serves the connection, or tcpserver's own for one that got no program.

func statusLine(n, limit int) string {
	return "tcpserver: status: " + strconv.Itoa(n) + "/" + strconv.Itoa(limit) + "\n"
}

func fromLine(pid int, c tcpenv.Conn) string {
	return "tcpserver: pid " + strconv.Itoa(pid) + " from " + c.IP(c.Remote) + "\n"
}

// decisionLine is the line of a connection; word is ok or deny.
func decisionLine(word string, pid int, c tcpenv.Conn) string {
	return "tcpserver: " + word + " " + strconv.Itoa(pid) + " " +
		safe(c.LocalHost) + ":" + tcpenv.IP6(c.Local.Addr()) + ":" + strconv.Itoa(int(c.Local.Port())) + " " +
		safe(c.RemoteHost) + ":" + tcpenv.IP6(c.Remote.Addr()) + ":" + safe(c.RemoteInfo) + ":" + strconv.Itoa(int(c.Remote.Port())) + "\n"
}

func endLine(pid, status int) string {
	return "tcpserver: end " + strconv.Itoa(pid) + " status " + strconv.Itoa(status) + "\n"
}

func dropLine(why string) string { return "tcpserver: warning: dropping connection, " + why + "\n" }

// safe is a text that a stranger chose, fit for the log: 100 bytes at most,
// then "..."; what is not printable, blanks and % become ?.
func safe(t tcpenv.Text) string {
	const most = 100
	var b []byte
	for i := 0; i < len(t.Value); i++ {
		if i == most {
			return string(b) + "..."
		}
		c := t.Value[i]
		if c < 33 || c > 126 || c == '%' {
			c = '?'
		}
		b = append(b, c)
	}
	if len(b) == most {
		return string(b) + "..."
	}
	return string(b)
}
