package mailtools

import (
	"bufio"
	"time"

	"goqmail/internal/address"
	"goqmail/internal/maildir"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

const maildirwatchFatal = "maildirwatch: fatal: "

// What maildirwatch shows and when.
const (
	watchTime = 30 * time.Second // between two looks
	watchText = 158              // bytes of subject and body, two lines of a terminal
	watchLine = 998              // bytes of sender, recipient and From field, each

	clearScreen = "\033[;H\033[;J"
	boldOn      = "\033[1m"
	boldOff     = "\033[0m"
)

// Maildirwatch is maildirwatch: it shows the new messages of a Maildir, that in
// its argument or else $MAILDIR, and again every 30 seconds, until a signal ends
// it. Spec: spec/local.md section 12.
func Maildirwatch(p *prog.Process) int {
	return watch(p, time.Sleep)
}

// watch is Maildirwatch with the waiting of the caller's.
func watch(p *prog.Process, sleep func(time.Duration)) int {
	path, ok := p.Env.Get("MAILDIR")
	if len(p.Args) > 1 {
		path, ok = p.Args[1], true
	}
	if !ok {
		return p.Die(exitTemporary, maildirwatchFatal, "MAILDIR not set")
	}
	dir, err := sys.Cwd().OpenSearchDir(path)
	if err != nil {
		return p.Die(exitTemporary, maildirwatchFatal, "unable to chdir to ", path, ": ", sys.ErrText(err))
	}
	defer func() { _ = dir.Close() }() // used for names only
	for {
		now := p.Now().Unix()
		maildir.Clean(dir, now)
		list, failed, err := maildir.ScanNew(dir, now)
		if err != nil {
			return p.Die(exitTemporary, maildirwatchFatal, "unable to scan $MAILDIR/", failed, ": ", sys.ErrText(err))
		}
		out := bufio.NewWriter(p.FD(1))
		_, _ = out.WriteString(clearScreen) // a failure shows in Flush
		for _, e := range list {
			if !showMessage(out, dir, e.Name) {
				return p.Die(exitTemporary, maildirwatchFatal, "trouble reading new message")
			}
		}
		if err := out.Flush(); err != nil {
			return p.Die(exitTemporary, maildirwatchFatal, "unable to write: ", sys.ErrText(err))
		}
		sleep(watchTime)
	}
}

// showMessage writes one message's lines; it is not ok if the message cannot be
// read. One that is gone meanwhile, or is no file, is passed over.
func showMessage(out *bufio.Writer, dir *sys.Dir, name string) (ok bool) {
	fd, err := dir.Open(name, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return true
	}
	defer func() { _ = fd.Close() }() // read only
	if st, err := fd.Stat(); err != nil || !st.IsRegular() {
		return true
	}
	g := glance{sender: "?", recipient: "?"}
	if g.take(fd, watchText) != nil {
		return false
	}
	line := func(s string, by byte) []byte { return address.Printable(s[:min(len(s), watchLine)], by) }
	parts := [][]byte{[]byte("FROM "), line(g.sender, '?'), []byte(" TO <"), line(g.recipient, '?'), []byte(">\n")}
	if g.from != "" {
		parts = append(parts, []byte(boldOn), line(g.from, '/'), []byte(boldOff+"\n"))
	}
	for _, part := range append(parts, address.Printable(g.text, '/'), []byte("\n\n")) {
		_, _ = out.Write(part) // a failure shows in Flush
	}
	return true
}
