// Package queue is the on-disk format of qmail's queue and the protocol of
// qmail-queue: names, records, limits, states and exit codes. It opens no
// file. Spec: spec/queue.md; the same bytes as every C qmail since 1.03.
//
// States of a message N (+ exists, - does not, ? may):
//
//	    mess intd todo info local remote bounce
//	S1   -    -    -    -    -     -      -     not here
//	S2   +    -    -    -    -     -      -     being written, or rubbish
//	S3   +    +    -    -    -     -      -     envelope being written, or rubbish
//	S4   +    ?    +    ?    ?     ?      -     accepted, not preprocessed
//	S5   +    -    -    +    ?     ?      ?     preprocessed
package queue

import (
	"strconv"

	"goqmail/internal/conf"
)

// An ID is a message number: the inode number of the message's file in mess/.
type ID uint64

// String is the number in decimal, without leading zeros.
func (id ID) String() string { return strconv.FormatUint(uint64(id), 10) }

// ParseID reads a file name of the queue. It accepts decimal digits only and
// refuses numbers over 2^64-1. Leading zeros are accepted as C does; a name
// that is not canonical (ParseID(s).String() != s) is never made by the suite.
func ParseID(s string) (ID, bool) {
	if s == "" {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return ID(n), err == nil
}

// Sub is the subdirectory of split directories that holds id: N mod conf-split.
func (id ID) Sub() string { return strconv.FormatUint(uint64(id)%conf.Split(), 10) }

// Split is "S/N", the form used in delivery commands: "20/457".
func (id ID) Split() string { return id.Sub() + "/" + id.String() }

// A Kind is one of the directories of the queue that hold a file per message.
type Kind string

// The kinds; each is also the directory's name below queue/.
const (
	Mess   Kind = "mess"   // the message; split
	Todo   Kind = "todo"   // envelope as accepted, hard link of intd; flat
	Intd   Kind = "intd"   // envelope being written; flat
	Info   Kind = "info"   // sender; mtime is the birth; split
	Local  Kind = "local"  // local recipients; split
	Remote Kind = "remote" // remote recipients; split
	Bounce Kind = "bounce" // text for the bounce message; flat
	Pid    Kind = "pid"    // temporary names PID.TIME.SEQ; flat
)

// Names of the fixed files in lock/.
const (
	LockTrigger   = "lock/trigger"   // FIFO that wakes qmail-send
	LockSendMutex = "lock/sendmutex" // flock held by qmail-send for life
	LockTcpto     = "lock/tcpto"     // hosts that timed out
)

// IsSplit tells whether the kind's directory has conf-split subdirectories.
func (k Kind) IsSplit() bool {
	switch k {
	case Mess, Info, Local, Remote:
		return true
	}
	return false
}

// Path names the file of id below queue/: "mess/20/457", "todo/457".
func (k Kind) Path(id ID) string {
	if k.IsSplit() {
		return string(k) + "/" + id.Split()
	}
	return string(k) + "/" + id.String()
}

// Dir is the directory below queue/ that holds the file of id: "mess/20", "todo".
func (k Kind) Dir(id ID) string {
	if k.IsSplit() {
		return string(k) + "/" + id.Sub()
	}
	return string(k)
}

// A Channel is local or remote; the values are those C qmail counts by.
type Channel int

// The channels.
const (
	ChanLocal  Channel = 0
	ChanRemote Channel = 1
	Channels           = 2
)

// Kind is the directory with the channel's recipients.
func (c Channel) Kind() Kind {
	if c == ChanLocal {
		return Local
	}
	return Remote
}

// String is the word used in logs: "local" or "remote".
func (c Channel) String() string { return string(c.Kind()) }

// PidName is the temporary name below pid/ for a qmail-queue process: PID.TIME.SEQ,
// SEQ from 1 to PidTries.
func PidName(pid int, time int64, seq int) string {
	return strconv.Itoa(pid) + "." + strconv.FormatInt(time, 10) + "." + strconv.Itoa(seq)
}

// Limits and times.
const (
	PidTries     = 9      // sequence numbers tried for a pid/ name
	MaxAddress   = 1002   // bytes of a sender or recipient, without its NUL
	DeathSeconds = 86400  // qmail-queue gives up after this long
	Ossified     = 129600 // age in seconds after which rubbish is removed
)

// Modes of the files made by qmail-queue (0644 under umask 033) and by
// qmail-send (0600 under umask 077).
const (
	ModeQueueFile = 0o644
	ModeSendFile  = 0o600
)
