// Package enqueue is qmail-queue: it reads a message and its envelope and puts
// them into the queue, or leaves nothing and says why by its exit code.
//
// Any user may run it, set-user-id qmailq, so it reads no environment, starts
// nothing, opens no socket and prints nothing but the lack of an account. Each
// of its files has one job in it: this one the process, message.go the
// message, store.go the system calls, worker.go several messages. Spec: spec/queue.md, sections 6, 7, 11.
package enqueue

import (
	"errors"
	"strconv"
	"time"

	"goqmail/internal/accounts"
	"goqmail/internal/header"
	"goqmail/internal/pipe"
	"goqmail/internal/prog"
	"goqmail/internal/queue"
	"goqmail/internal/role"
	"goqmail/internal/sys"
	"goqmail/internal/sys/shield"
	"goqmail/internal/sys/sig"
	"goqmail/internal/sys/sigexit"
	"goqmail/internal/trigger"
	"goqmail/internal/worker"
)

// umask makes queue.ModeQueueFile what files get, whoever the caller is.
const umask = 0o033

// Run is qmail-queue.
func Run(p *prog.Process) int {
	if err := settle(); err != nil {
		return queue.ExitBug
	}
	stderr := p.FD(2)
	if shield.Active() {
		stderr = shield.Stderr()
	}
	dir, err := sys.Cwd().OpenSearchDir(p.Home + "/queue")
	if err != nil {
		if _, err := sys.Cwd().OpenSearchDir(p.Home); err != nil {
			return queue.ExitHome
		}
		return queue.ExitQueueDir
	}
	uid := uint32(sys.Getuid())
	who, err := invoker(accounts.Quick(), uid)
	var missing *accounts.NotFound
	switch {
	case errors.As(err, &missing):
		_, _ = stderr.WriteString("fatal: " + missing.Error() + "\n") // nobody else to tell
		return queue.ExitSetID
	case err != nil:
		return queue.ExitConfig
	}
	hush(p)
	t := &taker{now: p.Now, dir: dir, uid: uid, who: who}
	if o := worker.Offered(p.Args[0], pipe.MarkQueue); o != nil {
		return t.serve(o)
	}
	return t.take(&diskStore{Dir: dir}, patient{p.FD(0)}, p.FD(1), wasClosed(p.FD(0)), sys.Getpid())
}

// A taker is what every message of this process has in common.
type taker struct {
	now func() time.Time
	dir *sys.Dir // the queue
	uid uint32   // of the caller
	who string   // header.By*
	buf []byte   // what the messages go through, one after the other
}

// take queues the message and wakes qmail-send.
func (t *taker) take(s *diskStore, message, envelope source, noMessage bool, pid int) int {
	j := &job{
		store: s, message: message, envelope: envelope, noMessage: noMessage,
		uid: t.uid, pid: pid, who: t.who, start: t.now().Unix(),
	}
	if t.buf == nil {
		t.buf = make([]byte, bufSize)
	}
	code := j.run(t.buf)
	if code == queue.ExitOK {
		trigger.Pull(t.dir)
	}
	return code
}

// wasClosed tells whether the program was started without its message, which must
// not count as an empty one.
func wasClosed(message sys.FD) bool {
	if shield.Active() {
		return shield.StdinClosed()
	}
	return message.WasClosed()
}

// settle makes the process independent of how it was started: signals, umask,
// and the death after queue.DeathSeconds. The kernel carries that death out, in
// whatever the process then hangs; nothing is cleaned up, as qmail-clean
// removes only what is older (queue.Ossified).
func settle() error {
	if err := sigexit.Unblock(); err != nil {
		return err
	}
	sig.Ignore(sig.PIPE, sig.VTALRM, sig.PROF, sig.QUIT, sig.INT, sig.HUP, sig.XCPU, sig.XFSZ)
	if err := sigexit.On(queue.ExitTimeout, sigexit.Alarm); err != nil {
		return err
	}
	if err := sigexit.On(queue.ExitBug, sigexit.Crash...); err != nil {
		return err
	}
	sys.Umask(umask)
	return sigexit.Death(queue.DeathSeconds * time.Second)
}

// hush makes a fatal error in the run-time, which nothing can catch, say nothing
// and end in SIGABRT, which is exit 81.
func hush(p *prog.Process) {
	prog.AbortOnFatal()
	if !shield.Active() {
		_ = p.FD(2).ToNull() // without /dev/null it would be shown; mail is taken all the same
	}
}

// invoker says in the words of the Received line who runs the program, by its
// real uid. All three accounts must exist, whoever it is.
func invoker(t *accounts.Table, uid uint32) (string, error) {
	who := ""
	for _, a := range [...]struct {
		user role.User
		text string
	}{{role.Alias, header.ByAlias}, {role.Daemon, header.ByNetwork}, {role.Send, header.ByBounce}} {
		n, err := t.UID(a.user)
		if err != nil {
			return "", err
		}
		if n == uid && who == "" {
			who = a.text
		}
	}
	if who == "" {
		who = header.ByUID + strconv.FormatUint(uint64(uid), 10)
	}
	return who, nil
}
