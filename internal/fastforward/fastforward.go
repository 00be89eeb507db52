// Package fastforward is fastforward: run from a .qmail file, it forwards a
// message as the forwarding database says; package forwarddb has its format.
//
// Everything is looked up and read before anything is done. Then the programs
// run one after the other, and when all have succeeded the message is queued
// once for all recipients. So an attempt that fails has queued nothing, and
// what a program has done by then it does again at the next attempt.
//
// Spec: spec/fastforward.md section 4.
package fastforward

import (
	"errors"
	"io"
	"strconv"

	"goqmail/internal/dotqmail"
	"goqmail/internal/forwarddb"
	"goqmail/internal/prog"
	"goqmail/internal/qq"
	"goqmail/internal/queue"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
)

// Exit codes.
const (
	exitOK        = 0                 // forwarded; with -p: no such recipient
	exitStop      = dotqmail.ExitStop // with -p: forwarded
	exitPermanent = dotqmail.ExitPermanent
	exitTemporary = dotqmail.ExitTemporary
)

// Texts.
const (
	fatal     = "fastforward: fatal: "
	usage     = "fastforward: usage: fastforward [ -nNpP ] data.cdb"
	noMailbox = "Sorry, no mailbox here by that name. (#5.1.1)"
)

// noSender stands for the sender when there is no $SENDER, which qmail-local
// always sets: C's word, for those who try fastforward -n by hand.
const noSender = "original envelope sender"

// A fault ends the program: its exit code and what it says, with or without the
// program's name; "" when there is nothing to say.
type fault struct {
	code int
	text string
}

// Error is the text.
func (f *fault) Error() string { return f.text }

// permanent and temporary are faults that are said after the program's name.
func permanent(text string) error { return &fault{exitPermanent, fatal + text} }
func temporary(text string) error { return &fault{exitTemporary, fatal + text} }

// failed is the fault of a system call.
func failed(what string, err error) error { return temporary(what + ": " + sys.ErrText(err)) }

// options is the command line.
type options struct {
	show     bool // -n: say what would be done, on descriptor 2
	pass     bool // -p: who is not in the database is left to the rest of the .qmail file
	fromExt  bool // -d: the recipient is $DEFAULT@$HOST, not $RECIPIENT
	database string
}

// Run is fastforward.
func Run(p *prog.Process) int {
	prog.KeepSmall() // lists are held in memory
	code, err := run(p)
	if err == nil {
		return code
	}
	f, ok := err.(*fault)
	switch {
	case !ok:
		return p.Die(exitTemporary, fatal, sys.ErrText(err))
	case f.text == "":
		return f.code
	}
	return p.Die(f.code, f.text)
}

func run(p *prog.Process) (code int, err error) {
	o, err := parseOptions(p.Args[1:])
	if err != nil {
		return 0, err
	}
	db, err := openDatabase(o.database)
	if err != nil {
		return 0, err
	}
	defer db.close()
	rcpt, err := recipient(p.Env, o.fromExt)
	if err != nil {
		return 0, err
	}
	e := expansion{db: db}
	known, err := e.start(rcpt)
	switch {
	case err != nil:
		return 0, err
	case !known && o.pass:
		return exitOK, nil
	case !known:
		return 0, &fault{exitPermanent, noMailbox}
	}
	if err := e.finish(); err != nil {
		if o.show {
			p.Say(2, e.describePrograms()) // those before the trouble, as in C
		}
		return 0, err
	}
	e.sender = sender(p.Env, &e)
	if o.show {
		p.Say(2, e.describe())
	} else if err := deliver(p, &e); err != nil {
		return 0, err
	}
	if o.pass {
		return exitStop, nil
	}
	return exitOK, nil
}

// parseOptions reads the command line; words after the database count for
// nothing.
func parseOptions(args []string) (o options, err error) {
	opts := prog.NewOptions(args, "nNpPdD")
	for c := opts.Next(); c != 0; c = opts.Next() {
		switch c {
		case 'n', 'N':
			o.show = c == 'n'
		case 'p', 'P':
			o.pass = c == 'p'
		case 'd', 'D':
			o.fromExt = c == 'd'
		default:
			return o, &fault{exitPermanent, "fastforward: " + opts.Bad + "\n" + usage}
		}
	}
	if len(opts.Rest()) == 0 {
		return o, &fault{exitPermanent, usage}
	}
	o.database = opts.Rest()[0]
	return o, nil
}

// recipient is the address that the message came for.
func recipient(env prog.Env, fromExt bool) (string, error) {
	if !fromExt {
		rcpt, ok := env.Get("RECIPIENT")
		if !ok {
			return "", permanent("$RECIPIENT must be set")
		}
		return rcpt, nil
	}
	local, ok := env.Get("DEFAULT")
	if !ok {
		local, ok = env.Get("EXT")
	}
	if !ok {
		return "", permanent("$DEFAULT or $EXT must be set")
	}
	host, ok := env.Get("HOST")
	if !ok {
		return "", permanent("$HOST must be set")
	}
	return local + "@" + host, nil
}

// sender is the envelope sender of what is forwarded: the owner, or else
// $SENDER. A bounce and a double bounce keep theirs, so that
// one that cannot be delivered is not sent on to the owner and back.
func sender(env prog.Env, e *expansion) string {
	original, ok := env.Get("SENDER")
	switch {
	case ok && (original == "" || original == queue.SenderDoubleBounce):
		return original
	case e.hasOwner:
		return e.owner
	case ok:
		return original
	}
	return noSender
}

// deliver runs the programs, then queues the message.
func deliver(p *prog.Process, e *expansion) error {
	if len(e.programs)+len(e.recipients) > 0 && p.FD(0).WasClosed() {
		return failed("unable to read message", sys.ErrWasClosed) // no message is not an empty one
	}
	if len(e.programs) > 0 {
		// A descriptor that cannot be rewound is found before anything has run.
		if _, err := p.FD(0).Seek(0, io.SeekCurrent); err != nil {
			return failed("unable to rewind input", err)
		}
	}
	for _, c := range e.programs {
		if err := runProgram(p, c); err != nil {
			return err
		}
	}
	if len(e.recipients) == 0 {
		return nil
	}
	return forward(p, e)
}

// Where programs are.
const (
	shell         = "/bin/sh"
	preline       = "preline"
	prelineAtHome = "/bin/preline" // below the home, for a $PATH without bin
)

// runProgram runs a program of the database with the message on its descriptor
// 0, and goes back to the message's beginning.
func runProgram(p *prog.Process, c forwarddb.Command) error {
	proc, err := startProgram(p, c)
	if err != nil {
		what := "unable to run " + c.String()
		if sys.IsWouldBlock(err) || sys.IsNoMemory(err) {
			what = "unable to fork"
		}
		return failed(what, err)
	}
	st, err := proc.Wait()
	switch {
	case err != nil:
		return failed("wait failed in "+c.String(), err)
	case st.Crashed():
		return temporary("child crashed in " + c.String())
	case st.Code() == 0:
	case dotqmail.PermanentExit(st.Code()):
		return &fault{exitPermanent, ""}
	default:
		return &fault{exitTemporary, ""}
	}
	if _, err := p.FD(0).Seek(0, io.SeekStart); err != nil {
		return failed("unable to rewind input", err)
	}
	return nil
}

// startProgram starts it: a command for the shell, by way of preline where the
// message is to have three more lines.
func startProgram(p *prog.Process, c forwarddb.Command) (child.Process, error) {
	cmd := &child.Cmd{
		Path: shell, Args: []string{"sh", "-c", c.Text},
		Env:   child.WithoutRuntime(p.Env.List()),
		Files: []sys.FD{p.FD(0), p.FD(1), p.FD(2)},
	}
	if c.Kind == forwarddb.Program {
		return child.Start(cmd)
	}
	cmd.Path, cmd.Args = preline, append([]string{preline}, cmd.Args...)
	proc, err := child.StartSearch(cmd, child.SearchPath(p.Env.List()))
	if sys.IsNotExist(err) {
		cmd.Path = p.Home + prelineAtHome
		return child.Start(cmd)
	}
	return proc, err
}

// forward queues the rest of descriptor 0, with $DTLINE before it.
func forward(p *prog.Process, e *expansion) error {
	m, err := qq.Open(qq.Config{Home: p.Home, Env: p.Env.List()})
	if err != nil {
		return failed("unable to fork", err)
	}
	dtline, _ := p.Env.Get("DTLINE")
	_, _ = m.Write([]byte(dtline)) // a failure shows in Close
	if _, err := io.Copy(m, p.FD(0)); err != nil {
		m.Fail()
		_ = m.Close() // nothing is queued, as it should be
		return failed("unable to read message", err)
	}
	m.From(e.sender)
	for _, r := range e.recipients {
		m.To(r)
	}
	switch res := m.Close(); {
	case res == "":
		p.Say(2, "fastforward: qp ", strconv.Itoa(m.PID()), "\n")
		return nil
	case res[0] == 'D':
		return permanent(res[1:])
	default:
		return temporary(res[1:])
	}
}

// errText is the text for an error of reading the database or a list.
func errText(err error) string {
	var what textError
	if errors.As(err, &what) {
		return string(what)
	}
	return sys.ErrText(err)
}
