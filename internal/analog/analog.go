// Package analog is matchup and the reports and filters that read its lines:
// one program with many names. Spec: spec/logs.md section 4.
//
// Logs have millions of lines, and strangers choose what is in them. So lines
// are read into buffers of fixed size, matchup keeps nothing but what is open at
// the moment, and what reports add up under keys that strangers choose goes to a
// temporary file when there are many (tally.go).
package analog

import (
	"bufio"
	"errors"
	"slices"
	"strings"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
)

// Exit codes.
const (
	exitOK     = 0
	exitUsage  = 100
	exitFailed = 111 // input, output or a temporary file failed
)

// matchupName is the program's own name; called so it also takes the other names
// as its first argument.
const matchupName = "matchup"

// A run is one call of the program.
type run struct {
	p    *prog.Process
	name string // as it was called
	in   *lines
	out  *bufio.Writer
	size size // of tallies
	bad  int  // lines that begin like matchup's and are not
}

// A tool is what one of the names does.
type tool struct {
	least, most int    // how many arguments it takes
	usage       string // what they are
	do          func(r *run, arg string) error
}

// tools are the names but matchup's own.
func tools() map[string]tool {
	t := map[string]tool{
		"zoverall":   {do: overall},
		"zddist":     {do: ddist},
		"zsendmail":  {do: sendmail},
		"xqp":        {1, 1, " QP", xqp},
		"xrecipient": {1, 1, " CHANNEL.RECIPIENT", xrecipient},
		"xsender":    {0, 1, " [ SENDER ]", xsender},
	}
	for name, rep := range reports() {
		t[name] = tool{do: rep.write}
	}
	return t
}

// names are the names that the program has besides matchup, sorted.
func names() []string {
	var out []string
	for name := range tools() {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Run is matchup and all the others.
func Run(p *prog.Process) int {
	name, args := p.Args[0][strings.LastIndexByte(p.Args[0], '/')+1:], p.Args[1:]
	t, found := tools()[name]
	if !found {
		name = matchupName
		if len(args) > 0 {
			if t, found = tools()[args[0]]; !found {
				return p.Die(exitUsage, "matchup: usage: matchup [ ", strings.Join(names(), " | "), " ]")
			}
			name, args = args[0], args[1:]
		}
	}
	if p.FD(0).WasClosed() { // no log is not an empty one
		return p.Die(exitFailed, name, ": fatal: unable to read input: ", sys.ErrText(sys.ErrWasClosed))
	}
	r := &run{p: p, name: name, size: tallySize(), in: newLines(p.FD(0), reportLine), out: bufio.NewWriterSize(p.FD(1), bufferSize)}
	if !found {
		r.in = newLines(p.FD(0), logLine)
		return r.end(newMatchup(r.out).run(r.in, p.FD(5)))
	}
	if len(args) < t.least || len(args) > t.most {
		return p.Die(exitUsage, name, ": usage: ", name, t.usage)
	}
	prog.KeepSmall() // what matchup has open may be more
	return r.end(t.do(r, strings.Join(args, "")))
}

// bufferSize is for input and output, in bytes.
const bufferSize = 1 << 16

// A failure is what went wrong, in the words of the message.
type failure struct {
	what string
	err  error // nil: what says all
}

func (f *failure) Error() string {
	if f.err == nil {
		return f.what
	}
	return f.what + ": " + sys.ErrText(f.err)
}

// fail makes a failure, nil for nil.
func fail(what string, err error) error {
	if err == nil {
		return nil
	}
	return &failure{what, err}
}

// end writes the rest of the output, says what went wrong, and gives the exit
// code. A reader that went away is told nothing.
func (r *run) end(err error) int {
	if werr := r.out.Flush(); werr != nil {
		err = fail("unable to write output", werr) // what failed first, or will never be seen
	}
	if r.bad > 0 && err == nil {
		r.p.Say(2, r.name, ": warning: lines that cannot be understood: ", count(r.bad), "\n")
	}
	var f *failure
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &f) && f.err != nil && sys.IsBrokenPipe(f.err):
		return exitFailed
	}
	return r.p.Die(exitFailed, r.name, ": fatal: ", err.Error())
}
