package mailtools

import (
	"io"

	"goqmail/internal/header"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
)

const predateFatal = "predate: fatal: "

// Predate is predate: it runs a command with a Date field in local time before
// what it has on descriptor 0. Its exit code is the command's.
// Spec: spec/inject.md section 8.
func Predate(p *prog.Process) int {
	if len(p.Args) < 2 {
		return p.Die(exitPermanent, "predate: usage: predate child")
	}
	return predate(p, p.Args[1:])
}

// Datemail is datemail: predate with sendmail as its command, so that the
// message has a Date field in local time. Its arguments are sendmail's.
// Spec: spec/inject.md section 8.
func Datemail(p *prog.Process) int {
	return predate(p, append([]string{p.Home + "/bin/sendmail"}, p.Args[1:]...))
}

// predate runs the command and feeds it.
func predate(p *prog.Process, command []string) int {
	if p.FD(0).WasClosed() { // no message is not an empty one
		return p.Die(exitTemporary, predateFatal, "unable to copy input: file descriptor not open")
	}
	r, w, err := sys.Pipe()
	if err != nil {
		return p.Die(exitTemporary, predateFatal, "unable to create pipe: ", sys.ErrText(err))
	}
	proc, err := startCommand(p, command, r)
	_ = r.Close() // a pipe's end that nothing was read from
	if err != nil {
		_ = w.Close() // nor written to
		if noProcess(err) {
			return p.Die(exitTemporary, predateFatal, "unable to fork: ", sys.ErrText(err))
		}
		return p.Die(exitTemporary, predateFatal, "unable to run ", command[0], ": ", sys.ErrText(err))
	}
	tz, set := p.Env.Get("TZ")
	now := p.Now().Unix()
	line := "Date: " + header.DateLocal(now, sys.ZoneOffset(tz, set, now)) + "\n"
	if err := feed(w, line, p.FD(0)); err != nil {
		return abandon(p, proc, w, err)
	}
	_ = w.Close() // a pipe: nothing can be lost here
	code, ok := waitCommand(p, predateFatal, proc)
	if !ok {
		return exitTemporary
	}
	return code
}

// feed writes first and then all of in to a command that reads w. The command
// may stop reading; the error is that of reading in.
func feed(w sys.FD, first string, in io.Reader) error {
	data := []byte(first)
	buf := make([]byte, 32<<10)
	for {
		if _, err := w.Write(data); err != nil {
			return nil // it wants no more
		}
		n, err := in.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		data = buf[:n]
	}
}

// sigTerm is the signal that abandon sends.
const sigTerm = 15

// abandon ends a command whose input cannot be read to the end. It is killed
// while its pipe is still open, so that it does not take what it has read for
// all of the message: qmail-inject would queue it.
func abandon(p *prog.Process, proc child.Process, w sys.FD, err error) int {
	_ = proc.Kill(sigTerm) // it may have ended
	_ = w.Close()          // for one that ignores the signal
	_, _ = proc.Wait()     // how it ended does not matter any more
	return p.Die(exitTemporary, predateFatal, "unable to copy input: ", sys.ErrText(err))
}
