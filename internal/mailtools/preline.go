package mailtools

import (
	"io"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

const (
	prelineFatal = "preline: fatal: "
	prelineUsage = "preline: usage: preline cmd [ arg ... ]"
)

// Preline is preline, for .qmail files: it runs a command with $UFLINE, $RPLINE
// and $DTLINE before the message. Its exit code is the command's. All three
// variables must be there even if an option leaves one out.
// Spec: spec/local.md section 12.
func Preline(p *prog.Process) int {
	lines := [...]struct {
		name string
		off  byte // the option that leaves it out; its capital puts it back
		text string
		omit bool
	}{{name: "UFLINE", off: 'f'}, {name: "RPLINE", off: 'r'}, {name: "DTLINE", off: 'd'}}
	for i := range lines {
		var ok bool
		if lines[i].text, ok = p.Env.Get(lines[i].name); !ok {
			return p.Die(exitPermanent, prelineUsage)
		}
	}
	opts := prog.NewOptions(p.Args[1:], "frdFRD")
	for c := opts.Next(); c != 0; c = opts.Next() {
		if c == '?' {
			return p.Die(exitPermanent, "preline: ", opts.Bad, "\n", prelineUsage)
		}
		for i := range lines {
			if c == lines[i].off || c == lines[i].off-'a'+'A' {
				lines[i].omit = c == lines[i].off
			}
		}
	}
	command := opts.Rest()
	if len(command) == 0 {
		return p.Die(exitPermanent, prelineUsage)
	}
	var before []byte
	for _, l := range lines {
		if !l.omit {
			before = append(before, l.text...)
		}
	}
	return prelineRun(p, command, before)
}

// prelineRun runs the command with before and the rest of descriptor 0 on its
// descriptor 0.
func prelineRun(p *prog.Process, command []string, before []byte) int {
	r, w, err := sys.Pipe()
	if err != nil {
		return p.Die(exitTemporary, prelineFatal, "unable to create pipe: ", sys.ErrText(err))
	}
	// What the pipe holds goes in before the command runs. So a command that
	// exits without reading cannot make a short message fail by chance.
	rest, err := fillPipe(w, before, p.FD(0))
	if err != nil {
		return p.Die(exitTemporary, prelineFatal, "unable to copy input: ", sys.ErrText(err))
	}
	proc, err := startCommand(p, command, r)
	_ = r.Close() // a pipe's end that nothing was read from
	if err != nil {
		code := exitPermanent
		if sys.Temporary(err) {
			code = exitTemporary
		}
		return p.Die(code, prelineFatal, "unable to run ", command[0], ": ", sys.ErrText(err))
	}
	_, err = w.Write(rest)
	if err == nil {
		_, err = io.Copy(w, p.FD(0))
	}
	if err != nil {
		return p.Die(exitTemporary, prelineFatal, "unable to copy input: ", sys.ErrText(err))
	}
	_ = w.Close() // a pipe: nothing can be lost here
	code, ok := waitCommand(p, prelineFatal, proc)
	if !ok {
		return exitTemporary
	}
	return code
}

// fillPipe writes first and then in into the empty pipe w until it is full or
// in ends. It returns what it has read but not written.
func fillPipe(w sys.FD, first []byte, in io.Reader) (rest []byte, err error) {
	room := w.PipeCapacity()
	data := first
	for err == nil && len(data) < room {
		var n int
		buf := make([]byte, room-len(data))
		n, err = in.Read(buf)
		data = append(data, buf[:n]...)
	}
	if err != nil && err != io.EOF {
		return nil, err
	}
	n := min(room, len(data))
	_, err = w.Write(data[:n])
	return data[n:], err
}
