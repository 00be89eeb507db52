package worker

import (
	"goqmail/internal/pipe"
	"goqmail/internal/sys"
)

// mark keeps the text in the program's file.
var mark pipe.WorkerMark

// Offered tells whether the program was started as a worker, by its argv[0], and
// on which descriptor. It marks that close-on-exec at once. m is the program's
// mark; to be found in its file is all that it is for.
func Offered(arg0 string, m pipe.WorkerMark) (fd sys.FD, ok bool) {
	mark = m
	_, n, ok := pipe.ParseWorkerName(arg0)
	if !ok || !sys.FD(n).IsPacketSocket() {
		return -1, false
	}
	return sys.FD(n), sys.FD(n).CloseOnExec(true) == nil
}

// A Result is what became of a job.
type Result struct {
	Code   int    // exit code
	Text   string // see pipe.JobAnswer
	Retire bool   // the worker wants no more jobs
}

// Serve does jobs, one at a time, until the other side has no more; each comes
// with exactly files descriptors, which are closed after it. It returns when the
// worker is to end. do must leave nothing behind that the next job could see.
func Serve(fd sys.FD, files int, do func(args []string, files []sys.FD) Result) {
	buf := make([]byte, pipe.JobMax)
	for {
		n, got, err := fd.ReceivePacket(buf)
		if err != nil {
			return
		}
		j, err := pipe.ParseJob(buf[:n])
		if err != nil || len(got) != files {
			sys.CloseAll(got)
			return
		}
		r := do(j.Args, got)
		sys.CloseAll(got)
		if fd.SendPacket(pipe.JobAnswer{Number: j.Number, Code: byte(r.Code), Retire: r.Retire, Text: r.Text}.Append(nil)) != nil {
			return
		}
	}
}
