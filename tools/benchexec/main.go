// Benchexec measures what starting each program costs: time from the start of
// the process to its end, in turn with an empty C program in one run, so that
// the ratios hold on a noisy machine; and the largest resident memory, looked
// up in /proc when the process is about to end (what wait4 reports begins with
// the memory of the process that forked).
//
//	usage       benchexec DIR [ROUNDS]
//	started by  make bench-exec
//	runs as     anybody; the programs find no home, no arguments and an empty
//	            standard input, so they end at once
//	fd 1        the table
//
// It is built but not installed.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A subject is one program and its measurements.
type subject struct {
	name, path string
	took       []time.Duration
	memory     string // KiB, largest
}

func main() {
	if len(os.Args) < 2 {
		fail(fmt.Errorf("usage: benchexec dir [rounds]"))
	}
	rounds := 200
	if len(os.Args) > 2 {
		n, err := strconv.Atoi(os.Args[2])
		if err != nil || n < 1 {
			fail(fmt.Errorf("bad number of rounds %q", os.Args[2]))
		}
		rounds = n
	}
	work, err := os.MkdirTemp("", "benchexec")
	if err != nil {
		fail(err)
	}
	defer os.RemoveAll(work)
	subjects := append(emptyC(work), programs(os.Args[1])...)
	for r := 0; r < rounds; r++ {
		for _, s := range subjects {
			if err := s.once(work); err != nil {
				fail(err)
			}
		}
	}
	runtime.LockOSThread() // a traced process obeys one thread
	for _, s := range subjects {
		if err := s.weigh(work); err != nil {
			fmt.Fprintf(os.Stderr, "benchexec: memory of %s: %v\n", s.name, err)
		}
	}
	report(subjects)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "benchexec:", err)
	os.Exit(1)
}

// emptyC compiles a program that does nothing, linked statically and not.
func emptyC(work string) []*subject {
	src := filepath.Join(work, "empty.c")
	if err := os.WriteFile(src, []byte("int main(void) { return 0; }\n"), 0o644); err != nil {
		fail(err)
	}
	var out []*subject
	for _, kind := range []struct{ name, flag string }{{"(C, static)", "-static"}, {"(C, dynamic)", "-O1"}} {
		path := filepath.Join(work, "empty"+kind.flag)
		if err := exec.Command("cc", kind.flag, "-o", path, src).Run(); err != nil {
			fmt.Fprintln(os.Stderr, "benchexec: no C compiler that makes", kind.name)
			continue
		}
		out = append(out, &subject{name: kind.name, path: path})
	}
	return out
}

// programs lists the built suite. The tools that are not installed are left out.
func programs(dir string) []*subject {
	entries, err := os.ReadDir(dir)
	if err != nil {
		fail(err)
	}
	var out []*subject
	for _, e := range entries {
		switch e.Name() {
		case "install", "mailonce":
			continue
		}
		out = append(out, &subject{name: e.Name(), path: filepath.Join(dir, e.Name())})
	}
	return out
}

// start starts the program in work.
func (s *subject) start(work string, sys *syscall.SysProcAttr) (pid int, err error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	path, err := filepath.Abs(s.path)
	if err != nil {
		return 0, err
	}
	fd := null.Fd()
	attr := &syscall.ProcAttr{Dir: work, Env: []string{"PATH=/nonexistent", "GOMAXPROCS=1"}, Files: []uintptr{fd, fd, fd}, Sys: sys}
	return syscall.ForkExec(path, []string{s.name}, attr)
}

// once runs the program and notes the time.
func (s *subject) once(work string) error {
	begin := time.Now()
	pid, err := s.start(work, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil {
		return err
	}
	s.took = append(s.took, time.Since(begin))
	return nil
}

// weigh runs the program traced, so that it stops before it ends, and notes the
// peak of its resident memory.
func (s *subject) weigh(work string) error {
	s.memory = "-"
	pid, err := s.start(work, &syscall.SysProcAttr{Ptrace: true})
	if err != nil {
		return err
	}
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil { // stopped by its exec
		return err
	}
	if err := syscall.PtraceSetOptions(pid, syscall.PTRACE_O_TRACEEXIT); err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL) // not to be left stopped
	}
	for signal := 0; ; {
		if err := syscall.PtraceCont(pid, signal); err != nil {
			return err
		}
		if _, err := syscall.Wait4(pid, &ws, 0, nil); err != nil || !ws.Stopped() {
			return err
		}
		signal = int(ws.StopSignal())
		if ws.TrapCause() == syscall.PTRACE_EVENT_EXIT {
			s.memory, signal = peak(pid), 0
		}
	}
}

// peak is the largest resident memory of a process in KiB, as text.
func peak(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "-"
	}
	_, rest, _ := strings.Cut(string(b), "\nVmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSuffix(strings.TrimSpace(line), " kB")
}

// percentile of the sorted times.
func (s *subject) percentile(p int) time.Duration { return s.took[len(s.took)*p/100] }

func report(subjects []*subject) {
	fmt.Printf("%-16s %10s %10s %8s %11s\n", "program", "p10 us", "median us", "x first", "max RSS KiB")
	var base float64
	for i, s := range subjects {
		sort.Slice(s.took, func(a, b int) bool { return s.took[a] < s.took[b] })
		p10 := float64(s.percentile(10).Microseconds())
		if i == 0 {
			base = max(p10, 1)
		}
		fmt.Printf("%-16s %10.0f %10d %8.2f %11s\n", s.name, p10, s.percentile(50).Microseconds(), p10/base, s.memory)
	}
}
