package getpw

import (
	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/worker"
)

// A job of a worker is one local part, its only argument, without files. The text
// of the answer is what descriptor 1 gets otherwise.

// maxHeld is the memory, in bytes, above which a worker asks to be replaced.
const maxHeld = 128 << 20

// serve answers questions until qmail-lspawn has no more. Of what it finds out
// only where the lines of /etc/passwd are is kept, until that file is another
// one; everything else is looked at for each question.
func serve(p *prog.Process, o *worker.Offer) int {
	weight := worker.Weight{Max: maxHeld}
	var x index
	_ = o.Serve(0, func(args []string, _ []sys.FD) worker.Result {
		if len(args) != 1 {
			return worker.Result{Code: exitUsage}
		}
		u := newUsers(p)
		u.index = &x
		n, code := find(u, args[0])
		if code != 0 {
			return worker.Result{Code: code}
		}
		return worker.Result{Text: string(n.Append(nil)), Retire: weight.Over()}
	})
	return 0
}
