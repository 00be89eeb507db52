package enqueue

import (
	"io"
	"time"

	"goqmail/internal/header"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
)

// Sizes and times of our own choice.
const (
	// bufSize is how much is read and written at once: memory does not grow
	// with the message.
	bufSize = 128 << 10
	// writebackStep is after how many bytes of the message the kernel is asked
	// to begin writing them to disk, so that the flush at its end is short.
	writebackStep = 8 << 20
	// envelopeGrace is how long the flush of the message waits for an envelope
	// that is not there yet; see awaitEnvelope.
	envelopeGrace = 20 * time.Millisecond
)

// A job is one message on its way into the queue.
//
// What exists on disk after each step, which is what a crash after it leaves:
//
//	S1  create a file          nothing            it has no name
//	S2  link to mess/S/N       mess               removed after 36 hours
//	S3  create intd/N          mess, intd         removed after 36 hours
//	S4  link to todo/N         mess, intd, todo   the message is queued
//
// Where the kernel or the file system has no files without names, or cannot give
// them one later, S1 and S2 are those of C qmail:
//
//	S1  create pid/P           pid/P              removed after 36 hours
//	S2  link to mess/S/N       pid/P, mess        both removed after 36 hours
//	    unlink pid/P           mess               removed after 36 hours
//
// Without a name in pid/ the directory is not locked while the file is made, and
// has two changes less. Nothing else depends on it: the file has its name in mess/
// before the first byte is written and before the first flush, so no flush is of
// a file that a check of the disk would take for one that was removed.
//
// A loss of power may undo any of these steps that was not flushed, in any
// order. Therefore, with F for a flush:
//
//	F mess/S/N, F mess/S       the message and its name
//	F intd/N                   the envelope
//	link todo/N                only now: todo/N on disk always has its mess and
//	                           an envelope that is complete
//	F todo                     the name by which qmail-send finds it; exit 0
//
// The first three flushes wait for the disk together, so there are two waits; a
// directory that is flushed after its file, and not beside it, would cost the
// disk one more. The name intd/N is not flushed: nothing rests on it, as todo/N
// is another name of the same file, and qmail-clean takes it for removed if it
// is not there. Before the last flush returns the caller knows nothing: a loss
// of power may leave S3 or S4, and both are allowed.
type job struct {
	store     store
	message   source
	envelope  source
	noMessage bool // descriptor 0 was closed: not an empty message
	uid       uint32
	pid       int
	who       string // header.By*
	start     int64  // Unix time

	id       queue.ID
	mess     file
	intd     file       // nil: not made
	messSync chan error // the results of flushing mess will come here; nil: not begun, or known
	messErr  error      // the result, once known
	linked   bool       // todo/N was or may have been linked to intd
}

// run queues the message and returns an exit code. Files that are left over
// when it fails are removed, except after ExitMessFile and ExitPidFile, which
// leave what they have to the 36-hour rule.
// buf has bufSize bytes; nothing of what is in it before is used.
func (j *job) run(buf []byte) int {
	if code := j.createMess(); code != queue.ExitOK {
		return code
	}
	for _, step := range [...]func([]byte) int{j.copyMessage, j.copyEnvelope, j.commit} {
		if code := step(buf); code != queue.ExitOK {
			return j.giveUp(code)
		}
	}
	return queue.ExitOK
}

// createMess makes the file that gives the message its number, which is known
// only then. It has no name before that in mess/, or, where that cannot be, one
// in pid/ that is ours alone.
func (j *job) createMess() int {
	f, err := j.store.CreateUnnamed()
	if err != nil {
		return j.createPid(nil)
	}
	if ino, err := f.Ino(); err == nil {
		j.id = queue.ID(ino)
		if f.LinkTo(queue.Mess.Path(j.id)) == nil {
			j.mess = f
			return queue.ExitOK
		}
	}
	return j.createPid(f)
}

// createPid is createMess by way of pid/. unnamed, if there is one, could not be
// given its name in mess/; if it can be given one in pid/ it is used, so that
// what fails now, and what that leaves, are the same in both cases.
func (j *job) createPid(unnamed file) int {
	var f file
	var name string
	err := error(sys.ErrTimeout) // for a queue.PidTries of 0
	for seq := 1; seq <= queue.PidTries; seq++ {
		name = string(queue.Pid) + "/" + queue.PidName(j.pid, j.start, seq)
		if unnamed != nil && unnamed.LinkTo(name) == nil {
			f, err = unnamed, nil
			break
		}
		if f, err = j.store.Create(name); err == nil {
			break
		}
	}
	if err != nil {
		return queue.ExitPidFile
	}
	ino, err := f.Ino()
	if err != nil {
		return queue.ExitPidFile
	}
	j.id = queue.ID(ino)
	if j.store.Link(name, queue.Mess.Path(j.id)) != nil {
		return queue.ExitMessFile
	}
	if j.store.Unlink(name) != nil {
		return queue.ExitPidFile
	}
	j.mess = f
	return queue.ExitOK
}

// copyMessage writes the Received line and the message.
func (j *job) copyMessage(buf []byte) int {
	if j.noMessage {
		return queue.ExitRead
	}
	n := copy(buf, header.ReceivedQueue(j.pid, j.who, j.start))
	pending := 0 // bytes written since the last StartWriteback
	for {
		m, err := j.message.Read(buf[n:])
		n += m
		if err != nil && err != io.EOF {
			return queue.ExitRead
		}
		if err == nil && n < len(buf) {
			continue
		}
		if _, werr := j.mess.Write(buf[:n]); werr != nil {
			return queue.ExitWrite
		}
		if err == io.EOF {
			return queue.ExitOK
		}
		if pending += n; pending >= writebackStep {
			j.mess.StartWriteback()
			pending = 0
		}
		n = 0
	}
}

// copyEnvelope makes intd/N: who brought the message, and the envelope without
// the NUL that ends it.
func (j *job) copyEnvelope(buf []byte) int {
	f, err := j.store.Create(queue.Intd.Path(j.id))
	if err != nil {
		return queue.ExitIntdFile
	}
	j.intd = f
	n := len(queue.AppendOrigin(buf[:0], j.uid, j.pid))
	var check queue.EnvelopeChecker
	for {
		j.awaitEnvelope()
		m, err := j.envelope.Read(buf[n:])
		for end := n + m; n < end; n++ {
			store, done, code := check.Push(buf[n])
			if code != 0 {
				return code
			}
			if done {
				return writeAll(f, buf[:n])
			}
			if !store {
				return queue.ExitBug // the checker stores all but the end
			}
		}
		if err != nil {
			return queue.ExitRead // io.EOF too: the caller gave up
		}
		if n == len(buf) {
			if code := writeAll(f, buf); code != queue.ExitOK {
				return code
			}
			n = 0
		}
	}
}

// writeAll writes b or returns ExitWrite.
func writeAll(f file, b []byte) int {
	if _, err := f.Write(b); err != nil {
		return queue.ExitWrite
	}
	return queue.ExitOK
}

// awaitEnvelope begins to flush the message if the envelope lets itself be
// waited for. Usually the envelope is there at once: then both files are
// flushed at the same time, which is one commit of the file system's journal
// instead of two.
func (j *job) awaitEnvelope() {
	if j.messSync == nil && !j.envelope.ReadyWithin(envelopeGrace) {
		j.startMessSync()
	}
}

// startMessSync flushes the message, and its name beside it, in the background.
func (j *job) startMessSync() {
	done := make(chan error, messFlushes)
	j.messSync = done
	for _, flush := range [messFlushes]func() error{j.mess.Sync, j.flushMessDir} {
		go func() {
			defer func() {
				if recover() != nil {
					sys.Exit(queue.ExitBug) // as prog.MainSilent does for the main goroutine
				}
			}()
			done <- flush()
		}()
	}
}

// messFlushes is how many flushes the message takes.
const messFlushes = 2

// flushMessDir flushes the directory with the message's name.
func (j *job) flushMessDir() error {
	d, err := j.store.OpenDir(queue.Mess.Dir(j.id))
	if err != nil {
		return err
	}
	return d.Sync()
}

// commit makes everything durable and queues the message by its link in todo.
func (j *job) commit([]byte) int {
	if j.messSync == nil {
		// With both files' blocks allocated before the first flush begins, one
		// commit of the journal has both.
		j.mess.StartWriteback()
		j.intd.StartWriteback()
		j.startMessSync()
	}
	err := j.intd.Sync()
	if merr := j.awaitMessSync(); err != nil || merr != nil {
		return queue.ExitWrite
	}
	// Opened before the link, so that nothing but the flush can fail after it.
	todo, err := j.store.OpenDir(queue.Todo.Dir(j.id))
	if err != nil {
		return queue.ExitTodoFile
	}
	j.linked = true
	if j.store.Link(queue.Intd.Path(j.id), queue.Todo.Path(j.id)) != nil {
		return queue.ExitTodoFile
	}
	if todo.Sync() != nil {
		// qmail-send may have the message already, so mess and intd stay. If
		// it has, the caller's next try is a duplicate; if not, qmail-clean
		// removes both in time.
		_ = j.store.Unlink(queue.Todo.Path(j.id)) // if it stays: a duplicate
		j.intd, j.mess = nil, nil
		return queue.ExitWrite
	}
	if j.mess.Gone() && j.store.Unlink(queue.Todo.Path(j.id)) == nil {
		// The clock was set forward by days, and qmail-send had mess/N removed
		// as rubbish before it could see todo/N. Where todo/N has gone as well
		// the message was delivered meanwhile.
		j.intd, j.mess = nil, nil
		return queue.ExitWrite
	}
	return queue.ExitOK
}

// awaitMessSync is the result of flushing the message, if that was begun.
func (j *job) awaitMessSync() error {
	for i := 0; j.messSync != nil && i < messFlushes; i++ {
		if err := <-j.messSync; err != nil {
			j.messErr = err
		}
	}
	j.messSync = nil
	return j.messErr
}

// giveUp removes the files of a message that is not queued: intd first, so that
// intd without mess is never left; what cannot be removed stays for the
// 36-hour rule. A flush of the message that failed meanwhile is the reason
// given, whatever code says.
func (j *job) giveUp(code int) int {
	if j.awaitMessSync() != nil {
		code = queue.ExitWrite
	}
	if j.intd != nil {
		if !j.linked {
			_ = j.intd.Truncate(0) // frees the space even if the name stays
		}
		if j.store.Unlink(queue.Intd.Path(j.id)) != nil {
			return code
		}
	}
	if j.mess != nil {
		if !j.linked {
			_ = j.mess.Truncate(0) // as above
		}
		_ = j.store.Unlink(queue.Mess.Path(j.id)) // if it stays: the 36-hour rule
	}
	return code
}
