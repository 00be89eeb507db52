package pop3d

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"goqmail/internal/commands"
	"goqmail/internal/maildir"
	"goqmail/internal/sys"
)

// What the client is told.
const (
	answerOK            = "+OK \r\n"
	answerEnd           = ".\r\n"
	answerNoMaildir     = "-ERR this user has no $HOME/Maildir\r\n"
	answerNoScan        = "-ERR unable to scan $HOME/Maildir\r\n"
	answerUnimplemented = "-ERR unimplemented\r\n"
	answerSyntax        = "-ERR syntax error\r\n"
	answerFromOne       = "-ERR messages are counted from 1\r\n"
	answerTooHigh       = "-ERR not that many messages\r\n"
	answerDeleted       = "-ERR already deleted\r\n"
	answerNoOpen        = "-ERR unable to open that message\r\n"
	answerNoUnlink      = "-ERR unable to unlink all deleted messages\r\n"
)

// info is what a name in cur has after the unique part: a message without flags.
const info = ":2,"

// errQuit ends a session as the client asked.
var errQuit = errors.New("quit")

// A session is the conversation with one client. Messages are numbered from 1;
// list and numbers stay the same until the end.
type session struct {
	conn    *commands.Conn
	dir     *sys.Dir // the Maildir
	list    []maildir.Entry
	deleted []bool // marks of DELE
	last    int    // highest number given to DELE since the start or RSET

	in, out []byte // of a file; for the client: kept from one answer to the next
}

// serve runs the client's commands. The error is why the session ended; it is
// never nil.
func (s *session) serve() error {
	return commands.Serve(s.conn, []commands.Command{
		{Name: "QUIT", Do: s.quit, Flush: true},
		{Name: "STAT", Do: s.stat, Flush: true},
		{Name: "LIST", Do: func(a commands.Argument) error { return s.each(a.Text, s.size) }, Flush: true},
		{Name: "UIDL", Do: func(a commands.Argument) error { return s.each(a.Text, s.unique) }, Flush: true},
		{Name: "DELE", Do: s.dele, Flush: true},
		{Name: "RETR", Do: s.top, Flush: true},
		{Name: "TOP", Do: s.top, Flush: true},
		{Name: "RSET", Do: s.rset, Flush: true},
		{Name: "LAST", Do: func(commands.Argument) error { return s.say("+OK ", strconv.Itoa(s.last), "\r\n") }, Flush: true},
		{Name: "NOOP", Do: func(commands.Argument) error { return s.say(answerOK) }, Flush: true},
	}, commands.Command{Do: func(commands.Argument) error { return s.say(answerUnimplemented) }, Flush: true})
}

// say answers.
func (s *session) say(parts ...string) error { return s.conn.Put(parts...) }

// stat counts deleted messages, but not their bytes, as C does.
func (s *session) stat(commands.Argument) error {
	var bytes int64
	for i, e := range s.list {
		if !s.deleted[i] {
			bytes += e.Size
		}
	}
	return s.say("+OK ", strconv.Itoa(len(s.list)), " ", strconv.FormatInt(bytes, 10), "\r\n")
}

// size adds what LIST says of message i: the bytes of the file, with LF newlines.
func (s *session) size(b []byte, i int) []byte { return strconv.AppendInt(b, s.list[i].Size, 10) }

// unique adds what UIDL says of message i: the part of the name that stays when
// the message moves to cur and when flags change.
func (s *session) unique(b []byte, i int) []byte {
	_, name, _ := strings.Cut(s.list[i].Name, "/")
	name, _, _ = strings.Cut(name, ":")
	return append(b, name...)
}

// each says what is told of one message, or of all that are not deleted.
func (s *session) each(arg string, tell func(b []byte, i int) []byte) error {
	line := func(b []byte, i int) []byte {
		b = append(strconv.AppendInt(b, int64(i)+1, 10), ' ')
		return append(tell(b, i), "\r\n"...)
	}
	if arg != "" {
		i, _, refusal := s.number(arg)
		if refusal != "" {
			return s.say(refusal)
		}
		return s.say("+OK ", string(line(nil, i)))
	}
	out := append(s.out[:0], answerOK...)
	for i := range s.list {
		if s.deleted[i] {
			continue
		}
		if out = line(out, i); len(out) >= blockSize {
			if _, err := s.conn.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
	}
	s.out = append(out, answerEnd...)
	_, err := s.conn.Write(s.out)
	return err
}

// scan reads the digits at the start of s; a number too large for int64 is the
// largest one. rest is what follows; it is s if there is no digit.
func scan(s string) (n int64, rest string) {
	i := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		d := int64(s[i] - '0')
		if n > (math.MaxInt64-d)/10 {
			n = math.MaxInt64
			continue
		}
		n = n*10 + d
	}
	return n, s[i:]
}

// number reads the number of a message that is not deleted and returns its place
// in the list and what follows; refusal is the answer if there is none.
func (s *session) number(arg string) (i int, rest, refusal string) {
	n, rest := scan(arg)
	switch {
	case len(rest) == len(arg):
		return 0, rest, answerSyntax
	case n == 0:
		return 0, rest, answerFromOne
	case n > int64(len(s.list)):
		return 0, rest, answerTooHigh
	case s.deleted[n-1]:
		return 0, rest, answerDeleted
	}
	return int(n) - 1, rest, ""
}

func (s *session) dele(a commands.Argument) error {
	i, _, refusal := s.number(a.Text)
	if refusal != "" {
		return s.say(refusal)
	}
	s.deleted[i] = true
	s.last = max(s.last, i+1)
	return s.say(answerOK)
}

func (s *session) rset(commands.Argument) error {
	clear(s.deleted)
	s.last = 0
	return s.say(answerOK)
}

// top is TOP and RETR: the message, or the header and as many lines of the body
// as the second number says.
func (s *session) top(a commands.Argument) error {
	i, rest, refusal := s.number(a.Text)
	if refusal != "" {
		return s.say(refusal)
	}
	for strings.HasPrefix(rest, " ") {
		rest = rest[1:]
	}
	lines, after := scan(rest)
	if len(after) == len(rest) {
		lines = wholeBody
	}
	return s.send(s.list[i].Name, s.list[i].Size, lines)
}

// quit removes what was deleted and moves what is new to cur:
//
//	new/NAME, cur/NAME  deleted: unlinked
//	new/NAME            else: renamed to cur/NAME:2,
//
// A crash on the way leaves each message in one of these states; the rest is
// deleted or moved by another session.
func (s *session) quit(commands.Argument) error {
	failed := false
	for i, e := range s.list {
		sub, name, _ := strings.Cut(e.Name, "/")
		switch {
		case s.deleted[i]:
			failed = s.dir.Unlink(e.Name) != nil || failed
		case sub == maildir.New:
			_ = s.dir.Rename(e.Name, maildir.Cur+"/"+name+info) // it stays new
		}
	}
	if failed {
		if err := s.say(answerNoUnlink); err != nil {
			return err
		}
	}
	if err := s.say(answerOK); err != nil {
		return err
	}
	return errQuit
}
