package ucspitools

import (
	"bytes"
	"strconv"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
)

// Names under which recordio and fixcrio start themselves again, for the
// copying, and its descriptors besides 0, 1 and 2. The names tell the two
// processes apart in ps.
const (
	recordioCopier = "recordio-copier"
	fixcrioCopier  = "fixcrio-copier"

	fdProgramIn  = 3 // to the program's descriptor 0
	fdProgramOut = 4 // from its descriptor 1
	fdReady      = 5 // closed when the copying has begun
)

// Recordio is recordio PROGRAM [ARGS]: it becomes the program, whose descriptors
// 0 and 1 are pipes to a child of its own, which passes everything on and writes
// down what it sees (see lines). So the program has the process number, the
// signals, the parent and the exit code that it has without recordio.
func Recordio(p *prog.Process) int {
	if p.Args[0] == recordioCopier && len(p.Args) == 2 {
		return copier(p, &lines{pid: p.Args[1], say: func(line []byte) {
			_, _ = p.FD(2).Write(line) // nobody is left to be told
		}}, nil, nil)
	}
	if len(p.Args) < 2 {
		return p.Die(exitUsage, "recordio: usage: recordio program [ arg ... ]")
	}
	return between(p, "recordio", []string{recordioCopier, strconv.Itoa(sys.Getpid())})
}

// Fixcrio is fixcrio PROGRAM [ARGS]: as Recordio, but nothing is written down,
// and every LF that has no CR before it gets one, in both directions.
func Fixcrio(p *prog.Process) int {
	if p.Args[0] == fixcrioCopier && len(p.Args) == 1 {
		return copier(p, nil, fixCR(), fixCR())
	}
	if len(p.Args) < 2 {
		return p.Die(exitUsage, "fixcrio: usage: fixcrio program [ arg ... ]")
	}
	return between(p, "fixcrio", []string{fixcrioCopier})
}

// between starts the copier and, once that copies, becomes the program: input
// that was there first is in the pipe before the program can end, so that what
// is written down does not depend on who is faster.
func between(p *prog.Process, name string, copierArgs []string) int {
	fatal := name + ": fatal: "
	inR, inW, err := sys.Pipe()
	if err != nil {
		return p.Die(exitFailed, fatal, "unable to create pipe: ", sys.ErrText(err))
	}
	outR, outW, err := sys.Pipe()
	if err != nil {
		return p.Die(exitFailed, fatal, "unable to create pipe: ", sys.ErrText(err))
	}
	readyR, readyW, err := sys.Pipe()
	if err != nil {
		return p.Die(exitFailed, fatal, "unable to create pipe: ", sys.ErrText(err))
	}
	path, _ := p.Env.Get("PATH")
	_, err = child.StartSelf(&child.Cmd{
		Path: name, Args: copierArgs, Env: p.Env.List(), Leaf: true,
		Files: []sys.FD{p.FD(0), p.FD(1), p.FD(2), inW, outR, readyW},
	}, path)
	if err != nil {
		return p.Die(exitFailed, fatal, "unable to fork: ", sys.ErrText(err))
	}
	for _, fd := range []sys.FD{inW, outR, readyW} {
		_ = fd.Close() // the copier has them
	}
	_, _ = readyR.Read(make([]byte, 1)) // only ever the end, also if the copier died
	err = inR.DupTo(p.FD(0))
	if err == nil {
		err = outW.DupTo(p.FD(1))
	}
	if err != nil {
		return p.Die(exitFailed, fatal, "unable to move descriptors: ", sys.ErrText(err))
	}
	return become(p, name, p.Args[1], p.Args[1:])
}

// copier is the child of both.
func copier(p *prog.Process, l *lines, in, out filter) int {
	sys.SetName(p.Args[0])
	r := relay{
		in:  &stream{from: p.FD(0), to: p.FD(fdProgramIn), edit: in},
		out: &stream{from: p.FD(fdProgramOut), to: p.FD(1), edit: out},
	}
	if l != nil {
		r.in.note, r.in.end = l.piece(" < "), l.end(" < ")
		r.out.note, r.out.end = l.piece(" > "), l.end(" > ")
	}
	err := r.begin()
	_ = p.FD(fdReady).Close() // an empty pipe
	if err == nil {
		err = r.run()
	}
	if err != nil {
		return exitFailed
	}
	return exitOK
}

// Lines are what recordio writes on descriptor 2, one in each write:
//
//	PID " < " TEXT " " LF    the program was given TEXT and LF
//	PID " < " TEXT "+" LF    it was given TEXT; more of the line may follow
//	PID " < " "[EOF]" LF     the end of the input
//	PID " > " ...            the same for what the program wrote
//
// PID is the program's. TEXT is what came, byte for byte, up to pieceSize bytes:
// it may contain anything but LF, so who shows it on a terminal passes it
// through cat -v.
type lines struct {
	pid  string
	say  func(line []byte)
	line []byte
}

// piece makes the note of one direction.
func (l *lines) piece(mark string) func([]byte) {
	return func(piece []byte) {
		for len(piece) > 0 {
			text, rest, whole := bytes.Cut(piece, []byte{'\n'})
			l.line = append(append(append(l.line[:0], l.pid...), mark...), text...)
			if whole {
				l.line = append(l.line, " \n"...)
			} else {
				l.line = append(l.line, "+\n"...)
			}
			l.say(l.line)
			piece = rest
		}
	}
}

// end makes the note of one direction's end.
func (l *lines) end(mark string) func() {
	return func() { l.say([]byte(l.pid + mark + "[EOF]\n")) }
}
