// Package pop3d is qmail-pop3d: a client reads, lists and removes the messages
// of one Maildir by POP3.
//
//	pop3d.go    start and end of the process
//	session.go  the commands
//	message.go  a message as the client gets it
//
// Nothing in the Maildir changes before QUIT. Spec: spec/pop3.md section 3.
package pop3d

import (
	"time"

	"goqmail/internal/commands"
	"goqmail/internal/maildir"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sig"
)

// Exit codes. Qmail-popup tells the client that authorization failed if the code
// is not 0, so errors within a session are no reason for another one.
const (
	exitDone = 0
	exitRoot = 1 // refused to run as root
)

// timeout is the limit for each read and write.
const timeout = 1200 * time.Second

// Run is qmail-pop3d.
func Run(p *prog.Process) int {
	if sys.Getuid() == 0 || sys.Geteuid() == 0 {
		return p.Die(exitRoot, "qmail-pop3d invoked as uid 0, terminating")
	}
	return run(p)
}

// run is Run for whoever is not root.
func run(p *prog.Process) int {
	sig.Ignore(sig.PIPE)
	prog.KeepLean() // of 100,000 messages the list is most of the memory
	conn := commands.NewConn(
		sys.Timed{FD: p.FD(0), Limit: timeout},
		sys.Timed{FD: p.FD(1), Limit: timeout, NotSocket: !p.FD(1).IsSocket()},
	)
	now := p.Now().Unix()
	s := &session{conn: conn}
	answer := answerOK
	if len(p.Args) < 2 || p.Args[1] == "" {
		answer = answerNoMaildir
	} else if dir, err := sys.Cwd().OpenSearchDir(p.Args[1]); err != nil {
		answer = answerNoMaildir
	} else {
		defer func() { _ = dir.Close() }() // used for names only
		maildir.Clean(dir, now)
		list, _, err := maildir.Scan(dir, now)
		if err != nil {
			answer = answerNoScan
		}
		s.dir, s.list, s.deleted = dir, list, make([]bool, len(list))
	}
	if err := s.say(answer); err != nil {
		return exitDone
	}
	if err := conn.Flush(); err != nil || answer != answerOK {
		return exitDone
	}
	_ = s.serve()    // QUIT did its work; after anything else there is none
	_ = conn.Flush() // whether the client hears of it or not
	return exitDone
}
