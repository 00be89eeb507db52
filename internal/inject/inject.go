// Package inject is qmail-inject: it reads a message as users and their
// programs write it, completes its header, finds sender and recipients, and
// queues it. Spec: spec/inject.md, sections 1 to 6.
package inject

import (
	"bufio"
	"io"
	"strconv"

	"goqmail/internal/address"
	"goqmail/internal/prog"
	"goqmail/internal/qq"
	"goqmail/internal/sys"
)

// Exit codes.
const (
	exitOK        = 0   // queued, or printed
	exitPermanent = 100 // the same message will fail again
	exitTemporary = 111
)

// A fault ends the program: what it says after its name, and its exit code.
type fault struct {
	code int
	text string // with its LF, if it is to have one
}

// Error is the text without the program's name.
func (f *fault) Error() string { return f.text }

// The faults. C qmail's "out of memory" does not exist: Go dies by itself.
var (
	errRead  = &fault{exitTemporary, "fatal: read error\n"}
	errWrite = &fault{exitTemporary, "fatal: write error\n"}
	errStart = &fault{exitTemporary, "fatal: unable to run qmail-queue\n"}
	errHome  = &fault{exitTemporary, "fatal: internal bug\n"}
)

// errParse is the fault of a field, control or variable that is no address
// list. The text follows as it is, with or without LF.
func errParse(text string) error {
	return &fault{exitPermanent, "fatal: unable to parse this line:\n" + text}
}

// A strategy says where recipients are taken from.
type strategy byte

// The strategies; the letters are the options.
const (
	fromEither strategy = 'A' // arguments if there are any, else header
	fromArgs   strategy = 'a'
	fromHeader strategy = 'h'
	fromBoth   strategy = 'H'
)

// An injector is one run of qmail-inject.
type injector struct {
	p    *prog.Process
	conf config

	// From the options.
	recipients strategy
	print      bool // -n
	args       []string

	sender    string
	hasSender bool // sender is decided

	msg headerInfo
}

// Run is qmail-inject.
func Run(p *prog.Process) int {
	prog.KeepSmall() // a header field is held in memory several times
	err := run(p)
	if err == nil {
		return exitOK
	}
	f, ok := err.(*fault)
	if !ok {
		f = errRead // the only errors of others are those of reading
	}
	p.Say(2, "qmail-inject: ", f.text)
	return f.code
}

// run does the work in the order of spec/inject.md section 1.
func run(p *prog.Process) error {
	in := &injector{p: p, recipients: fromEither}
	if err := in.conf.load(p); err != nil {
		return err
	}
	if err := in.options(); err != nil {
		return err
	}
	if p.FD(0).WasClosed() {
		return errRead // no message is not an empty one
	}
	input := bufio.NewReaderSize(p.FD(0), 32<<10)
	line, err := in.readHeader(input)
	if err != nil {
		return err
	}
	if err := in.defaultSender(); err != nil {
		return err
	}
	added, err := in.addedFields()
	if err != nil {
		return err
	}
	out, err := in.open()
	if err != nil {
		return err
	}
	if _, err = out.Write(append(added, in.msg.kept...)); err == nil {
		err = copyBody(out, line, input)
	}
	if err != nil {
		return out.giveUp(err)
	}
	return out.finish(in.sender, in.envelope())
}

// options reads the command line.
func (in *injector) options() error {
	opts := prog.NewOptions(in.p.Args[1:], "aAhHnNf:")
	for c := opts.Next(); c != 0; c = opts.Next() {
		switch c {
		case 'a', 'A', 'h', 'H':
			in.recipients = strategy(c)
		case 'n', 'N':
			in.print = c == 'n'
		case 'f':
			text := quoteArg(opts.Value)
			addr, err := in.conf.oneAddress(text)
			if err != nil {
				return errParse(text)
			}
			in.sender, in.hasSender = addr, true
		default:
			return &fault{exitPermanent, opts.Bad + "\n"}
		}
	}
	if in.recipients == fromEither {
		in.recipients = fromHeader
		if len(opts.Rest()) > 0 {
			in.recipients = fromArgs
		}
	}
	if in.recipients == fromHeader {
		return nil
	}
	for _, arg := range opts.Rest() {
		addr, err := in.conf.oneAddress(quoteArg(arg))
		if err != nil {
			return &fault{exitPermanent, "fatal: unable to parse address: " + arg + "\n"}
		}
		in.args = append(in.args, addr)
	}
	return nil
}

// quoteArg quotes an address of the command line so that all before its last @
// is one local part. Without @, all of it is; an empty one is no address.
func quoteArg(arg string) string {
	if _, _, ok := address.SplitLast(arg); ok || arg == "" {
		return address.Quote(arg)
	}
	return address.QuoteLocal(arg)
}

// envelope returns the recipients: arguments, then those of the header.
func (in *injector) envelope() []string {
	list := in.args
	if in.recipients == fromArgs {
		return list
	}
	if in.msg.resent {
		return append(list, in.msg.resentTo...)
	}
	return append(list, in.msg.to...)
}

// An output is where the message goes.
type output interface {
	io.Writer
	// finish ends the message and reports what became of it.
	finish(sender string, recipients []string) error
	// giveUp ends it so that nothing is queued, and returns err.
	giveUp(err error) error
}

// open starts the queue program, or the output on descriptor 1.
func (in *injector) open() (output, error) {
	if in.print {
		out := &printer{w: bufio.NewWriterSize(in.p.FD(1), 32<<10)}
		_, err := out.Write([]byte("Return-Path: <" + address.Quote(in.sender) + ">\n"))
		return out, err
	}
	m, err := qq.Open(qq.Config{Home: in.p.Home, Env: in.p.Env.List()})
	if err != nil {
		return nil, errStart
	}
	return queuer{m}, nil
}

// A queuer is the output into the queue.
type queuer struct{ *qq.Message }

func (q queuer) giveUp(err error) error {
	q.Fail()
	_ = q.Close() // nothing is queued, which is what was asked for
	return err
}

func (q queuer) finish(sender string, recipients []string) error {
	q.From(sender)
	for _, r := range recipients {
		q.To(r)
	}
	res := q.Close()
	if res == "" {
		return nil
	}
	f := &fault{exitTemporary, "fatal: " + res[1:] + "\n"}
	if res[0] == 'D' {
		f.code = exitPermanent
	}
	return f
}

// A printer is the output of -n.
type printer struct{ w *bufio.Writer }

func (o *printer) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	if err != nil {
		err = errWrite
	}
	return n, err
}

func (o *printer) giveUp(err error) error { return err }

func (o *printer) finish(string, []string) error {
	if o.w.Flush() != nil {
		return errWrite
	}
	return nil
}

// copyBody writes first, the body's line that ended the header if there is one,
// and the rest of the input. A last line without LF gets one.
func copyBody(out io.Writer, first []byte, rest *bufio.Reader) error {
	if len(first) == 0 {
		return nil
	}
	if _, err := out.Write(first); err != nil {
		return err
	}
	last := first[len(first)-1]
	buf := make([]byte, 32<<10)
	for {
		n, err := rest.Read(buf)
		if n > 0 {
			last = buf[n-1]
			if _, err := out.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return errRead
		}
	}
	if last == '\n' {
		return nil
	}
	_, err := out.Write([]byte{'\n'})
	return err
}

// messageTag is "TIME.PID", unique to one message.
func (in *injector) messageTag() string {
	return strconv.FormatInt(in.conf.now, 10) + "." + strconv.Itoa(sys.Getpid())
}
