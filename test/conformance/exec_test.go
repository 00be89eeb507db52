//go:build e2e

package conformance

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	defaultTimeout = 15 * time.Second
	// orphanWait is how long processes that the program left behind may take
	// before the files are looked at.
	orphanWait = 3 * time.Second
)

// programPath is the PATH that cases have, and toolPath that of pre and post.
const (
	programPath = home + "/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin"
	toolPath    = home + "/bin:/usr/bin:/bin:/usr/sbin:/sbin"
)

// A run is one execution of a case's program.
type run struct {
	t        *testCase
	exe      string
	argv     []string
	env      []string
	uid, gid int
	timeout  time.Duration
	norm     *normaliser

	pid    int
	status chan syscall.WaitStatus
	ended  bool // the status has been taken from the channel
	code   syscall.WaitStatus
	out    *collector
	err    *collector
	open   []int // descriptors to close at the end
	said   []byte
}

// newRun works out what is executed and how.
func newRun(t *testCase, ids *accounts, norm *normaliser) (*run, error) {
	r := &run{t: t, norm: norm, timeout: defaultTimeout}
	if t.Timeout > 0 {
		r.timeout = time.Duration(t.Timeout * float64(time.Second))
	}
	for _, a := range t.Argv {
		r.argv = append(r.argv, string(a.bytes(time.Now().Unix())))
	}
	r.exe = r.argv[0]
	if list, ok := strings.CutPrefix(r.exe, "ext:"); ok {
		names := strings.Split(list, "|")
		r.argv[0], r.exe = names[0], "/nonexistent"
		for _, n := range names {
			if _, err := os.Stat(home + "/bin/" + n); err == nil {
				r.exe = home + "/bin/" + n
				break
			}
		}
	} else if !strings.Contains(r.exe, "/") {
		r.exe = home + "/bin/" + r.exe
	}
	if t.Argv0 != nil {
		r.argv[0] = string(t.Argv0.bytes(time.Now().Unix()))
	}
	if t.User != "" {
		var err error
		if r.uid, r.gid, err = ids.find(t.User); err != nil {
			return nil, err
		}
	}
	env := map[string]string{"PATH": programPath, "TZ": "UTC0"}
	for _, e := range t.Env {
		if e.Value == nil {
			delete(env, e.Name)
		} else {
			env[e.Name] = *e.Value
		}
	}
	if _, ok := env["QMAILQUEUE"]; !ok && t.QQ != "" {
		env["QMAILQUEUE"] = helpers + "/" + t.QQ
	}
	for k, v := range env {
		r.env = append(r.env, k+"="+v)
	}
	return r, nil
}

// start executes the program with the descriptors given. It takes them over.
func (r *run) start(fds ...int) error {
	defer closeAll(fds)
	umask := 0o022
	if r.t.Umask != "" {
		n, err := strconv.ParseUint(r.t.Umask, 8, 32)
		if err != nil {
			return err
		}
		umask = int(n)
	}
	if r.t.In3 != nil {
		fd, err := filledPipe(r.t.In3.bytes(time.Now().Unix()))
		if err != nil {
			return err
		}
		defer closeAll([]int{fd})
		fds = append(fds, fd)
	}
	files := make([]uintptr, len(fds))
	for i, fd := range fds {
		files[i] = uintptr(fd)
	}
	// the program begins in a directory that its user may be unable to enter
	if err := os.Chdir(realPath(r.t.Cwd)); err != nil {
		return errnoOf(err)
	}
	defer func() { _ = os.Chdir("/") }()
	defer syscall.Umask(syscall.Umask(umask))
	sys := &syscall.SysProcAttr{Setsid: true}
	if r.uid != 0 || r.gid != 0 {
		sys.Credential = &syscall.Credential{Uid: uint32(r.uid), Gid: uint32(r.gid)}
	}
	pid, err := syscall.ForkExec(r.exe, r.argv, &syscall.ProcAttr{Env: r.env, Files: files, Sys: sys})
	if err != nil {
		return errnoOf(err)
	}
	r.pid = pid
	r.status = make(chan syscall.WaitStatus, 1)
	go func() {
		var ws syscall.WaitStatus
		for {
			if _, err := syscall.Wait4(pid, &ws, 0, nil); err != syscall.EINTR {
				break
			}
		}
		r.status <- ws
	}()
	return nil
}

// errnoOf returns the system's error number in err, or err.
func errnoOf(err error) error {
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	return err
}

// errTimeout is the error of a program that did not end in time.
var errTimeout = errors.New("timeout")

// finish waits for the program, and for the end of its output, which is when
// nothing that it started has it open either.
func (r *run) finish() error {
	limit := time.Now().Add(r.timeout)
	err := errors.Join(r.out.wait(limit), r.err.wait(limit))
	if err == nil && !r.wait(limit) {
		err = errTimeout
	}
	if err == nil {
		return nil
	}
	_ = syscall.Kill(-r.pid, syscall.SIGKILL) // it may just have ended
	limit = time.Now().Add(2 * time.Second)
	_ = r.out.wait(limit) // what there is of it will do
	_ = r.err.wait(limit)
	r.wait(limit)
	return errTimeout
}

// wait waits for the program's end and reports whether it came.
func (r *run) wait(limit time.Time) bool {
	if r.ended {
		return true
	}
	select {
	case r.code = <-r.status:
		r.ended = true
	case <-time.After(time.Until(limit)):
	}
	return r.ended
}

// rc is the exit status in a result.
func (r *run) rc() any {
	if r.code.Signaled() {
		return -float64(r.code.Signal())
	}
	return float64(r.code.ExitStatus())
}

// do runs the program in the way its kind asks for.
func (r *run) do() (rc any) {
	var err error
	switch r.t.Kind {
	case "file":
		err = r.doFile()
	case "hold":
		err = r.doHold()
	case "env1":
		err = r.doEnvelope()
	case "tcp":
		err = r.doTCP()
	case "daemon":
		err = r.doDaemon()
	case "", "pipe":
		err = r.doPipe()
	default:
		return "runner: unknown kind " + r.t.Kind
	}
	defer closeAll(r.open)
	switch {
	case err == nil:
		return r.rc()
	case errors.Is(err, errTimeout):
		return "timeout"
	}
	if r.pid != 0 && !r.ended {
		_ = syscall.Kill(-r.pid, syscall.SIGKILL) // as above
		r.wait(time.Now().Add(2 * time.Second))
	}
	text := err.Error()
	return "exec: " + strings.ToUpper(text[:1]) + text[1:]
}

// output makes the pipes for standard output, unless it is not wanted, and
// standard error. The write ends are for the child.
func (r *run) output(stdout bool) (out, errFD int, err error) {
	out = -1
	if stdout {
		if out, r.out, err = newCollector(); err != nil {
			return -1, -1, err
		}
	}
	errFD, r.err, err = newCollector()
	return out, errFD, err
}

// doPipe: descriptor 0 is a pipe that is written to and closed.
func (r *run) doPipe() error {
	in, w, err := writePipe()
	if err != nil {
		return err
	}
	out, errFD, err := r.output(true)
	if err != nil {
		return err
	}
	if err := r.start(in, out, errFD); err != nil {
		_ = w.Close()
		return err
	}
	go feed(w, r.t.In.bytes(time.Now().Unix()))
	return r.finish()
}

// doHold: descriptor 0 is a pipe that stays open until the program ends.
func (r *run) doHold() error {
	in, w, err := writePipe()
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }() // nobody reads any more
	out, errFD, err := r.output(true)
	if err != nil {
		return err
	}
	if err := r.start(in, out, errFD); err != nil {
		return err
	}
	if _, err := w.Write(r.t.In.bytes(time.Now().Unix())); err != nil {
		return errnoOf(err)
	}
	return r.finish()
}

// doFile: descriptor 0 is a regular file.
func (r *run) doFile() error {
	if err := os.WriteFile(stdin, r.t.In.bytes(time.Now().Unix()), 0o644); err != nil {
		return err
	}
	in, err := unix.Open(stdin, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	out, errFD, err := r.output(true)
	if err != nil {
		return err
	}
	if err := r.start(in, out, errFD); err != nil {
		return err
	}
	return r.finish()
}

// doEnvelope: descriptor 0 is a pipe with the message, descriptor 1 one with
// the envelope, all of it written and closed before the program starts.
func (r *run) doEnvelope() error {
	env, err := filledPipe(r.t.In1.bytes(time.Now().Unix()))
	if err != nil {
		return err
	}
	in, w, err := writePipe()
	if err != nil {
		return err
	}
	_, errFD, err := r.output(false)
	if err != nil {
		return err
	}
	// a copy stays here, so that what the program does not read is no error
	// for anyone
	again, err := unix.FcntlInt(uintptr(env), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return err
	}
	r.open = append(r.open, again)
	if err := r.start(in, env, errFD); err != nil {
		_ = w.Close()
		return err
	}
	go feed(w, r.t.In.bytes(time.Now().Unix()))
	return r.finish()
}

// feed writes everything and closes. A program may end without reading it all.
func feed(w *os.File, data []byte) {
	_, _ = w.Write(data)
	_ = w.Close()
}

// A collector reads the output of a program.
type collector struct {
	r    *os.File
	data []byte
	done chan struct{}
}

// newCollector makes a pipe; w is the child's end.
func newCollector() (w int, c *collector, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, nil, err
	}
	c = &collector{r: pollable(p[0], "output"), done: make(chan struct{})}
	go func() {
		var err error
		buf := make([]byte, 65536)
		for err == nil {
			var n int
			n, err = c.r.Read(buf)
			c.data = append(c.data, buf[:n]...)
		}
		close(c.done)
	}()
	return p[1], c, nil
}

// wait waits for the end of the output. At the limit it stops reading. A nil
// collector has none.
func (c *collector) wait(limit time.Time) error {
	if c == nil {
		return nil
	}
	select {
	case <-c.done:
		return nil
	case <-time.After(time.Until(limit)):
	}
	return errTimeout
}

// text returns the output and ends the collector.
func (c *collector) text() []byte {
	if c == nil {
		return nil
	}
	_ = c.r.Close() // makes a Read that still waits fail
	<-c.done
	return c.data
}

// pollable makes a file of a descriptor that Close interrupts.
func pollable(fd int, name string) *os.File {
	_ = unix.SetNonblock(fd, true) // without it only a hanging program hangs longer
	return os.NewFile(uintptr(fd), name)
}

// writePipe makes a pipe for the child's descriptor 0.
func writePipe() (r int, w *os.File, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, nil, err
	}
	return p[0], pollable(p[1], "input"), nil
}

// filledPipe makes a pipe with data in it and no writer, and returns its read
// end.
func filledPipe(data []byte) (int, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return -1, err
	}
	if _, err := unix.FcntlInt(uintptr(p[1]), unix.F_SETPIPE_SZ, 1<<20); err != nil {
		return -1, err
	}
	w := pollable(p[1], "envelope")
	if len(data) >= 1<<20 {
		go feed(w, data)
		return p[0], nil
	}
	_, err := w.Write(data)
	return p[0], errors.Join(err, w.Close())
}

// closeAll closes descriptors that were only handed on.
func closeAll(fds []int) {
	for _, fd := range fds {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// shell runs one of the case's own commands as root.
func shell(command string) error {
	cmd := exec.Command("/bin/sh", "-c", command)
	cmd.Env = []string{"PATH=" + toolPath}
	cmd.Dir = scratch
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	return nil
}

// reapOrphans waits for the processes that the program left behind: they are
// children of this one, the first of its PID namespace. What stays longer than
// orphanWait is killed, so that the next case does not meet it.
func reapOrphans() {
	limit := time.Now().Add(orphanWait)
	for killed := false; ; {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR || pid > 0:
			continue
		case err != nil: // ECHILD: nobody is left
			return
		case !killed && time.Now().After(limit):
			killed = true
			_ = syscall.Kill(-1, syscall.SIGKILL) // all but this process
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// readAll reads a connection to its end, at most for d between two reads.
func readAll(c interface {
	io.Reader
	SetReadDeadline(time.Time) error
}, d time.Duration) (got []byte, err error) {
	buf := make([]byte, 65536)
	for err == nil {
		var n int
		if err = c.SetReadDeadline(time.Now().Add(d)); err == nil {
			n, err = c.Read(buf)
		}
		got = append(got, buf[:n]...)
	}
	if err == io.EOF {
		err = nil
	}
	return got, err
}
