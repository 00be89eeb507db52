package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	here     = "/mnt" // the scratch directory of a run, inside
	hostName = "mx.example.test"
	users    = 5
	firstUID = 30000
	domains  = 20
)

// Params are what a scenario wants of a system.
type Params struct {
	local, remote int
	hold          bool // mail is taken, not delivered
}

// A system is a mail system that is to be measured.
type system interface {
	setup(p Params) error
	startSMTP() error  // takes mail, delivers none
	startAll() error   // takes and delivers mail
	startQueue() error // delivers mail
	stop() error       // the delivering part, in its orderly way
	preload(n int) error
	submit() (argv []string, envelope bool) // one local message: on fd 0, its envelope on fd 1
	scheduler() string                      // name of the process that owns the queue
}

// A bed is a run inside its namespaces.
type bed struct {
	Spec
	sys     system
	group   *os.File           // of the cgroup, or nil
	pss     map[string]float64 // by program; see weighAll
	running map[string]float64
}

// inside is PID 1 of a run: when it ends, everything has ended.
func inside(path string) int {
	b := &bed{}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &b.Spec)
	}
	if err == nil {
		err = b.enter()
	}
	var r Result
	if err == nil {
		r, err = b.measure()
	}
	if err != nil {
		r.Error = err.Error()
	}
	if text, err = json.Marshal(r); err == nil {
		err = os.WriteFile(here+"/result", text, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func (b *bed) measure() (Result, error) {
	for _, v := range variants(&b.Options) {
		if v.name == b.Variant {
			before := b.programs()
			r, err := v.run(b)
			res := Result{Figures: r, Error: ""}
			if b.By && err == nil {
				res.By, res.PSS, res.Running = b.since(before), b.pss, b.running
			}
			return res, err
		}
	}
	return Result{}, fmt.Errorf("no scenario %q", b.Variant)
}

// enter gives the run its own machine. What is below Dir is at here from then on.
func (b *bed) enter() error {
	if err := errors.Join(
		unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount(b.Dir, here, "", unix.MS_BIND, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""),
		unix.Mount("none", "/run", "tmpfs", 0, "mode=755"),
		unix.Sethostname([]byte(hostName)),
		os.Chmod(here, 0o755),
		loopback(),
		b.etc(),
		b.homes(),
	); err != nil {
		return err
	}
	for _, d := range []string{"spool", "lib", "log", "mail", "tmp", "run"} {
		if err := os.MkdirAll(here+"/var/"+d, 0o755); err != nil {
			return err
		}
	}
	if b.CGroup != "" {
		f, err := os.Open(b.CGroup)
		if err != nil {
			return err
		}
		b.group = f
	}
	switch b.Kind {
	case "qmail":
		b.sys = &qmail{bed: b}
	case "postfix":
		b.sys = &postfix{bed: b}
	}
	return nil
}

// loopback sets the interface up.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

// etc makes an /etc of our own: the machine's accounts and five users.
func (b *bed) etc() error {
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return err
	}
	group, err := os.ReadFile("/etc/group")
	if err != nil {
		return err
	}
	cache, _ := os.ReadFile("/etc/ld.so.cache") // none with static programs
	for i := range users {
		passwd = fmt.Appendf(passwd, "u%d:x:%d:%d::%s:/bin/sh\n", i, firstUID+i, firstUID, home(i))
	}
	group = fmt.Appendf(group, "bench:x:%d:\n", firstUID)
	for name, id := range postfixIDs {
		if !strings.Contains("\n"+string(group), "\n"+name+":") {
			group = fmt.Appendf(group, "%s:x:%d:\n", name, id)
		}
		if name == "postfix" && !strings.Contains("\n"+string(passwd), "\npostfix:") {
			passwd = fmt.Appendf(passwd, "postfix:x:%d:%d::/nonexistent:/bin/false\n", id, id)
		}
	}
	for name, text := range map[string]string{
		"passwd": string(passwd), "group": string(group), "ld.so.cache": string(cache),
		"hosts": "127.0.0.1 " + hostName + " localhost\n", "host.conf": "",
		"resolv.conf":   "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
		"nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n",
		"services":      "smtp 25/tcp\n", "protocols": "tcp 6 TCP\n",
	} {
		if err := put(here+"/etc/"+name, text); err != nil {
			return err
		}
	}
	return unix.Mount(here+"/etc", "/etc", "", unix.MS_BIND, "")
}

func home(i int) string { return fmt.Sprintf("%s/home/u%d", here, i) }

// homes makes the users' Maildirs.
func (b *bed) homes() error {
	for i := range users {
		for _, d := range []string{"", "/Maildir", "/Maildir/tmp", "/Maildir/new", "/Maildir/cur"} {
			if err := os.MkdirAll(home(i)+d, 0o700); err != nil {
				return err
			}
			if err := os.Chown(home(i)+d, firstUID+i, firstUID); err != nil {
				return err
			}
		}
	}
	return os.Chmod(here+"/home", 0o755)
}

// boxes are the directories where mail arrives.
func boxes() (dirs []string) {
	for i := range users {
		dirs = append(dirs, home(i)+"/Maildir/new")
	}
	return dirs
}

// put writes a file and what it needs above it.
func put(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// bind shows directory from at directory to, which is made.
func bind(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	return unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, "")
}

// coverVar shows the run's own /var, after everything in the machine's is bound.
func coverVar() error { return bind(here+"/var", "/var") }

// start starts a part of the system, in its cgroup.
func (b *bed) start(env []string, argv ...string) error {
	log, err := os.OpenFile(here+"/log", os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = env, "/", log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if b.group != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(b.group.Fd())
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // whether it still works shows in what it does
	return nil
}

// answering waits for a greeting.
func answering() error {
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", smtpAddr, time.Second); err != nil {
			continue
		}
		_, err = c.Read(make([]byte, 100))
		_ = c.Close()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("no SMTP server: %w", err)
}

// A process is one of the system's.
type process struct {
	pid         int
	name        string
	cpu, waited float64 // seconds: its own, and of its ended children
}

// processes are all in the namespace but this one, or those of the cgroup.
func (b *bed) processes() []process {
	var names []string
	if b.CGroup != "" {
		text, _ := os.ReadFile(b.CGroup + "/cgroup.procs")
		names = strings.Fields(string(text))
	} else if list, err := os.ReadDir("/proc"); err == nil {
		for _, e := range list {
			names = append(names, e.Name())
		}
	}
	var out []process
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil || pid <= 1 {
			continue
		}
		stat, err := os.ReadFile("/proc/" + n + "/stat")
		open, end := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
		if err != nil || end < 0 {
			continue
		}
		f := strings.Fields(string(stat[end+1:])) // from field 3 of proc_pid_stat(5) on
		tick := func(field int) float64 { v, _ := strconv.Atoi(f[field-3]); return float64(v) / 100 }
		out = append(out, process{pid, string(stat[open+1 : end]), threads(n), tick(16) + tick(17)})
	}
	return out
}

// threads adds up the CPU time of a process's threads in seconds. Stat has it
// in hundredths, which is nothing for a program with little to do.
func threads(pid string) (sum float64) {
	tasks, _ := filepath.Glob("/proc/" + pid + "/task/*/schedstat") // a constant pattern
	for _, t := range tasks {
		text, _ := os.ReadFile(t) // none: it has ended
		var ns float64
		if n, _ := fmt.Sscan(string(text), &ns); n == 1 {
			sum += ns / 1e9
		}
	}
	return sum
}

// programs is CPU by program. Ended processes count for those who waited for them.
func (b *bed) programs() map[string]float64 {
	m := map[string]float64{}
	for _, p := range b.processes() {
		m[p.name] += p.cpu
		m["ended children of "+p.name] += p.waited
	}
	return m
}

func (b *bed) since(before map[string]float64) map[string]float64 {
	m := b.programs()
	for name, s := range before {
		m[name] -= s
	}
	return m
}

// cpu is the system's use of the processors in seconds.
func (b *bed) cpu() float64 {
	if b.CGroup != "" {
		text, _ := os.ReadFile(b.CGroup + "/cpu.stat")
		for line := range strings.Lines(string(text)) {
			var us float64
			if n, _ := fmt.Sscanf(line, "usage_usec %f", &us); n == 1 {
				return us / 1e6
			}
		}
	}
	sum := 0.0
	for _, p := range b.processes() {
		sum += p.cpu + p.waited
	}
	return sum
}

// rest waits until the system has nothing more to do, and returns cpu. It looks
// how much it used, because nothing says that it has finished.
func (b *bed) rest() float64 {
	last := b.cpu()
	for range 50 {
		time.Sleep(100 * time.Millisecond)
		now := b.cpu()
		if now-last < 0.003 {
			return now
		}
		last = now
	}
	return last
}

// memory adds up a field of /proc/PID/smaps_rollup in KiB.
func memory(pid int, fields ...string) (sum float64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for line := range strings.Lines(string(text)) {
		for _, f := range fields {
			if rest, ok := strings.CutPrefix(line, f+":"); ok {
				v, _ := strconv.Atoi(strings.Fields(rest)[0])
				sum += float64(v)
			}
		}
	}
	return sum
}

// weighAll notes the memory of the system's processes, and returns their sum.
func (b *bed) weighAll() (sum float64) {
	b.pss, b.running = map[string]float64{}, map[string]float64{}
	for _, p := range b.processes() {
		kib := memory(p.pid, "Pss")
		b.pss[p.name] += kib
		b.running[p.name]++
		sum += kib
	}
	return sum
}

// find returns the process with the name, or 0.
func (b *bed) find(name string) int {
	for _, p := range b.processes() {
		if p.name == name {
			return p.pid
		}
	}
	return 0
}

// files counts regular files below a directory.
func files(dir string) (n int) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			n++
		}
		return nil
	})
	return n
}
