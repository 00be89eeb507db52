// Package multilog is multilog: it reads lines and appends them to logs that it
// rotates. It follows daemontools 0.76; the files it leaves are those of that
// multilog, so that either can go on with the other's logs.
//
// Each argument is one action; for every line they are done in order:
//
//	t         first argument only: put a TAI64N stamp and a blank before the line
//	-PATTERN  drop the line for the actions that follow, if it matches
//	+PATTERN  take it again, if it matches (every line begins as taken)
//	e         write the first 200 bytes of the line to descriptor 2
//	=FILE     make FILE hold the first 1000 bytes of the line
//	sSIZE     size of the following logs' files, 4096 to 16777215; 99999
//	nNUM      how many files the following logs have, at least 2; 10
//	!PROGRAM  give finished files of the following logs to sh -c PROGRAM
//	DIR       append to the log in DIR; begins with a dot or slash
//
// Arguments that begin otherwise mean nothing. Patterns see the first 1000
// bytes of a line, with the stamp.
//
// Once it reads, multilog loses nothing and does not exit for trouble: it says
// what is wrong, waits five seconds and tries again.
//
// Spec: spec/ucspi.md section 5, spec/logs.md section 3; the rest is the
// documented and observed behaviour of daemontools 0.76.
package multilog

import (
	"bytes"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/sig"
	"goqmail/internal/tai64n"
)

// Exit codes.
const (
	exitOK     = 0   // the input has ended, or TERM came
	exitFailed = 111 // a log or file cannot be opened, or the input not be read
)

// Sizes in bytes that others can see.
const (
	lineMax   = 1000     // how much of a line patterns and status files see
	alertMax  = 200      // how much of a line "e" shows
	sizeMin   = 4096     // of a log's file
	sizeMax   = 16777215 //
	sizeUsual = 99999    //
	keepMin   = 2        // files of a log, current among them
	keepUsual = 10       //
	slack     = 2000     // a file is finished at a newline this close to its size
	inputSize = 1024     // how much is read at once
	putSize   = 512      // how much is collected for one write
)

// pauseTime is how long multilog waits before it tries again.
const pauseTime = 5 * time.Second

// Run is multilog.
func Run(p *prog.Process) int {
	r, w, err := sys.Pipe()
	if err != nil {
		return p.Die(exitFailed, "multilog: fatal: unable to create pipe: ", sys.ErrText(err))
	}
	// XFSZ is asked for only so that a file size limit is an error of write
	// and not the end.
	signals := sig.Notify(sig.TERM, sig.ALRM, sig.XFSZ)
	go func() {
		for s := range signals {
			b := byte(sawNothing)
			switch s {
			case sig.TERM:
				b = sawTerm
			case sig.ALRM:
				b = sawAlarm
			}
			_, _ = w.Write([]byte{b}) // the reader outlives everything
		}
	}()
	sys.Umask(0o022)
	m := &multilog{
		p:     p,
		pause: func() { time.Sleep(pauseTime) },
		now:   func() tai64n.Stamp { t := p.Now(); return tai64n.Stamp{Sec: t.Unix(), Nano: uint32(t.Nanosecond())} },
		in:    input{fd: p.FD(0), signals: r, atLine: true},
	}
	if err := m.setUp(p.Args[1:]); err != nil {
		return p.Die(exitFailed, "multilog: fatal: ", err.Error())
	}
	return m.run()
}

// Bytes that stand for signals in the pipe that wakes the reader.
const (
	sawTerm    = 'T'
	sawAlarm   = 'A'
	sawNothing = 0
)

// A multilog is one run.
type multilog struct {
	p     *prog.Process
	pause func() // waits before another try
	now   func() tai64n.Stamp

	stamp   bool
	actions []action
	logs    []*logDir
	in      input

	text []byte    // the first lineMax bytes of the line
	rest []*logDir // which take the rest of it
}

// An action is one argument that does something for every line.
type action struct {
	kind    byte   // '-', '+', 'e', '='; '.' for a log
	pattern string // of '-' and '+'
	status  *statusFile
	log     *logDir
}

// A fatal error ends multilog before it reads.
type fatal struct {
	what string
	err  error
}

func (f *fatal) Error() string { return f.what + ": " + sys.ErrText(f.err) }

// setUp reads the script and opens logs and status files in its order.
func (m *multilog) setUp(script []string) error {
	if len(script) > 0 && script[0] != "" && script[0][0] == 't' {
		m.stamp = true
	}
	size, keep, processor := sizeUsual, keepUsual, ""
	for _, arg := range script {
		if arg == "" {
			continue
		}
		a := action{kind: arg[0]}
		switch arg[0] {
		case 's':
			size = clamp(arg[1:], sizeMin, sizeMax)
			continue
		case 'n':
			keep = clamp(arg[1:], keepMin, sizeMax)
			continue
		case '!':
			processor = arg[1:]
			continue
		case '-', '+':
			a.pattern = arg[1:]
		case 'e':
		case '=':
			a.status = &statusFile{name: arg[1:]}
			if err := a.status.open(); err != nil {
				return err
			}
		case '.', '/':
			a.kind = '.'
			a.log = &logDir{m: m, name: arg, max: int64(size), keep: keep, processor: processor}
			if err := a.log.open(); err != nil {
				return err
			}
			m.logs = append(m.logs, a.log)
		default:
			continue
		}
		m.actions = append(m.actions, a)
	}
	return nil
}

// clamp reads the decimal digits at the beginning of s; none are 0. A number
// outside least to most becomes the nearer of the two.
func clamp(s string, least, most int) int {
	n := 0
	for i := 0; i < len(s) && s[i] >= '0' && s[i] <= '9' && n <= most; i++ {
		n = n*10 + int(s[i]-'0')
	}
	return min(max(n, least), most)
}

// run copies lines until the input ends or TERM comes, and leaves every log
// finished and on disk.
func (m *multilog) run() int {
	m.in.flush = func() {
		for _, d := range m.logs {
			d.flush()
		}
	}
	m.in.alarm = func() {
		for _, d := range m.logs {
			if d.size > 0 {
				d.rotate()
			}
		}
	}
	for m.line() {
	}
	for _, d := range m.logs {
		d.close()
	}
	if m.in.err != nil {
		return m.p.Die(exitFailed, "multilog: fatal: unable to read input: ", sys.ErrText(m.in.err))
	}
	return exitOK
}

// line handles one line; it is false at the end of the input. A last line
// without LF gets one.
func (m *multilog) line() bool {
	if len(m.in.next()) == 0 {
		return false
	}
	m.text = m.text[:0]
	if m.stamp {
		m.text = append(m.now().Append(m.text), ' ')
	}
	complete := false
	for len(m.text) < lineMax && !complete {
		b := m.in.next()
		if len(b) == 0 {
			complete = true
			break
		}
		b = b[:min(len(b), lineMax-len(m.text))]
		i := bytes.IndexByte(b, '\n')
		if complete = i >= 0; complete {
			b = b[:i]
			m.in.take(1)
		}
		m.text = append(m.text, b...)
		m.in.take(len(b))
	}
	m.act(complete)
	for !complete {
		b := m.in.next()
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			b = b[:i+1]
			complete = true
		}
		m.in.take(len(b))
		if len(b) == 0 {
			b = []byte{'\n'}
			complete = true
		}
		for _, d := range m.rest {
			d.putMore(b)
		}
	}
	return true
}

// act does the actions for m.text; complete tells that it is all of the line.
// The logs that want the rest of the line otherwise are in m.rest afterwards.
func (m *multilog) act(complete bool) {
	m.rest = m.rest[:0]
	text := string(m.text)
	taken := true
	for _, a := range m.actions {
		switch {
		case a.kind == '-':
			taken = taken && !matches(a.pattern, text)
		case a.kind == '+':
			taken = taken || matches(a.pattern, text)
		case !taken:
		case a.kind == 'e':
			if len(text) > alertMax {
				m.p.Say(2, text[:alertMax], "...\n")
			} else {
				m.p.Say(2, text, "\n")
			}
		case a.kind == '=':
			a.status.set(m, text)
		case a.kind == '.':
			a.log.put(m.text)
			if complete {
				a.log.putMore([]byte{'\n'})
			}
			m.rest = append(m.rest, a.log)
		}
	}
}

// warn says that something failed and waits.
func (m *multilog) warn(what string, err error) {
	m.p.Say(2, "multilog: warning: ", what, ", pausing: ", sys.ErrText(err), "\n")
	m.pause()
}

// insist does f until it succeeds.
func (m *multilog) insist(what string, f func() error) {
	for err := f(); err != nil; err = f() {
		m.warn(what, err)
	}
}

// A statusFile is the file of a "=" action. It is overwritten in place: after a
// power failure it can hold anything.
type statusFile struct {
	name string
	fd   sys.FD
}

// open opens or makes the file and leaves its content alone.
func (s *statusFile) open() error {
	fd, err := sys.Cwd().Open(s.name, sys.WriteOnly|sys.Create|sys.NonBlock, 0o600)
	if err != nil {
		return &fatal{"unable to create " + s.name, err}
	}
	s.fd = fd
	return nil
}

// set makes the file hold text, filled up with newlines to lineMax+1 bytes.
func (s *statusFile) set(m *multilog, text string) {
	b := make([]byte, lineMax+1)
	for i := copy(b, text); i < len(b); i++ {
		b[i] = '\n'
	}
	m.insist("unable to write "+s.name, func() error {
		_, err := s.fd.WriteAt(b, 0)
		return err
	})
}
