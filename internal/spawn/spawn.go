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

// MinFiles is the number of descriptors that a spawner makes sure of at its
// start: a pipe and a message for each of 255 deliveries, and some to spare.
const MinFiles = 1024

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
	Slots   int                     // deliveries at once, 1 to pipe.MaxDelnum
	Deliver func(*Delivery) Verdict // does one delivery; called in a goroutine of its own
	Bug     Verdict                 // for a delivery that panicked

	busy     []atomic.Bool
	running  sync.WaitGroup
	outgoing chan pipe.Report
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
	e.outgoing = make(chan pipe.Report, queued)
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
	put([]byte{byte(e.Slots)}) // the grant, before everything else
	for r := range e.outgoing {
		put(r.Append(nil))
	}
	if !broken {
		_ = to.Close() // a pipe: what was written is out of our hands
	}
}

// read is the reader of commands. What comes there may be anything.
func (e *Engine) read(from sys.FD) {
	var d pipe.CommandDecoder
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		for _, b := range buf[:n] {
			if c, done, cerr := d.Push(b); done {
				e.command(c, cerr)
			}
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
func (e *Engine) report(delnum byte, v Verdict) {
	e.outgoing <- pipe.Report{Delnum: delnum, Letter: v.Letter, Text: v.Text}
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
