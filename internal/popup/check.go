package popup

import (
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/sys/child"
)

// check runs the subprogram with the client's connection as descriptors 0 and 1
// and the request on descriptor 3 (pipe.FDLogin), waits for it, and returns what the client is
// told: nothing when the child, and so the session, ended well. The request is
// wiped.
func check(p *prog.Process, request []byte) string {
	defer clear(request)
	r, w, err := sys.Pipe()
	if err != nil {
		return answerNoPipe
	}
	proc, err := start(p, r)
	_ = r.Close() // the child's
	if err != nil {
		_ = w.Close() // nobody reads it
		if sys.Temporary(err) {
			return answerNoFork
		}
		return answerRefused
	}
	_, err = w.Write(request)
	clear(request) // a session may take hours
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	st, werr := proc.Wait()
	switch {
	case werr != nil:
		return ""
	case st.Crashed():
		return answerCrashed
	case st.Code() != 0:
		return answerRefused
	case err != nil && !sys.IsBrokenPipe(err):
		// A child that does not read everything is judged by its exit code.
		return answerNoWrite
	}
	return ""
}

// start starts the subprogram, which reads the request from r.
func start(p *prog.Process, r sys.FD) (child.Process, error) {
	argv := p.Args[2:]
	path, err := child.LookPath(argv[0], child.SearchPath(p.Env.List()))
	if err != nil {
		return child.Process{}, err
	}
	return child.Start(&child.Cmd{
		Path: path, Args: argv, Env: p.Env.List(),
		Files: []sys.FD{p.FD(0), p.FD(1), p.FD(2), r},
	})
}
