//go:build e2e

package conformance

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"goqmail/internal/testkit"
)

// workerVar is set in the environment of a worker: a process of this binary, the
// first of its own world, that reads jobs from descriptor 0 and writes an answer
// for each to descriptor 1.
const workerVar = "QMAIL_CONFORMANCE_WORKER"

// A job is a case to run.
type job struct {
	Case    rawCase `json:"case"`
	Fixture rawCase `json:"fixture"`
}

// workerMain is the worker's main program. It returns the exit status.
func workerMain() int {
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "conformance worker:", err)
		return 1
	}
	return 0
}

func work() error {
	unix.CloseOnExec(0)
	unix.CloseOnExec(1)
	if err := testkit.Enter(); err != nil {
		return err
	}
	if err := stageSetup(); err != nil {
		return err
	}
	os.Clearenv()
	s, err := newStage()
	if err != nil {
		return err
	}
	ids, err := readAccounts()
	if err != nil {
		return err
	}
	in, out := json.NewDecoder(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		var j job
		if err := in.Decode(&j); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		var res *result
		t, err := join(j.Case, j.Fixture)
		if err == nil {
			res, err = s.run(t, ids)
		}
		if err != nil {
			res = &result{RC: "runner: " + err.Error(), Out: "", Err: ""}
		}
		if err := json.NewEncoder(out).Encode(res); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

// reEnvelope is a complete envelope, as qmail-queue reads it.
var reEnvelope = regexp.MustCompile(`\AF[^\x00]*\x00(?:T[^\x00]*\x00)*\x00\z`)

// run runs one case.
func (s *stage) run(t *testCase, ids *accounts) (*result, error) {
	if err := s.reset(t.Queue); err != nil {
		return nil, err
	}
	if err := t.putAll(ids); err != nil {
		return nil, err
	}
	norm := &normaliser{}
	for _, n := range t.Norm {
		r, err := newReplacement(string(n[0]), string(n[1]))
		if err != nil {
			return nil, err
		}
		norm.extra = append(norm.extra, r)
	}
	var srv *serving
	if t.Server != nil {
		var err error
		if srv, err = serve(t.Server); err != nil {
			return nil, err
		}
	}
	for _, c := range t.Pre {
		if err := shell(c); err != nil {
			return nil, err
		}
	}
	r, err := newRun(t, ids, norm)
	if err != nil {
		return nil, err
	}
	norm.from = time.Now().Unix()
	res := &result{RC: r.do()}
	for _, c := range t.Post {
		_ = shell(c) // it puts back what may not have been moved
	}
	var heard any
	if srv != nil {
		heard = srv.end(t.Server)
	}
	said, errText := append(r.said, r.out.text()...), r.err.text()
	reapOrphans()
	norm.to = time.Now().Unix() + 1
	said = norm.bytes(said)
	if t.SortOut {
		said = sortLines(said)
	}
	res.Out, res.Err = textValue(said), textValue(norm.bytes(errText))
	if res.Files, err = t.lookAround(norm, ids); err != nil {
		return nil, err
	}
	if srv != nil {
		if b, ok := heard.([]byte); ok {
			heard = textValue(norm.bytes(b))
		}
		res.Files["<server>"] = heard
	}
	return res, nil
}

// lookAround records the files that the case asks for.
func (t *testCase) lookAround(norm *normaliser, ids *accounts) (map[string]any, error) {
	paths := t.Capture
	if t.QQ != "" {
		paths = append(paths[:len(paths):len(paths)], "qq.msg", "qq.env")
	}
	files, err := capture(paths, norm, ids, t.Stat)
	if err != nil {
		return nil, err
	}
	if t.QQ != "" {
		env, err := os.ReadFile(scratch + "/qq.env")
		if err != nil && !os.IsNotExist(err) {
			return nil, err
		}
		// an envelope without its end queues nothing, whatever came of the message
		if !reEnvelope.Match(env) {
			delete(files, "qq.msg")
			files["qq.env"] = "<nothing queued>"
		}
	}
	if t.SnapQ != "" {
		queue, err := captureQueue(norm, ids, t.SnapQ == "raw")
		if err != nil {
			return nil, err
		}
		for k, v := range queue {
			files[k] = v
		}
	}
	return files, nil
}

// A pool is a number of workers.
type pool struct {
	jobs    chan poolJob
	running sync.WaitGroup
	mu      sync.Mutex
	err     error // the first worker that failed
}

type poolJob struct {
	t    *testCase
	done func(*result)
}

// newPool starts n workers for the tree.
func newPool(tree string, n int) *pool {
	p := &pool{jobs: make(chan poolJob)}
	for range n {
		p.running.Add(1)
		go func() {
			defer p.running.Done()
			if err := p.worker(tree); err != nil {
				p.mu.Lock()
				if p.err == nil {
					p.err = err
				}
				p.mu.Unlock()
			}
			// without a worker every job gets no result
			for j := range p.jobs {
				j.done(nil)
			}
		}()
	}
	return p
}

// stop ends the workers and returns what went wrong with them.
func (p *pool) stop() error {
	close(p.jobs)
	p.running.Wait()
	return p.err
}

// worker starts one worker process and hands jobs to it until there are none.
func (p *pool) worker(tree string) error {
	w := caseWorld
	w.Tree = tree
	cmd, err := w.Command()
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Env, workerVar+"=1")
	var complaint strings.Builder
	cmd.Stderr = &complaint
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	runtime.LockOSThread() // see World.Command
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("private namespaces: %w", err)
	}
	answers := json.NewDecoder(out)
	for j := range p.jobs {
		res := &result{}
		err := json.NewEncoder(in).Encode(job{j.t.raw, j.t.fixture})
		if err == nil {
			err = answers.Decode(res)
		}
		if err != nil {
			j.done(nil)
			return fmt.Errorf("worker died with case %s: %w (%v)\n%s", j.t.ID, err, wait(cmd), complaint.String())
		}
		j.done(res)
	}
	_ = in.Close() // tells the worker to end
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("worker: %w\n%s", err, complaint.String())
	}
	return nil
}

// wait ends a worker that does not answer.
func wait(cmd *exec.Cmd) error {
	_ = cmd.Process.Kill() // it may have ended
	return cmd.Wait()
}

// runAll runs cases on the pool and returns their results in the same order,
// nil where there was none.
func (p *pool) runAll(cases []*testCase) []*result {
	results := make([]*result, len(cases))
	var wg sync.WaitGroup
	for i, t := range cases {
		wg.Add(1)
		p.jobs <- poolJob{t, func(r *result) {
			results[i] = r
			wg.Done()
		}}
	}
	wg.Wait()
	return results
}
