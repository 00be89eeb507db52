package mbox2maildir

import (
	"strconv"
	"strings"

	"goqmail/internal/maildir"
	"goqmail/internal/sys"
)

// A journal gives the messages of an mbox their names. It is a file in the
// Maildir while an mbox is on its way:
//
//	mbox2maildir.DEV-INO    "TIME PID HOST" LF, at most journalSize bytes
//
// DEV and INO are the mbox's numbers in hexadecimal. The n-th message, from 1 on,
// is TIME.PID_n.HOST, so that a run which carries on an interrupted one finds
// what is in the Maildir already. What is no such line means nothing.
type journal struct {
	time int64
	pid  int
	host string
}

const journalSize = 200

// journalName is the name of the journal of an mbox.
func journalName(mbox sys.Info) string {
	return "mbox2maildir." + strconv.FormatUint(mbox.Dev, 16) + "-" + strconv.FormatUint(mbox.Ino, 16)
}

// parseJournal reads a journal's content.
func parseJournal(b []byte) (j journal, ok bool) {
	line, ok := strings.CutSuffix(string(b), "\n")
	parts := strings.Split(line, " ")
	if !ok || len(parts) != 3 {
		return j, false
	}
	var err1, err2 error
	j.time, err1 = strconv.ParseInt(parts[0], 10, 64)
	j.pid, err2 = strconv.Atoi(parts[1])
	j.host = parts[2]
	if err1 != nil || err2 != nil || j.time <= 0 || j.pid <= 0 || strings.ContainsAny(j.host, "/:\n\x00") {
		return j, false
	}
	return j, true
}

// hostName is this host's name, as far as a journal can hold it.
func hostName() string {
	host := sys.Hostname()
	if i := strings.IndexAny(host, "/: \n"); i >= 0 {
		host = host[:i]
	}
	if host == "" {
		return "localhost"
	}
	return host
}

// bytes is the content.
func (j journal) bytes() []byte {
	return []byte(strconv.FormatInt(j.time, 10) + " " + strconv.Itoa(j.pid) + " " + j.host + "\n")
}

// name is that of the n-th message. If another message has it, as it may when
// the mbox has changed since, another time counts up from 0.
func (j journal) name(n, another int) string {
	seq := strconv.Itoa(n)
	if another > 0 {
		seq += "_" + strconv.Itoa(another)
	}
	return maildir.Name(j.time, j.pid, seq, j.host)
}

// isName tells whether a message's unique name was made by the journal.
func (j journal) isName(base string) bool {
	return strings.HasPrefix(base, strconv.FormatInt(j.time, 10)+"."+strconv.Itoa(j.pid)+"_")
}
