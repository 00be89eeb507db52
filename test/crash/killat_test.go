//go:build e2e && amd64

package crash

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tracerMissing says why killat cannot run here, "" if it can.
const tracerMissing = ""

// The errors that make sense for a call.
var (
	errsMake   = []syscall.Errno{unix.ENOSPC, unix.EIO, unix.EDQUOT, unix.EMFILE, unix.ENOMEM}
	errsWrite  = []syscall.Errno{unix.ENOSPC, unix.EIO, unix.EDQUOT}
	errsName   = []syscall.Errno{unix.ENOSPC, unix.EIO, unix.EDQUOT}
	errsChange = []syscall.Errno{unix.EIO}
	errsFD     = []syscall.Errno{unix.EMFILE}
	errsStart  = []syscall.Errno{unix.EAGAIN, unix.ENOMEM}
	errsExec   = []syscall.Errno{unix.ENOMEM}
)

// calls are those that are counted. In args, d is a descriptor, p a path, a the
// two arguments of a path below a directory, f the flags of an open, - nothing.
var calls = map[uint64]call{
	unix.SYS_OPEN:            {"open", "pf", true, errsMake},
	unix.SYS_OPENAT:          {"open", "aAf", true, errsMake},
	unix.SYS_CREAT:           {"open", "p", true, errsMake},
	unix.SYS_WRITE:           {"write", "d", true, errsWrite},
	unix.SYS_PWRITE64:        {"write", "d", true, errsWrite},
	unix.SYS_WRITEV:          {"write", "d", true, errsWrite},
	unix.SYS_SENDFILE:        {"write", "d", true, errsWrite},
	unix.SYS_SPLICE:          {"write", "--d", true, errsWrite},
	unix.SYS_COPY_FILE_RANGE: {"write", "--d", true, errsWrite},
	unix.SYS_FSYNC:           {"fsync", "d", true, errsWrite},
	unix.SYS_FDATASYNC:       {"fsync", "d", true, errsWrite},
	unix.SYS_SYNCFS:          {"fsync", "d", true, errsWrite},
	unix.SYS_SYNC_FILE_RANGE: {"writeback", "d", true, errsChange},
	unix.SYS_LINK:            {"link", "pp", true, errsName},
	unix.SYS_LINKAT:          {"link", "aAaA", true, errsName},
	unix.SYS_UNLINK:          {"unlink", "p", true, errsChange},
	unix.SYS_UNLINKAT:        {"unlink", "aA", true, errsChange},
	unix.SYS_RMDIR:           {"unlink", "p", true, errsChange},
	unix.SYS_RENAME:          {"rename", "pp", true, errsName},
	unix.SYS_RENAMEAT:        {"rename", "aAaA", true, errsName},
	unix.SYS_RENAMEAT2:       {"rename", "aAaA", true, errsName},
	unix.SYS_UTIMENSAT:       {"utime", "aA", true, errsChange},
	unix.SYS_UTIME:           {"utime", "p", true, errsChange},
	unix.SYS_UTIMES:          {"utime", "p", true, errsChange},
	unix.SYS_FTRUNCATE:       {"truncate", "d", true, errsChange},
	unix.SYS_TRUNCATE:        {"truncate", "p", true, errsChange},
	unix.SYS_FALLOCATE:       {"truncate", "d", true, errsWrite},
	unix.SYS_MKDIR:           {"mkdir", "p", true, errsName},
	unix.SYS_MKDIRAT:         {"mkdir", "aA", true, errsName},
	unix.SYS_FCHMOD:          {"chmod", "d", true, errsChange},
	unix.SYS_FCHMODAT:        {"chmod", "aA", true, errsChange},
	unix.SYS_FCHOWN:          {"chown", "d", true, errsChange},
	unix.SYS_FCHOWNAT:        {"chown", "aA", true, errsChange},
	unix.SYS_CLOSE:           {"close", "d", true, errsWrite},
	unix.SYS_READ:            {"read", "d", false, errsChange},
	unix.SYS_PIPE2:           {"pipe", "-", false, errsFD},
	unix.SYS_SOCKET:          {"socket", "-", false, errsFD},
	unix.SYS_SOCKETPAIR:      {"socket", "-", false, errsFD},
	unix.SYS_CLONE:           {"clone", "-", false, errsStart},
	unix.SYS_CLONE3:          {"clone", "-", false, errsStart},
	unix.SYS_FORK:            {"clone", "-", false, errsStart},
	unix.SYS_VFORK:           {"clone", "-", false, errsStart},
	unix.SYS_EXECVE:          {"execve", "p", false, errsExec},
	unix.SYS_CHDIR:           {"chdir", "p", false, errsChange},
}

// sysInfo is struct ptrace_syscall_info, as far as it is the same on entry.
type sysInfo struct {
	op   uint8
	_    [3]byte
	arch uint32
	ip   uint64
	sp   uint64
	nr   uint64
	args [6]uint64
	_    [16]byte // of other kinds of stop
}

const (
	getSyscallInfo = 0x420e // PTRACE_GET_SYSCALL_INFO
	infoEntry      = 1
	infoExit       = 2
)

// A task is a thread that is traced.
type task struct {
	match  bool          // it runs the program that is looked for
	new    bool          // it has not stopped yet: its first stop is the tracer's doing
	skip   bool          // the call it is in does not happen
	result syscall.Errno // what that call gives instead; 0 is success
}

// A tracer is one run of killat.
type tracer struct {
	exe    string // base name of the program, "" for all
	at     int    // the action is taken at this call of those with the name
	name   string // "" for none
	action string // none, kill, fail, stick (that call fails from then on), noflush, nodirflush
	errno  syscall.Errno
	log    *os.File
	n      int            // calls so far
	of     map[string]int // calls so far by name
	hit    bool
	stuck  string // name of the calls that fail from now on
	tasks  map[int]*task
}

// killat runs a program under the tracer: killat EXE N NAME ACTION ERRNO LOG
// PROGRAM ARG... It exits as the program does, with 128 and the number if that was a
// signal. Each counted call is a line of LOG, its number, name and object; after that
// of the N-th with NAME comes the line "HIT", and when all have ended "END".
func killat() int {
	a := os.Args[1:]
	t := &tracer{exe: a[0], name: a[2], action: a[3], of: map[string]int{}, tasks: map[int]*task{}}
	t.at, _ = strconv.Atoi(a[1]) // the test says digits
	no, _ := strconv.Atoi(a[4])  // the same
	t.errno = syscall.Errno(no)
	var err error
	if t.log, err = os.OpenFile(a[5], os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600); err != nil {
		fmt.Fprintln(os.Stderr, "killat:", err)
		return 99
	}
	runtime.LockOSThread()
	code, err := t.run(a[6:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "killat:", err)
		return 99
	}
	return code
}

// run starts the program and handles its stops until every task has ended.
func (t *tracer) run(argv []string) (code int, err error) {
	main, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Files: []uintptr{0, 1, 2}, Env: os.Environ(), Sys: &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		return 0, err
	}
	// no pipe of the program may have an end here: its reader would wait
	for fd := range 2 {
		_ = unix.Close(fd) // inherited
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(main, &ws, 0, nil); err != nil {
		return 0, err
	}
	if err := unix.PtraceSetOptions(main, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACEFORK|unix.PTRACE_O_TRACEVFORK|
		unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_TRACEEXEC|unix.PTRACE_O_EXITKILL); err != nil {
		return 0, err
	}
	t.tasks[main] = &task{match: t.matches(main)}
	t.resume(main, 0)
	for {
		tid, err := unix.Wait4(-1, &ws, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil: // ECHILD: all have ended
			fmt.Fprintln(t.log, "END")
			return code, nil
		case ws.Exited() || ws.Signaled():
			delete(t.tasks, tid)
			if tid == main {
				code = ws.ExitStatus()
				if ws.Signaled() {
					code = 128 + int(ws.Signal())
				}
			}
		case ws.Stopped():
			t.stopped(tid, ws)
		}
	}
}

// stopped handles one stop of a task and lets it go on.
func (t *tracer) stopped(tid int, ws unix.WaitStatus) {
	k := t.tasks[tid]
	if k == nil {
		k = &task{new: true, match: t.matches(tid)}
		t.tasks[tid] = k
	}
	sig := 0
	switch s := ws.StopSignal(); {
	case s == unix.SIGTRAP|0x80:
		t.syscallStop(tid, k)
	case ws.TrapCause() == unix.PTRACE_EVENT_EXEC:
		k.match = t.matches(tid)
	case ws.TrapCause() > 0:
	case s == unix.SIGSTOP && k.new:
		k.new = false
	default:
		sig = int(s)
	}
	t.resume(tid, sig)
}

// resume lets a task go on, to its next system call if it is of interest. A task
// that was killed meanwhile is gone: its end comes by wait.
func (t *tracer) resume(tid, sig int) {
	if k := t.tasks[tid]; k != nil && (k.match || k.skip) {
		_ = unix.PtraceSyscall(tid, sig)
		return
	}
	_ = unix.PtraceCont(tid, sig)
}

// matches reports whether a task runs the program.
func (t *tracer) matches(tid int) bool {
	if t.exe == "" {
		return true
	}
	path, err := os.Readlink(proc(tid, "exe"))
	return err == nil && filepath.Base(path) == t.exe
}

func proc(tid int, name string) string { return "/proc/" + strconv.Itoa(tid) + "/" + name }

// syscallStop is the entry into or the exit from a system call.
func (t *tracer) syscallStop(tid int, k *task) {
	var info sysInfo
	if _, _, e := unix.Syscall6(unix.SYS_PTRACE, getSyscallInfo, uintptr(tid), unsafe.Sizeof(info),
		uintptr(unsafe.Pointer(&info)), 0, 0); e != 0 {
		return // killed meanwhile
	}
	switch {
	case info.op == infoExit && k.skip:
		k.skip = false
		var r unix.PtraceRegs
		if unix.PtraceGetRegs(tid, &r) == nil {
			r.Rax = uint64(-int64(k.result))
			_ = unix.PtraceSetRegs(tid, &r) // fails only for one that is gone
		}
	case info.op == infoEntry && k.match:
		t.enter(tid, k, &info)
	}
}

// enter looks at a call that is about to happen.
func (t *tracer) enter(tid int, k *task, info *sysInfo) {
	c, ok := calls[info.nr]
	if !ok {
		return
	}
	what, reading := describe(tid, c, info.args[:])
	for _, p := range []string{"/proc/", "/sys/", "anon_inode:", "/lib", "/usr/lib", "/etc/ld.so", "/etc/localtime"} {
		if strings.HasPrefix(what, p) {
			return
		}
	}
	name := c.name
	switch {
	case reading:
		name = "openread"
	case info.nr == unix.SYS_CLONE && info.args[0]&unix.CLONE_THREAD != 0:
		name = "thread"
	}
	if t.action == "noflush" || t.action == "nodirflush" {
		if name == "fsync" && (t.action == "noflush" || isDir(tid, info.args[0])) {
			t.skip(tid, k, 0)
		}
		return
	}
	t.n++
	t.of[name]++
	fmt.Fprintf(t.log, "%d %s %s\n", t.n, name, what)
	if t.stuck == name {
		t.fail(tid, k, name)
	}
	if t.hit || t.name != name || t.of[name] != t.at {
		return
	}
	t.hit = true
	fmt.Fprintln(t.log, "HIT")
	switch t.action {
	case "kill":
		_ = unix.Kill(tgid(tid), unix.SIGKILL) // it is stopped, so it is there
	case "stick":
		t.stuck = name
		t.fail(tid, k, name)
	case "fail":
		t.fail(tid, k, name)
	}
}

// fail makes a call fail. A close that fails has closed all the same.
func (t *tracer) fail(tid int, k *task, name string) {
	if name == "close" {
		k.skip, k.result = true, t.errno
		return
	}
	t.skip(tid, k, t.errno)
}

// skip makes the call that a task is entering give a result without happening.
func (t *tracer) skip(tid int, k *task, result syscall.Errno) {
	var r unix.PtraceRegs
	if unix.PtraceGetRegs(tid, &r) != nil {
		return
	}
	r.Orig_rax = ^uint64(0)
	if unix.PtraceSetRegs(tid, &r) == nil {
		k.skip, k.result = true, result
	}
}

// describe says what a call is about, and whether it is an open for reading.
func describe(tid int, c call, args []uint64) (what string, reading bool) {
	var b []string
	dir := ""
	for i, kind := range c.args {
		switch kind {
		case 'd':
			b = append(b, fdName(tid, args[i]))
		case 'p':
			b = append(b, readString(tid, args[i]))
		case 'a':
			dir = ""
			if int32(args[i]) != unix.AT_FDCWD {
				dir = fdName(tid, args[i]) + "/"
			}
		case 'A':
			name := readString(tid, args[i])
			if !strings.HasPrefix(name, "/") {
				name = dir + name
			}
			b = append(b, name)
		case 'f':
			reading = args[i]&(unix.O_CREAT|unix.O_WRONLY|unix.O_RDWR|unix.O_TRUNC) == 0
		}
	}
	return strings.ReplaceAll(strings.Join(b, " "), "\n", "?"), reading
}

// fdName is what a descriptor of a task is open on.
func fdName(tid int, fd uint64) string {
	name, _ := os.Readlink(proc(tid, "fd/"+strconv.Itoa(int(int32(fd))))) // "" for a closed one
	return name
}

func isDir(tid int, fd uint64) bool {
	fi, err := os.Stat(proc(tid, "fd/"+strconv.Itoa(int(int32(fd)))))
	return err == nil && fi.IsDir()
}

// readString reads a string out of a task's memory, to the end of its page first.
func readString(tid int, addr uint64) string {
	buf := make([]byte, 4096)
	for _, size := range []int{4096 - int(addr%4096), len(buf)} {
		local := []unix.Iovec{{Base: &buf[0], Len: uint64(size)}}
		remote := []unix.RemoteIovec{{Base: uintptr(addr), Len: size}}
		n, err := unix.ProcessVMReadv(tid, local, remote, 0)
		if err != nil {
			return ""
		}
		if s, _, ended := bytes.Cut(buf[:n], []byte{0}); ended {
			return string(s)
		}
	}
	return string(buf)
}

// tgid is the process that a thread belongs to.
func tgid(tid int) int {
	text, err := os.ReadFile(proc(tid, "status"))
	if err == nil {
		for line := range strings.Lines(string(text)) {
			if v, ok := strings.CutPrefix(line, "Tgid:"); ok {
				if n, err := strconv.Atoi(strings.TrimSpace(v)); err == nil {
					return n
				}
			}
		}
	}
	return tid
}
