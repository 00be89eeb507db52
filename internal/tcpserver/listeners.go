package tcpserver

import (
	"strconv"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sock"
)

// Listeners are the sockets that connections come from.
type listeners struct {
	fds     []sys.FD
	lasting bool // another program keeps them: they must go on taking connections
}

// stop frees the ports at once. At sockets of another program clients go on
// waiting, for the tcpserver that it starts next.
func (l listeners) stop() {
	if l.lasting {
		return
	}
	for _, fd := range l.fds {
		sock.StopListening(fd)
	}
}

// The variables by which a service manager tells of sockets that it has opened
// for us (sd_listen_fds(3)): descriptors from firstInherited on, as many as
// LISTEN_FDS says, if LISTEN_PID is this process. They are not passed on.
const (
	listenPID      = "LISTEN_PID"
	listenFDs      = "LISTEN_FDS"
	listenNames    = "LISTEN_FDNAMES"
	firstInherited = 3
	mostInherited  = 1000
)

// inherited finds the sockets of a service manager. There are none when the
// variables are not there or meant for another process; they are left alone
// then, as C tcpserver leaves them.
func inherited(env prog.Env, pid int) (listeners, error) {
	l := listeners{lasting: true}
	if who, _ := env.Get(listenPID); who != strconv.Itoa(pid) {
		return l, nil
	}
	text, _ := env.Get(listenFDs)
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > mostInherited {
		return l, setupError("$" + listenFDs + " is no number of descriptors")
	}
	for i := range n {
		fd := sys.FD(firstInherited + i)
		if !sock.IsListening(fd) {
			return l, setupError("descriptor " + strconv.Itoa(int(fd)) + " is no listening TCP socket")
		}
		if err := fd.CloseOnExec(true); err != nil {
			return l, unable("use descriptor "+strconv.Itoa(int(fd)), err)
		}
		l.fds = append(l.fds, fd)
	}
	for _, name := range [...]string{listenPID, listenFDs, listenNames} {
		env.Unset(name)
	}
	return l, nil
}

// open makes the one socket of the command line.
func (o *options) open(resolver resolver) (listeners, error) {
	fd, err := o.listen(resolver)
	return listeners{fds: []sys.FD{fd}}, err
}
