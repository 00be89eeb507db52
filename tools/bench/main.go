// Bench measures complete mail systems under the same load, in turn, each run in
// namespaces of its own, and prints their figures and the ratios between them.
//
//	usage       bench [options] NAME=KIND:PATH ...
//	started by  make bench (scripts/bench), as root
//	runs as     root; what it measures runs as the accounts of /etc/passwd
//	fd 1        the table
//	fd 2        what goes on, and what went wrong
//	exit        0; 1 when a run went wrong (mail refused, lost or not
//	            delivered); 2 for a wrong command line. Slow is not wrong.
//
// KIND is qmail (PATH: a tree as it is installed below the home), postfix (PATH:
// a directory with Debian's package unpacked, or "/" for the installed one) or
// floor (PATH: benchfloor; only for inject). Ratios are those of the first to each
// of the others, as medians over the repetitions of the ratio within one.
//
// Nothing of the machine is changed: a run has its own mounts, network (loopback
// only), processes and host name, a fresh queue, and /etc and /var made for it.
//
// It is built by make bench and not installed.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// runLimit is how long one run may take, however slow the machine.
const runLimit = 30 * time.Minute

// Options are what the command line chooses, and what a run needs to know of it.
type Options struct {
	Scale  float64       // all counts are multiplied by it
	Home   string        // of the suite
	Local  []int         // concurrencylocal of local/cN
	Remote []int         // concurrencyremote of remote/cN
	List   []int         // recipients of list/N
	Deep   []int         // queued messages of deep/N
	Burst  time.Duration // length of burst
	Hold   time.Duration // how long the sink waits before it takes a message
	By     bool          // CPU by program
	Floor  string        // benchfloor
	Extra  []string      // control files of the first system, NAME=TEXT
}

// A Subject is one of the systems compared.
type Subject struct{ Name, Kind, Path string }

// A Spec is what the process inside the namespaces is told.
type Spec struct {
	Options
	Subject
	Variant string
	Dir     string // scratch, on the disk that is measured
	CGroup  string // a cgroup v2 directory for the system's processes, or ""
	Server  string // tcpserver, for trees without one
}

// A Result is what one run measured.
type Result struct {
	Figures map[string]float64
	By      map[string]float64 // seconds of CPU by program
	PSS     map[string]float64 // KiB by program, when the last delivery was made
	Running map[string]float64 // processes by program, then
	Error   string
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "inside" {
		os.Exit(inside(os.Args[2]))
	}
	os.Exit(outside())
}

// numbers parses "10,100".
type numbers struct{ list *[]int }

func (n numbers) String() string {
	if n.list == nil {
		return ""
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(*n.list), " ", ","), "[]")
}

func (n numbers) Set(s string) error {
	*n.list = nil
	for _, f := range strings.Split(s, ",") {
		v, err := strconv.Atoi(f)
		if err != nil || v < 0 {
			return errors.New("not a list of numbers")
		}
		*n.list = append(*n.list, v)
	}
	return nil
}

// A plan is a command line understood.
type plan struct {
	Options
	only     *regexp.Regexp
	times    int
	scratch  string
	server   string
	json     string
	subjects []Subject
}

func commandLine(args []string) (*plan, error) {
	p := &plan{Options: Options{Local: []int{10, 100}, Remote: []int{20, 100}, List: []int{2000}, Deep: []int{0, 1000, 20000}}}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := fs.String("only", ".", "scenarios whose name matches this expression: -only '^local|burst'")
	fs.IntVar(&p.times, "n", 3, "repetitions")
	fs.Float64Var(&p.Scale, "scale", 1, "multiply the numbers of messages by this; not -deep, -burst and big")
	fs.Var(numbers{&p.Local}, "local", "concurrencylocal of local")
	fs.Var(numbers{&p.Remote}, "remote", "concurrencyremote of remote and list")
	fs.Var(numbers{&p.List}, "list", "recipients of list_fanout; 20000 is the other usual one")
	fs.Var(numbers{&p.Deep}, "deep", "depths of deep_queue")
	fs.Func("control", "a control file of the first system, NAME=TEXT, as often as you like", func(s string) error {
		if name, _, ok := strings.Cut(s, "="); !ok || name == "" || strings.ContainsAny(name, "/.") {
			return errors.New("not NAME=TEXT")
		}
		p.Extra = append(p.Extra, s)
		return nil
	})
	fs.DurationVar(&p.Burst, "burst", 20*time.Second, "length of burst")
	fs.DurationVar(&p.Hold, "hold", 0, "the sink takes so long for each message")
	fs.BoolVar(&p.By, "by", false, "CPU and memory by program as well")
	fs.StringVar(&p.Home, "home", "/var/qmail", "where the suite lives")
	fs.StringVar(&p.scratch, "scratch", "/var/tmp", "a directory on the disk to be measured")
	fs.StringVar(&p.server, "tcpserver", "", "for trees that have none")
	fs.StringVar(&p.json, "json", "", "write all runs to this file")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	for _, a := range fs.Args() {
		name, rest, ok := strings.Cut(a, "=")
		kind, path, ok2 := strings.Cut(rest, ":")
		if !ok || !ok2 {
			return nil, fmt.Errorf("%q is not NAME=KIND:PATH", a)
		}
		switch kind {
		case "qmail", "postfix":
			p.subjects = append(p.subjects, Subject{name, kind, path})
		case "floor":
			p.Floor = path
			p.subjects = append(p.subjects, Subject{name, kind, path})
		default:
			return nil, fmt.Errorf("unknown kind of system %q", kind)
		}
	}
	if len(p.subjects) == 0 || p.times < 1 || p.Scale <= 0 {
		return nil, errors.New("nothing to measure")
	}
	if !strings.HasPrefix(p.Home, "/var/") {
		return nil, errors.New("the home is not below /var, which is all that a run has of its own")
	}
	re, err := regexp.Compile(*only)
	p.only = re
	return p, err
}

func outside() int {
	p, err := commandLine(os.Args[1:])
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		return 2
	}
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "bench: this needs root")
		return 2
	}
	var st unix.Statfs_t
	if unix.Statfs(p.scratch, &st) == nil && st.Type == unix.TMPFS_MAGIC {
		fmt.Fprintf(os.Stderr, "bench: %s is in memory: flushes cost nothing there; use -scratch\n", p.scratch)
	}
	t := &table{subjects: p.subjects}
	wrong := 0
	for _, v := range variants(&p.Options) {
		if !p.only.MatchString(v.name) {
			continue
		}
		t.begin(v)
		for i := range p.times {
			for _, s := range p.subjects {
				if !strings.Contains(v.kinds, s.Kind) {
					continue
				}
				r := p.one(v, s)
				if r.Error != "" {
					wrong++
					fmt.Fprintf(os.Stderr, "bench: %s, %s: %s\n", v.name, s.Name, r.Error)
				}
				t.add(i, s.Name, r)
			}
		}
		t.print(os.Stdout)
	}
	t.printBy(os.Stdout)
	fmt.Printf("\n%s\n", machine())
	if p.json != "" {
		b, err := json.MarshalIndent(t.all, "", " ")
		if err == nil {
			err = os.WriteFile(p.json, b, 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return 1
		}
	}
	if wrong > 0 {
		fmt.Fprintf(os.Stderr, "bench: %d runs went wrong\n", wrong)
		return 1
	}
	return 0
}

// one makes one run.
func (p *plan) one(v variant, s Subject) Result {
	dir, err := os.MkdirTemp(p.scratch, "goqmail-bench.")
	if err != nil {
		return Result{Error: err.Error()}
	}
	defer func() { _ = os.RemoveAll(dir) }() // what stays is below scratch, and seen there
	spec := Spec{Options: p.Options, Subject: s, Variant: v.name, Dir: dir, Server: p.server, CGroup: newGroup()}
	if s.Name != p.subjects[0].Name {
		spec.Extra = nil
	}
	if spec.CGroup != "" {
		defer endGroup(spec.CGroup)
	}
	b, err := json.Marshal(spec)
	if err == nil {
		err = os.WriteFile(dir+"/spec", b, 0o600)
	}
	if err != nil {
		return Result{Error: err.Error()}
	}
	runtime.LockOSThread() // Pdeathsig is for the thread that started it
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", "inside", dir+"/spec")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL,
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC}
	if err := cmd.Start(); err != nil {
		return Result{Error: err.Error()}
	}
	limit := time.AfterFunc(runLimit, func() { _ = cmd.Process.Kill() })
	err = cmd.Wait() // the whole namespace has ended with it
	limit.Stop()
	var r Result
	if b, rerr := os.ReadFile(dir + "/result"); rerr == nil && err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil && r.Error == "" {
		r.Error = err.Error()
	}
	if r.Error != "" {
		if log, err := os.ReadFile(dir + "/log"); err == nil && len(log) > 0 {
			r.Error += "; its log ends: " + string(log[max(0, len(log)-1500):])
		}
	}
	return r
}

// groupName is of one run after the other: each ends before the next begins.
var groupName = fmt.Sprintf("goqmail-bench-%d", os.Getpid())

// newGroup makes a cgroup for what a run measures. "" means that the machine has
// no cgroup v2 that we may write; /proc serves then.
func newGroup() string {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) < 3 || f[2] != "cgroup2" {
			continue
		}
		dir := filepath.Join(f[1], groupName)
		if err := os.Mkdir(dir, 0o755); err == nil || errors.Is(err, os.ErrExist) {
			return dir
		}
	}
	return ""
}

// endGroup removes a cgroup, when its processes have been taken out of it.
func endGroup(dir string) {
	for range 50 {
		if os.Remove(dir) == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// machine says where the figures are from.
func machine() string {
	model := "processor unknown"
	info, _ := os.ReadFile("/proc/cpuinfo")
	if m := regexp.MustCompile(`(?m)^model name\s*: (.*)$`).FindSubmatch(info); m != nil {
		model = string(m[1])
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	load, _ := os.ReadFile("/proc/loadavg")
	return fmt.Sprintf("%d x %s, Linux %s, %s; load average at the end %s", runtime.NumCPU(), model,
		strings.TrimSpace(string(kernel)), runtime.Version(), strings.TrimSpace(string(load)))
}
