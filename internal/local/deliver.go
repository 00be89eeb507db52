package local

import (
	"errors"
	"io"
	"strconv"

	"goqmail/internal/dotqmail"
	"goqmail/internal/maildir"
	"goqmail/internal/mbox"
	"goqmail/internal/qq"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
)

const shell = "/bin/sh"

const crashed = "Aack, child crashed. (#4.3.0)"

// obey follows the instructions in order: files and programs at once, forwards
// are collected for one message at the end. So what stands before an instruction
// that fails has been done, and is done again at the next attempt.
func (d *delivery) obey(instructions []dotqmail.Instruction, forwardOnly bool) error {
	for _, in := range instructions {
		var err error
		stop := false
		switch in.Kind {
		case dotqmail.List:
			forwardOnly = true
		case dotqmail.Forward:
			d.forwards++
			if !d.say("forward ", in) {
				d.recipients = append(d.recipients, in.Target())
			}
		case dotqmail.Maildir, dotqmail.Mbox:
			d.files++
			if forwardOnly {
				return temporary("Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)")
			}
			err = d.file(in)
		case dotqmail.Program:
			d.programs++
			if forwardOnly {
				return temporary("Uh-oh: .qmail has prog delivery but has x bit set. (#4.7.0)")
			}
			if !d.say("program ", in) {
				stop, err = d.program(in.Target())
			}
		}
		if stop || err != nil {
			return err
		}
	}
	return nil
}

// say prints an instruction for -n; it returns false when the instruction is to
// be obeyed instead.
func (d *delivery) say(what string, in dotqmail.Instruction) bool {
	if d.print {
		d.p.Say(1, what, in.Line, "\n")
	}
	return d.print
}

// file delivers into a Maildir or mbox.
func (d *delivery) file(in dotqmail.Instruction) error {
	if in.Kind == dotqmail.Maildir {
		if d.say("maildir ", in) {
			return nil
		}
		return d.maildir(in.Target())
	}
	if d.say("mbox ", in) {
		return nil
	}
	return d.mbox(in.Target())
}

func (d *delivery) maildir(name string) error {
	if err := d.rewind(); err != nil {
		return err
	}
	if d.maildirs.Now == nil {
		d.maildirs.PID, d.maildirs.Host, d.maildirs.Now = sys.Getpid(), sys.Hostname(), d.p.Now
	}
	err := d.maildirs.Deliver(d.dir, name, d.lines.returnPath+d.lines.deliveredTo, d.msg)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, maildir.ErrDirectory):
		return temporary("Unable to chdir to maildir. (#4.2.1)")
	case errors.Is(err, maildir.ErrTimeout):
		return temporary("Timeout on maildir delivery. (#4.3.0)")
	case errors.Is(err, maildir.ErrRead):
		return temporary("Unable to read message. (#4.3.0)")
	}
	return temporary("Temporary error on maildir delivery. (#4.3.0)")
}

func (d *delivery) mbox(name string) error {
	if err := d.rewind(); err != nil {
		return err
	}
	err := mbox.Append(d.dir, name, d.lines.from+d.lines.returnPath+d.lines.deliveredTo, d.msg)
	if err == nil {
		return nil
	}
	var e *mbox.Error
	stage := mbox.Write
	if errors.As(err, &e) {
		stage = e.Stage
	}
	switch stage {
	case mbox.Open:
		return temporary("Unable to open " + name + ": " + sys.ErrText(err) + ". (#4.2.1)")
	case mbox.Lock:
		return temporary("File has been locked for 30 seconds straight. (#4.3.0)")
	case mbox.Read:
		return temporary("Unable to read message: " + sys.ErrText(err) + ". (#4.3.0)")
	}
	return temporary("Unable to write " + name + ": " + sys.ErrText(err) + ". (#4.3.0)")
}

// program runs a command in the home directory, with the message as its
// descriptor 0 and the report as 1 and 2. stop says that it asked for no more
// instructions.
func (d *delivery) program(command string) (stop bool, err error) {
	if err := d.rewind(); err != nil {
		return false, err
	}
	proc, err := child.Start(&child.Cmd{
		Path: shell, Args: []string{shell, "-c", command}, Dir: d.home, Env: child.WithoutRuntime(d.env.List()),
		Files: []sys.FD{d.msg, d.p.FD(1), d.p.FD(2)},
	})
	if err != nil {
		if sys.IsWouldBlock(err) || sys.IsNoMemory(err) {
			return false, unableToFork(err)
		}
		return false, temporary("Unable to run " + shell + ": " + sys.ErrText(err) + ". (#4.3.0)")
	}
	st, err := proc.Wait()
	if err != nil || st.Crashed() {
		return false, temporary(crashed)
	}
	switch code := st.Code(); {
	case code == 0:
		return false, nil
	case code == dotqmail.ExitStop:
		return true, nil
	case dotqmail.PermanentExit(code):
		return false, permanent("")
	}
	return false, temporary("")
}

func unableToFork(err error) error {
	return temporary("Unable to fork: " + sys.ErrText(err) + ". (#4.3.0)")
}

// finish forwards the message to the collected recipients and reports what was
// done.
func (d *delivery) finish() error {
	did := "did " + strconv.Itoa(d.files) + "+" + strconv.Itoa(d.forwards) + "+" + strconv.Itoa(d.programs) + "\n"
	if len(d.recipients) > 0 {
		pid, err := d.forward()
		if err != nil {
			return err
		}
		did += "qp " + strconv.Itoa(pid) + "\n"
	}
	d.p.Say(1, did)
	return nil
}

// forward queues the message for all recipients, with our Delivered-To line on
// top, and returns the queue program's pid.
func (d *delivery) forward() (pid int, err error) {
	if err := d.rewind(); err != nil {
		return 0, err
	}
	m, err := qq.Open(qq.Config{Home: d.p.Home, Env: d.env.List()})
	if err != nil {
		return 0, unableToFork(err)
	}
	_, _ = m.Write([]byte(d.lines.deliveredTo)) // Close reports failures
	if err := copyMessage(m, d.msg); err != nil {
		m.Fail()
	}
	m.From(d.newSender)
	for _, r := range d.recipients {
		m.To(r)
	}
	if res := m.Close(); res != "" {
		text := "Unable to forward message: " + res[1:] + "."
		if res[0] == 'D' {
			return 0, permanent(text)
		}
		return 0, temporary(text)
	}
	return m.PID(), nil
}

// copyMessage gives the queue program the message; the error is that of reading
// it.
func copyMessage(m *qq.Message, msg io.Reader) error {
	_, err := io.CopyBuffer(struct{ io.Writer }{m}, struct{ io.Reader }{msg}, make([]byte, 32<<10))
	return err
}
