package spawn

import (
	"goqmail/internal/pipe"
	"goqmail/internal/sys"
)

// Reports that the engine itself gives (spec/spawn.md section 3).
var (
	outOfMemory = Verdict{pipe.Deferral, "qmail-spawn out of memory. (#4.3.0)\n"}
	tooBig      = Verdict{pipe.Deferral, "Internal error: delnum too big. (#4.3.5)\n"}
	inUse       = Verdict{pipe.Deferral, "Internal error: delnum in use. (#4.3.5)\n"}
	nonNumeric  = Verdict{pipe.Failure, "Internal error: messid has nonnumerics. (#5.3.5)\n"}
	tooLong     = Verdict{pipe.Failure, "Internal error: messid too long. (#5.3.5)\n"}
	tooShort    = Verdict{pipe.Failure, "Internal error: messid too short. (#5.3.5)\n"}
	noHost      = Verdict{pipe.Failure, "Sorry, address must include host name. (#5.1.3)\n"}
	noOpen      = Verdict{pipe.Deferral, "qmail-spawn unable to open message. (#4.3.0)\n"}
	noStat      = Verdict{pipe.Deferral, "qmail-spawn unable to fstat message. (#4.3.0)\n"}
	wrongType   = Verdict{pipe.Deferral, "Sorry, message has wrong type. (#4.3.5)\n"}
	wrongOwner  = Verdict{pipe.Deferral, "Sorry, message has wrong owner. (#4.3.5)\n"}
	noPipe      = Verdict{pipe.Deferral, "qmail-spawn unable to create pipe. (#4.3.0)\n"}
	noFork      = Verdict{pipe.Deferral, "qmail-spawn unable to fork. (#4.3.0)\n"}
)

// check applies the checks of a command in their order. d is nil when one
// fails, and v then is the report. The message name consists of digits and
// slashes only and does not begin with a slash, so it stays below queue/mess.
func (e *Engine) check(c pipe.DeliveryCommand) (d *Delivery, v Verdict) {
	d = &Delivery{Sender: c.Sender, Recipient: c.Recipient}
	switch {
	case uint64(c.Delnum) >= uint64(e.numbers()):
		return nil, tooBig
	case e.busy[c.Delnum].Load():
		return nil, inUse
	case !numeric(c.Mess):
		return nil, nonNumeric
	case len(c.Mess)+1 > pipe.MessMax:
		return nil, tooLong
	case c.Mess == "":
		return nil, tooShort
	case !d.split():
		return nil, noHost
	}
	if d.message, v = e.open(c.Mess); v.Letter != 0 {
		return nil, v
	}
	return d, Verdict{}
}

// numeric tells whether a message name has only digits, and slashes after its
// first byte.
func numeric(name string) bool {
	for i := 0; i < len(name); i++ {
		if (name[i] < '0' || name[i] > '9') && (name[i] != '/' || i == 0) {
			return false
		}
	}
	return true
}

// open opens a message file. A FIFO in its place must not hang the spawner.
func (e *Engine) open(name string) (fd sys.FD, v Verdict) {
	fd, err := e.Mess.Open(name, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return -1, noOpen
	}
	st, err := fd.Stat()
	switch {
	case err != nil:
		v = noStat
	case !st.IsRegular():
		v = wrongType
	case st.UID != e.Owner:
		v = wrongOwner
	default:
		return fd, Verdict{}
	}
	_ = fd.Close() // opened for reading
	return -1, v
}
