// Package queuetools has the programs with which an administrator looks into
// the queue: qmail-qread (also called mailq), qmail-qstat, qmail-tcpto and
// qmail-tcpok. They start nothing, and only qmail-tcpok writes.
//
// Spec: spec/logs.md sections 5 to 7, spec/remote.md section 7.
package queuetools

import (
	"errors"
	"strconv"

	"goqmail/internal/prog"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/tcpto"
)

// Exit codes of all these programs.
const (
	exitOK   = 0
	exitFail = 111 // they cannot do their work
)

// queueDir is the queue below the home directory.
const queueDir = "/queue"

// fatal says on descriptor 1, as C does, what failed, and returns the exit code.
func fatal(p *prog.Process, what string, err error) int {
	p.Say(1, "fatal: unable to ", what, ": ", sys.ErrText(err), "\n")
	return exitFail
}

// failedOp is the operation of the system call that failed.
func failedOp(err error) string {
	var e *sys.Error
	if errors.As(err, &e) {
		return e.Op
	}
	return ""
}

// Tcpto is qmail-tcpto: it lists the hosts that timed out since they last
// answered. Exit 0, or 111 with one line on descriptor 1.
func Tcpto(p *prog.Process) int {
	dir, err := sys.OpenDir(p.Home + queueDir)
	if err != nil {
		return fatal(p, "chdir", err)
	}
	defer func() { _ = dir.Close() }() // read only
	fd, err := tcpto.OpenLocked(dir)
	if err != nil {
		if failedOp(err) == "lock" {
			return fatal(p, "lock tcpto", err)
		}
		return fatal(p, "open tcpto", err)
	}
	records, err := tcpto.Read(fd)
	_ = fd.Close() // gives the lock back before the output may block
	if err != nil {
		return fatal(p, "read tcpto", err)
	}
	now := p.Now().Unix()
	var out []byte
	for _, r := range records {
		if r.Timeouts() < 1 {
			continue
		}
		for i, n := range r.IP {
			if i > 0 {
				out = append(out, '.')
			}
			out = strconv.AppendUint(out, uint64(n), 10)
		}
		out = append(out, " timed out "...)
		// C qmail: a time in the future shows as a huge unsigned number.
		out = strconv.AppendUint(out, uint64(now-int64(r.Time)), 10)
		out = append(out, " seconds ago; # recent timeouts: "...)
		out = append(strconv.AppendInt(out, int64(r.Timeouts()), 10), '\n')
	}
	p.Say(1, string(out))
	return exitOK
}

// Tcpok is qmail-tcpok: it forgets all hosts that timed out. Exit 0, or 111
// with one line on descriptor 2.
func Tcpok(p *prog.Process) int {
	die := func(what string, err error) int {
		return p.Die(exitFail, "qmail-tcpok: fatal: unable to ", what, ": ", sys.ErrText(err))
	}
	lock := p.Home + queueDir + "/lock"
	file := p.Home + queueDir + "/" + queue.LockTcpto
	for _, path := range []string{p.Home, lock} { // each has its own message
		dir, err := sys.OpenDir(path)
		if err != nil {
			return die("chdir to "+path, err)
		}
		_ = dir.Close() // nothing was written
	}
	dir, err := sys.OpenDir(p.Home + queueDir)
	if err != nil {
		return die("chdir to "+lock, err)
	}
	defer func() { _ = dir.Close() }() // nothing was written through it
	fd, err := tcpto.OpenLocked(dir)
	if err != nil {
		if failedOp(err) == "lock" {
			return die("lock "+file, err)
		}
		return die("write "+file, err)
	}
	err = tcpto.Zero(fd)
	if cerr := fd.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return die("clear "+file, err)
	}
	return exitOK
}
