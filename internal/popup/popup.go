// Package popup is qmail-popup: it greets a POP3 client, takes its name and
// password, and has another program check them. That program becomes qmail-pop3d
// when they are right, so that the rest of the session runs inside the child.
// Spec: spec/pop3.md sections 1 and 2.
package popup

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"

	"goqmail/internal/address"
	"goqmail/internal/commands"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sig"
)

// exitAlways is the exit code, whatever happened: the session was the child's.
const exitAlways = 1

// Limits.
const (
	timeout = 1200 * time.Second // for each read and write
	// readSize is how many bytes are read at once. What came after PASS in the
	// same piece is not the child's any more, as in C; it is small so that little
	// is lost if a client does not wait for answers.
	readSize = 128
)

// What the client is told.
const (
	answerOK        = "+OK \r\n"
	answerUsage     = "-ERR usage: popup hostname subprogram\r\n"
	answerSyntax    = "-ERR syntax error\r\n"
	answerUserFirst = "-ERR USER first\r\n"
	answerAuthFirst = "-ERR authorization first\r\n"
	answerRefused   = "-ERR authorization failed\r\n"
	answerCrashed   = "-ERR aack, child crashed\r\n"
	answerNoPipe    = "-ERR unable to open pipe\r\n"
	answerNoFork    = "-ERR unable to fork\r\n"
	answerNoWrite   = "-ERR unable to write pipe\r\n"
)

// errDone ends a session as it should end.
var errDone = errors.New("done")

// A session is the conversation with one client.
type session struct {
	conn  *commands.Conn
	stamp string // "<PID.TIME@HOST>", the APOP challenge
	user  []byte // from USER; nil: not yet
	// check has the request verified and returns what the client is told.
	check func(request []byte) string
}

// Run is qmail-popup.
func Run(p *prog.Process) int {
	sig.Ignore(sig.PIPE) // the child too gets EPIPE when the client is gone
	out := sys.Timed{FD: p.FD(1), Limit: timeout, NotSocket: !p.FD(1).IsSocket()}
	if len(p.Args) < 3 {
		_, _ = out.Write([]byte(answerUsage)) // there is nobody else to tell
		return exitAlways
	}
	s := &session{
		conn:  commands.NewConn(slowReader{sys.Timed{FD: p.FD(0), Limit: timeout}}, out),
		stamp: "<" + strconv.Itoa(sys.Getpid()) + "." + strconv.FormatInt(p.Now().Unix(), 10) + "@" + p.Args[1] + ">",
		check: func(request []byte) string { return check(p, request) },
	}
	_ = s.serve() // whatever ended it, nobody is told
	return exitAlways
}

// A slowReader reads at most readSize bytes at once.
type slowReader struct{ from io.Reader }

func (r slowReader) Read(p []byte) (int, error) { return r.from.Read(p[:min(len(p), readSize)]) }

// serve greets the client and runs its commands until one of them, or an error,
// ends the session. It does not use commands.Serve, whose arguments are strings:
// a password has to be wiped.
func (s *session) serve() error {
	if err := s.say("+OK " + s.stamp + "\r\n"); err != nil {
		return err
	}
	for {
		line, cut, err := s.conn.Line()
		if err != nil {
			return err
		}
		verb, arg := commands.Parse(line)
		answer, last := s.command(string(verb), arg, cut)
		clear(line)
		if err := s.say(answer); err != nil {
			return err
		}
		if last {
			return errDone
		}
	}
}

// say answers at once.
func (s *session) say(answer string) error {
	if err := s.conn.Put(answer); err != nil {
		return err
	}
	return s.conn.Flush()
}

// command does one command; last tells that it ends the session. A line whose
// end was dropped cannot be a name or a password that anybody has.
func (s *session) command(verb string, arg []byte, cut bool) (answer string, last bool) {
	is := func(name string) bool { return address.EqualFold(verb, name) }
	switch {
	case is("USER"):
		if len(arg) == 0 || cut {
			return answerSyntax, false
		}
		s.user = bytes.Clone(arg)
		return answerOK, false
	case is("PASS"):
		switch {
		case s.user == nil:
			return answerUserFirst, false
		case len(arg) == 0 || cut:
			return answerSyntax, false
		}
		return s.ask(s.user, arg), true
	case is("APOP"):
		user, digest, found := bytes.Cut(arg, []byte{' '})
		if !found || cut {
			return answerSyntax, false
		}
		return s.ask(user, digest), true
	case is("QUIT"):
		return answerOK, true
	case is("NOOP"):
		return answerOK, false
	}
	return answerAuthFirst, false
}

// ask has a name and a password, or digest, checked.
func (s *session) ask(user, password []byte) string {
	// Room for all of it, so that no copy of a part stays behind.
	request := make([]byte, 0, len(user)+len(password)+len(s.stamp)+3)
	request = pipe.Login{Name: user, Password: password, Stamp: []byte(s.stamp)}.Append(request)
	clear(password)
	return s.check(request)
}
