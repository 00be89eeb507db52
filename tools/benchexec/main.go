// Benchexec measures what starting each program costs: time from the start of
// the process to its end and the largest resident memory, beside an empty C
// program, all in turn in one run, so that the ratios hold on a noisy machine.
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
	"sort"
	"strconv"
	"syscall"
	"time"
)

// A subject is one program and its measurements.
type subject struct {
	name, path string
	took       []time.Duration
	memory     int64 // KiB, largest
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

// once starts the program, waits for it and notes time and memory.
func (s *subject) once(work string) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	path, err := filepath.Abs(s.path)
	if err != nil {
		return err
	}
	fd := null.Fd()
	attr := &syscall.ProcAttr{Dir: work, Env: []string{"PATH=/nonexistent", "GOMAXPROCS=1"}, Files: []uintptr{fd, fd, fd}}
	begin := time.Now()
	pid, err := syscall.ForkExec(path, []string{s.name}, attr)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	var ws syscall.WaitStatus
	var ru syscall.Rusage
	if _, err := syscall.Wait4(pid, &ws, 0, &ru); err != nil {
		return err
	}
	s.took = append(s.took, time.Since(begin))
	s.memory = max(s.memory, int64(ru.Maxrss))
	return nil
}

// percentile of the sorted times.
func (s *subject) percentile(p int) time.Duration { return s.took[len(s.took)*p/100] }

func report(subjects []*subject) {
	fmt.Printf("%-16s %10s %10s %8s %10s\n", "program", "p10 us", "median us", "x first", "max RSS KiB")
	var base float64
	for i, s := range subjects {
		sort.Slice(s.took, func(a, b int) bool { return s.took[a] < s.took[b] })
		p10 := float64(s.percentile(10).Microseconds())
		if i == 0 {
			base = max(p10, 1)
		}
		fmt.Printf("%-16s %10.0f %10d %8.2f %10d\n", s.name, p10, s.percentile(50).Microseconds(), p10/base, s.memory)
	}
}
