package cdbtools

import (
	"errors"

	"goqmail/internal/cdb"
	"goqmail/internal/newfile"
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/tcprules"
)

// Tcprules is tcprules: it compiles the rules on descriptor 0 into the cdb file
// that its first argument names, by way of the file that its second one names.
// Exit 0; 100 for wrong arguments or a line that is no rule; else 111.
func Tcprules(p *prog.Process) int {
	g := program{p, "tcprules"}
	if len(p.Args) < 3 {
		return p.Die(exitUsage, "tcprules: usage: tcprules rules.cdb rules.tmp")
	}
	if p.FD(0).WasClosed() { // no rules would let everybody in
		return p.Die(exitFail, "tcprules: fatal: unable to read input: file descriptor not open")
	}
	name, tmp := p.Args[1], p.Args[2]
	b, err := newfile.CreateCDB(sys.Cwd(), tmp, name)
	if err != nil {
		return g.fatal(exitFail, "unable to create "+tmp, err)
	}
	source, err := p.FD(0).ReadAll(maxSource)
	if err != nil {
		b.Abandon()
		return g.fatal(exitFail, "unable to read input", err)
	}
	if err := tcprules.Compile(source, b.Put); err != nil {
		b.Abandon()
		var bad *tcprules.LineError
		if errors.As(err, &bad) {
			return g.fatal(exitUsage, tcprules.ErrFormat.Error()+": "+untilNUL(bad.Line), nil)
		}
		return g.fatal(exitFail, "unable to write to "+tmp, err)
	}
	if err := b.Finish(); err != nil {
		return g.fatal(exitFail, "unable to write to "+tmp, err)
	}
	if err := b.Move(); err != nil {
		return g.fatal(exitFail, "unable to move "+tmp+" to "+name, err)
	}
	return exitOK
}

// untilNUL is b up to its first NUL, as C prints it.
func untilNUL(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// Tcprulescheck is tcprulescheck: it shows what tcpserver would do with the
// client in TCPREMOTEIP, TCPREMOTEHOST and TCPREMOTEINFO under the rules in the
// cdb file that its argument names. Exit 0; 100 for no argument; 111 when the
// file cannot be read.
func Tcprulescheck(p *prog.Process) int {
	if len(p.Args) < 2 {
		return p.Die(exitUsage, "tcprulescheck: usage: tcprulescheck rules.cdb")
	}
	name := p.Args[1]
	d, err := decide(name, tcprules.ClientFromEnv(p.Env.Get))
	if err != nil {
		return program{p, "tcprulescheck"}.fatal(exitFail, "unable to read "+name, err)
	}
	out := "default:\n"
	if d.Found {
		out = "rule " + d.Key + ":\n"
	}
	for _, v := range d.Vars {
		out += "set environment variable " + v + "\n"
	}
	if d.Deny {
		out += "deny connection\n"
	} else {
		out += "allow connection\n"
	}
	p.Say(1, out)
	return exitOK
}

// decide looks a client up in the cdb file name.
func decide(name string, c tcprules.Client) (tcprules.Decision, error) {
	fd, err := sys.Cwd().Open(name, sys.ReadOnly|sys.NonBlock, 0)
	if err != nil {
		return tcprules.Decision{}, err
	}
	defer func() { _ = fd.Close() }() // read only
	st, err := fd.Stat()
	if err != nil {
		return tcprules.Decision{}, err
	}
	db, err := cdb.New(fd, st.Size)
	if err != nil {
		return tcprules.Decision{}, err
	}
	return tcprules.Lookup(func(key string) ([]byte, bool, error) { return db.Get([]byte(key)) }, c)
}
