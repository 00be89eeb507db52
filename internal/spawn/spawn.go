// Package spawn is the engine that qmail-lspawn and qmail-rspawn share: it takes
// delivery commands from qmail-send, checks them, runs deliveries side by side,
// and gives one report for each. What a delivery is, the program says. Spec:
// spec/spawn.md sections 1 to 4 and 9.
//
// Three kinds of goroutines, each the owner of its descriptor:
//
//	reader     reads commands, checks them in order, marks slots busy
//	deliveries one for each busy slot; waits without holding a thread
//	writer     writes reports, whole and in the order in which they came
//
// A slot is given back before its report is written, so that qmail-send, which
// may use the number again as soon as it has read the report, never meets it
// busy. Nothing is logged: descriptor 2 is not open.
package spawn

import (
	"sync"
	"sync/atomic"

	"goqmail/internal/address"
	"goqmail/internal/pipe"
	"goqmail/internal/sys"
)

// A Verdict is what becomes of a delivery: Success, Deferral or Failure of
// package pipe, and a text, which counts up to its first NUL.
type Verdict struct {
	Letter byte
	Text   string
}

// A Delivery is a command that passed all checks.
type Delivery struct {
	Sender    string
	Recipient string
	Local     string // the recipient before its last @
	Host      string // and after it

	message sys.FD // the message file, at its start; -1 when given to a program
}

// An Engine runs deliveries. Its fields are set before Serve.
type Engine struct {
	Mess    *sys.Dir                // queue/mess; message names are looked up below it
	Owner   uint32                  // uid that message files must have: qmailq's
	Slots   int                     // deliveries at once, 1 to pipe.SpawnMax
	Deliver func(*Delivery) Verdict // does one delivery; called in a goroutine of its own
	Bug     Verdict                 // for a delivery that panicked

	busy     []atomic.Bool
	wide     bool // the reader's: delivery numbers have four bytes from now on
	running  sync.WaitGroup
	outgoing chan outgoing
}

// outgoing is a report on its way to the writer.
type outgoing struct {
	pipe.Report
	wide bool
}

// queued is how many reports may wait for the writer. When that many do, the
// reader of commands waits too.
const queued = 16

// Serve announces the number of slots on reports, reads commands until their
// end, or an error, and returns when the last delivery has ended and its report
// is written. It closes reports, also when nobody reads there any more; the
// reports of deliveries that still run are dropped then, and qmail-send, or the
// next one, repeats those deliveries.
func (e *Engine) Serve(commands, reports sys.FD) {
	_ = sys.PreparePipes() // if it fails, deliveries do as well, and say so
	e.busy = make([]atomic.Bool, e.Slots)
	e.outgoing = make(chan outgoing, queued)
	written := make(chan struct{})
	go func() {
		e.write(reports)
		close(written)
	}()
	e.read(commands)
	e.running.Wait()
	close(e.outgoing)
	<-written
}

// write is the writer.
func (e *Engine) write(to sys.FD) {
	broken := false
	put := func(b []byte) {
		if broken {
			return
		}
		if _, err := to.Write(b); err != nil {
			_ = to.Close() // nobody reads; see Serve
			broken = true
		}
	}
	put([]byte{byte(min(e.Slots, pipe.MaxDelnum))}) // the grant, before everything else
	for r := range e.outgoing {
		if r.wide {
			put(r.AppendWide(nil))
		} else {
			put(r.Append(nil))
		}
	}
	if !broken {
		_ = to.Close() // a pipe: what was written is out of our hands
	}
}

// read is the reader of commands. What comes there may be anything. The first may
// be the probe for the wide protocol, which is agreed to if there is a use for it.
func (e *Engine) read(from sys.FD) {
	var d pipe.CommandDecoder
	first := true
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		for _, b := range buf[:n] {
			c, done, cerr := d.Push(b)
			if !done {
				continue
			}
			if first && cerr == nil && c == pipe.Probe && e.Slots > pipe.MaxDelnum {
				e.outgoing <- outgoing{pipe.ProbeReport(e.Slots), false}
				e.wide, d.Wide = true, true
			} else {
				e.command(c, cerr)
			}
			first = false
		}
		if err != nil {
			return
		}
	}
}

// command answers one command: by a report, or by a delivery that will report.
func (e *Engine) command(c pipe.DeliveryCommand, err error) {
	var d *Delivery
	v := outOfMemory
	if err == nil {
		d, v = e.check(c)
	}
	if d == nil {
		e.report(c.Delnum, v)
		return
	}
	e.busy[c.Delnum].Store(true)
	e.running.Go(func() {
		v := e.run(d)
		e.busy[c.Delnum].Store(false)
		e.report(c.Delnum, v)
	})
}

// report gives a report to the writer.
func (e *Engine) report(delnum uint32, v Verdict) {
	e.outgoing <- outgoing{pipe.Report{Delnum: delnum, Letter: v.Letter, Text: v.Text}, e.wide}
}

// numbers is how many delivery numbers there are: in the one-byte protocol 255 is
// not one, whatever the number of slots.
func (e *Engine) numbers() int {
	if e.wide {
		return e.Slots
	}
	return min(e.Slots, pipe.MaxDelnum)
}

// run does one delivery. A panic costs this delivery an attempt, and not all
// others their reports.
func (e *Engine) run(d *Delivery) (v Verdict) {
	defer func() {
		if recover() != nil {
			v = e.Bug
		}
		d.closeMessage()
	}()
	return e.Deliver(d)
}

// split fills in the two sides of the recipient.
func (d *Delivery) split() (ok bool) {
	d.Local, d.Host, ok = address.SplitLast(d.Recipient)
	return ok
}
