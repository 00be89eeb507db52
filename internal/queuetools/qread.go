package queuetools

import (
	"bufio"
	"io"
	"slices"
	"strconv"

	"goqmail/internal/address"
	"goqmail/internal/conf"
	"goqmail/internal/header"
	"goqmail/internal/prog"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
)

// maxRecord is the longest record that is read, in bytes; it is an address. An
// info file has one, a channel file one for each recipient.
const maxRecord = 1 << 16

// A badFormat is the trouble with a file that does not hold what it should.
type badFormat string

func (b badFormat) Error() string { return "bad format of " + string(b) + " file" }

// qread is one run of qmail-qread.
type qread struct {
	dir *sys.Dir      // the queue
	in  *bufio.Reader // of the channel file that is being read
	out *bufio.Writer
}

// Qread is qmail-qread: it lists each preprocessed message with its recipients.
// All output, errors too, goes to descriptor 1. A message that cannot be read
// gives a warning; exit 111 only when a directory cannot be read.
func Qread(p *prog.Process) int {
	dir, err := sys.OpenDir(p.Home + queueDir)
	if err != nil {
		return fatal(p, "chdir", err)
	}
	defer func() { _ = dir.Close() }() // read only
	q := &qread{dir: dir, in: bufio.NewReaderSize(nil, maxRecord), out: bufio.NewWriterSize(p.FD(1), 1<<16)}
	for split := range conf.Split() {
		name := string(queue.Info) + "/" + strconv.FormatUint(split, 10)
		ids, err := q.list(name)
		for _, id := range ids {
			q.message(id)
		}
		if err != nil {
			_ = q.out.Flush() // there is nobody else to tell
			return fatal(p, "opendir "+name, err)
		}
	}
	_ = q.out.Flush() // there is nobody else to tell
	return exitOK
}

// list is the message numbers in a directory, in order.
func (q *qread) list(name string) ([]queue.ID, error) {
	var ids []queue.ID
	err := q.dir.EachName(name, func(s string) bool {
		if id, ok := queue.ParseID(s); ok {
			ids = append(ids, id)
		}
		return true
	})
	slices.Sort(ids)
	return ids, err
}

// message shows one message. Trouble ends it with a warning; what is known by
// then has been shown.
func (q *qread) message(id queue.ID) {
	err := q.headline(id)
	for _, c := range []queue.Channel{queue.ChanLocal, queue.ChanRemote} {
		if err == nil {
			err = q.recipients(id, c)
		}
	}
	if err != nil {
		text := sys.ErrText(err)
		if bad, ok := err.(badFormat); ok {
			text = bad.Error()
		}
		q.say("warning: trouble with #", id.String(), ": ", text, "\n")
	}
}

// headline shows birth, number, size, sender, and whether something bounced.
func (q *qread) headline(id queue.ID) error {
	mess, err := q.dir.Stat(queue.Mess.Path(id))
	if err != nil {
		return err
	}
	info, err := q.dir.Stat(queue.Info.Path(id))
	if err != nil {
		return err
	}
	b, err := q.dir.ReadFile(queue.Info.Path(id), maxRecord)
	if err != nil {
		return err
	}
	sender, ok := queue.ParseInfo(b)
	if !ok {
		return badFormat(queue.Info)
	}
	bouncing := ""
	if _, err := q.dir.Stat(queue.Bounce.Path(id)); err == nil {
		bouncing = " bouncing"
	} else if !sys.IsNotExist(err) {
		return err
	}
	q.say(header.Date(info.Mtime), " GMT  #", id.String(), "  ", strconv.FormatInt(mess.Size, 10),
		"  <", clean(sender), "> ", bouncing, "\n")
	return nil
}

// recipients shows what a channel file has; there may be none. An incomplete
// last record and records of other letters are not shown.
func (q *qread) recipients(id queue.ID, c queue.Channel) error {
	fd, err := q.dir.Open(c.Kind().Path(id), sys.ReadOnly|sys.NonBlock, 0)
	if sys.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = fd.Close() }() // read only
	q.in.Reset(fd)
	for {
		b, err := q.in.ReadSlice(0)
		switch err {
		case nil:
		case io.EOF:
			return nil
		case bufio.ErrBufferFull:
			return badFormat(c.Kind())
		default:
			return err
		}
		r, _, _ := queue.NextRecord(b)
		switch r.Letter {
		case queue.LetterRecipient:
			q.say("\t", c.String(), "\t", clean(r.Text), "\n")
		case queue.LetterDone:
			q.say("  done\t", c.String(), "\t", clean(r.Text), "\n")
		}
	}
}

// say adds to the output; bufio keeps the first error.
func (q *qread) say(parts ...string) {
	for _, s := range parts {
		_, _ = q.out.WriteString(s)
	}
}

// clean is an address as it is shown.
func clean(s string) string { return string(address.Printable(s, '_')) }

// Qstat is qmail-qstat: how many messages are in the queue, and how many of
// them qmail-send has not looked at. Exit 0, or 111 with one line on
// descriptor 2.
func Qstat(p *prog.Process) int {
	dir, err := sys.OpenDir(p.Home + queueDir)
	if err != nil {
		return p.Die(exitFail, "qmail-qstat: fatal: unable to chdir to ", p.Home+queueDir, ": ", sys.ErrText(err))
	}
	defer func() { _ = dir.Close() }() // read only
	var counts [2]int
	for i, kind := range []queue.Kind{queue.Mess, queue.Todo} {
		if counts[i], err = countFiles(dir, string(kind)); err != nil {
			return p.Die(exitFail, "qmail-qstat: fatal: unable to read ", p.Home+queueDir, "/", string(kind), ": ", sys.ErrText(err))
		}
	}
	p.Say(1, "messages in queue: ", strconv.Itoa(counts[0]),
		"\nmessages in queue but not yet preprocessed: ", strconv.Itoa(counts[1]), "\n")
	return exitOK
}

// countFiles is the number of regular files below a directory, at any depth.
// Files that go away meanwhile are not counted.
func countFiles(dir *sys.Dir, name string) (n int, err error) {
	var subs []string
	err = dir.EachName(name, func(s string) bool {
		st, serr := dir.Lstat(name + "/" + s)
		switch {
		case serr != nil:
		case st.IsRegular():
			n++
		case st.IsDir():
			subs = append(subs, name+"/"+s)
		}
		return true
	})
	for _, s := range subs {
		if err == nil {
			var more int
			more, err = countFiles(dir, s)
			n += more
		}
	}
	return n, err
}
