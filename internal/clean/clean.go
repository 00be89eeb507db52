// Package clean is qmail-clean: it removes files from mess, intd and todo for
// qmail-send, which has no right to, and rubbish that nobody asks for from pid
// and intd. Spec: spec/queue.md section 10.
package clean

import (
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sig"
)

// Exit codes.
const (
	exitOK       = 0
	exitNoAnswer = 100 // an answer could not be written
	exitNoQueue  = 111 // the queue directory cannot be entered
)

const (
	// cleanupEvery is after how many requests pid/ is looked through again.
	cleanupEvery = 31
	// orphansEvery is after how many seconds, at the earliest, intd/ is: it has
	// an entry for every message that is not preprocessed, so it may be long.
	orphansEvery = 3600
)

// Run is qmail-clean.
func Run(p *prog.Process) int {
	if sys.Chdir(p.Home+"/queue") != nil {
		return exitNoQueue
	}
	sig.Ignore(sig.PIPE) // a broken pipe is exitNoAnswer
	c := &cleaner{dir: sys.Cwd(), now: func() int64 { return p.Now().Unix() }}
	return c.serve(p.FD(0), p.FD(1))
}

// A store is the queue directory as far as qmail-clean uses it.
type store interface {
	Unlink(name string) error
	Stat(name string) (sys.Info, error)
	EachName(name string, f func(name string) bool) error
}

// reader and writer are the two ends of the conversation.
type (
	reader interface{ Read([]byte) (int, error) }
	writer interface{ Write([]byte) (int, error) }
)

// A cleaner is one qmail-clean.
type cleaner struct {
	dir     store
	now     func() int64 // Unix time
	orphans int64        // when intd/ was looked through last
}

// serve answers requests until they end; those that came together are answered
// together. A request that is not complete at the end is not one.
func (c *cleaner) serve(in reader, out writer) int {
	var request []byte // without its NUL; at most pipe.CleanMax bytes, which is too long
	var answers []byte
	buf := make([]byte, 4096)
	c.cleanup()
	for served := 0; ; {
		n, err := in.Read(buf)
		for _, b := range buf[:n] {
			if b != 0 {
				if len(request) < pipe.CleanMax {
					request = append(request, b)
				}
				continue
			}
			answers = append(answers, byte(c.answer(request)))
			request = request[:0]
			if served++; served%cleanupEvery == 0 {
				if !send(out, &answers) {
					return exitNoAnswer
				}
				c.cleanup()
			}
		}
		if !send(out, &answers) {
			return exitNoAnswer
		}
		if err != nil {
			return exitOK // the end, or qmail-send is lost: the same to us
		}
	}
}

// send writes what is answered, if anything is.
func send(out writer, answers *[]byte) bool {
	if len(*answers) == 0 {
		return true
	}
	_, err := out.Write(*answers)
	*answers = (*answers)[:0]
	return err == nil
}

// answer does what a request asks for. Of its two files intd/N goes first, in
// both cases, so that
//
//	todo/N: intd gone, todo not    S4: the message is still to be preprocessed
//	        both gone              S5
//	foop/N: intd gone, mess not    S2, asked for again or removed after 36 hours
//	        both gone              S1
//
// Files that are not there count as removed: the request may be a repetition. That
// todo/N does not come back after a loss of power is for qmail-send to see to,
// which flushes the directory once for many messages.
func (c *cleaner) answer(request []byte) pipe.CleanReply {
	r, err := pipe.ParseCleanRequest(request)
	if err != nil {
		return pipe.CleanBad
	}
	second := queue.Mess
	if r.Todo {
		second = queue.Todo
	}
	for _, k := range [...]queue.Kind{queue.Intd, second} {
		if err := c.dir.Unlink(k.Path(r.ID)); err != nil && !sys.IsNotExist(err) {
			return pipe.CleanFail
		}
	}
	return pipe.CleanDone
}

// cleanup removes what qmail-queue processes left behind that died before they
// could remove it: they do not live that long (queue.DeathSeconds). What cannot
// be looked at or removed stays until the next time.
func (c *cleaner) cleanup() {
	now := c.now()
	_ = c.dir.EachName(string(queue.Pid), func(name string) bool {
		path := string(queue.Pid) + "/" + name
		if st, err := c.dir.Stat(path); err == nil && now >= st.Atime+queue.Ossified {
			_ = c.dir.Unlink(path)
		}
		return true
	})
	if c.orphans == 0 || now >= c.orphans+orphansEvery || now < c.orphans {
		c.orphans = now
		c.removeOrphans(now)
	}
}

// removeOrphans removes files of intd/ that have neither mess nor todo. No
// request will ever name them, and they would make qmail-queue fail when it
// gets their number. Atime alone, as for the others, would be too weak here:
// a restored file keeps it.
func (c *cleaner) removeOrphans(now int64) {
	_ = c.dir.EachName(string(queue.Intd), func(name string) bool {
		id, ok := queue.ParseID(name)
		if !ok || id.String() != name {
			return true
		}
		st, err := c.dir.Stat(queue.Intd.Path(id))
		if err == nil && now >= max(st.Atime, st.Mtime, st.Ctime)+queue.Ossified &&
			c.absent(queue.Mess.Path(id)) && c.absent(queue.Todo.Path(id)) {
			_ = c.dir.Unlink(queue.Intd.Path(id))
		}
		return true
	})
}

// absent tells whether the file certainly does not exist.
func (c *cleaner) absent(name string) bool {
	_, err := c.dir.Stat(name)
	return sys.IsNotExist(err)
}
