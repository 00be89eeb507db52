//go:build e2e

package peers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A unit is one of systemd: the values of each setting, in order, by section and
// name ("Service.ExecStart"). An empty value forgets those before it.
type unit map[string][]string

// readUnit reads a unit from /etc/systemd/system, with its drop-ins.
func (b *bed) readUnit(name string, dropIns ...string) unit {
	b.Helper()
	u := unit{}
	files := append([]string{"/etc/systemd/system/" + name}, dropIns...)
	for _, file := range files {
		text, err := os.ReadFile(file)
		b.must(err)
		section := ""
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if line == "" || line[0] == '#' || line[0] == ';' {
				continue
			}
			if line[0] == '[' {
				section = strings.Trim(line, "[]")
				continue
			}
			key, value, ok := strings.Cut(line, "=")
			if !ok || strings.HasSuffix(value, "\\") || strings.ContainsAny(value, `"'`) {
				b.Fatalf("%s: this test does not know the line %q", file, line)
			}
			if key = section + "." + key; value == "" {
				delete(u, key)
				continue
			}
			u[key] = append(u[key], value)
		}
	}
	return u
}

// one is the value of a setting that has one.
func (b *bed) one(u unit, key string) string {
	b.Helper()
	if len(u[key]) != 1 {
		b.Fatalf("%s has the values %q, want one", key, u[key])
	}
	return u[key][0]
}

// sockets makes the sockets of a socket unit.
func (b *bed) sockets(u unit) (files []*os.File) {
	b.Helper()
	for _, at := range u["Socket.ListenStream"] {
		if _, err := strconv.Atoi(at); err == nil {
			at = ":" + at // both families, as BindIPv6Only=both says
		}
		l, err := net.Listen("tcp", at)
		b.must(err)
		f, err := l.(*net.TCPListener).File()
		b.must(err)
		b.must(unix.SetNonblock(int(f.Fd()), false)) // as systemd hands them on
		b.must(l.Close())
		files = append(files, f)
	}
	return files
}

// credential is what User= and Group= of a service mean; nil for root.
func (b *bed) credential(u unit) (cred *syscall.Credential, env []string) {
	b.Helper()
	if len(u["Service.User"]) == 0 {
		return nil, nil
	}
	who, err := user.Lookup(b.one(u, "Service.User"))
	b.must(err)
	group, err := user.LookupGroup(b.one(u, "Service.Group"))
	b.must(err)
	uid, err := strconv.Atoi(who.Uid)
	b.must(err)
	gid, err := strconv.Atoi(group.Gid)
	b.must(err)
	cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{uint32(gid)}}
	return cred, []string{"USER=" + who.Username, "LOGNAME=" + who.Username, "HOME=" + who.HomeDir, "SHELL=/bin/sh"}
}

// execStart is the command that executes a service's ExecStart as the unit says:
// user, groups, environment, limit of open files, privileges. Descriptor 2 is a
// log; files are LISTEN_FDS, unless there are none.
func (b *bed) execStart(u unit, log string, files []*os.File) *exec.Cmd {
	b.Helper()
	words := strings.Fields(b.one(u, "Service.ExecStart"))
	path := strings.TrimLeft(words[0], "-@")
	if !strings.Contains(words[0], "@") {
		words = append([]string{path}, words...) // argv[0] is the path
	} else {
		words[0] = path
	}
	soft, _, _ := strings.Cut(strings.Join(u["Service.LimitNOFILE"], ""), ":")
	script := `ulimit -Sn ` + soft + "\n"
	if soft == "" {
		script = ""
	}
	if len(files) > 0 {
		script += "export LISTEN_PID=$$ LISTEN_FDS=" + strconv.Itoa(len(files)) + " LISTEN_FDNAMES=unit\n"
	}
	nnp := ""
	switch got := b.one(u, "Service.NoNewPrivileges"); got {
	case "yes":
		nnp = "setpriv --no-new-privs "
	case "no":
	default:
		b.Fatalf("NoNewPrivileges=%s", got)
	}
	script += `file=$1 name=$2; shift 2; exec ` + nnp + `/bin/bash -c 'exec -a "$0" "$@"' "$name" "$file" "$@"`
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, "sh", words[0]}, words[1:]...)...)
	cmd.Dir = "/"
	cred, env := b.credential(u)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	cmd.Env = append(append(env, "LANG=C.UTF-8", "INVOCATION_ID=0"), u["Service.Environment"]...)
	f, err := os.OpenFile(log, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	b.must(err)
	b.Cleanup(func() { _ = f.Close() })
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = f, f, files
	return cmd
}

// A service runs as its unit says.
type service struct {
	b     *bed
	u     unit
	log   string
	cmd   *exec.Cmd
	ended chan error
}

// startService starts a service, with the sockets of its unit if it has one.
func (b *bed) startService(u unit, log string, files []*os.File) *service {
	b.Helper()
	s := &service{b, u, log, b.execStart(u, log, files), make(chan error, 1)}
	b.must(s.cmd.Start())
	go func() { s.ended <- s.cmd.Wait() }()
	b.Cleanup(func() {
		if b.Failed() {
			b.Logf("%s:\n%s", log, strings.Join(lines(log), "\n"))
		}
	})
	return s
}

// reload executes ExecReload.
func (s *service) reload() {
	s.b.Helper()
	words := strings.Fields(s.b.one(s.u, "Service.ExecReload"))
	for i, w := range words {
		if w == "$MAINPID" {
			words[i] = strconv.Itoa(s.cmd.Process.Pid)
		}
	}
	s.b.run(ownPath, words...)
}

// kill sends KillSignal where KillMode says: to the main process alone, and waits
// until it has it.
func (s *service) kill() {
	s.b.Helper()
	if mode := s.b.one(s.u, "Service.KillMode"); mode != "process" {
		s.b.Fatalf("KillMode=%s", mode)
	}
	name := s.b.one(s.u, "Service.KillSignal")
	signal := unix.SignalNum(name)
	if signal == 0 {
		s.b.Fatalf("KillSignal=%s", name)
	}
	s.b.must(s.cmd.Process.Signal(signal))
	status := fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid)
	s.b.eventually("the signal's arrival", func() bool {
		for _, l := range lines(status) {
			if mask, ok := strings.CutPrefix(l, "ShdPnd:"); ok {
				pending, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
				return err == nil && pending&(1<<(signal-1)) == 0
			}
		}
		return true // it has gone
	})
}

// stop kills, and waits for the end, which must be exit 0.
func (s *service) stop() {
	s.b.Helper()
	s.kill()
	s.over()
}

// insist kills again and again until the end: a signal that comes before the last
// one was taken counts as that one.
func (s *service) insist() {
	s.b.Helper()
	s.b.eventually("the end", func() bool {
		if len(s.ended) == 0 {
			_ = s.cmd.Process.Signal(unix.SignalNum(s.b.one(s.u, "Service.KillSignal"))) // it may just have ended
		}
		return len(s.ended) > 0
	})
	s.over()
}

// over waits for the end, which must be exit 0.
func (s *service) over() {
	s.b.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			s.b.Errorf("after %s: %v", s.u["Service.KillSignal"], err)
		}
	case <-time.After(patience):
		s.b.Fatalf("%q has not ended", s.cmd.Args)
	}
}

// accepting serves a socket unit with Accept=yes: a process of the template for
// each connection, which is its descriptors 0 and 1. stop ends it.
func (b *bed) accepting(socket, template unit, log string) (stop func()) {
	b.Helper()
	for key, want := range map[string]string{"Socket.Accept": "yes"} {
		if got := b.one(socket, key); got != want {
			b.Fatalf("%s=%s, want %s", key, got, want)
		}
	}
	for key, want := range map[string]string{"StandardInput": "socket", "StandardOutput": "inherit", "StandardError": "journal"} {
		if got := b.one(template, "Service."+key); got != want {
			b.Fatalf("%s=%s, want %s", key, got, want)
		}
	}
	files := b.sockets(socket)
	l, err := net.FileListener(files[0])
	b.must(err)
	ended := make(chan struct{})
	var programs []*exec.Cmd
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			f, err := c.(*net.TCPConn).File()
			if err != nil {
				panic(err)
			}
			_ = unix.SetNonblock(int(f.Fd()), false) // as systemd hands it on
			cmd := b.execStart(template, log, nil)
			peer := c.RemoteAddr().(*net.TCPAddr)
			cmd.Env = append(cmd.Env, "REMOTE_ADDR="+peer.IP.String(), fmt.Sprint("REMOTE_PORT=", peer.Port))
			cmd.Stdin, cmd.Stdout = f, f
			if err := cmd.Start(); err != nil {
				panic(err)
			}
			programs = append(programs, cmd)
			_, _ = f.Close(), c.Close() // the program's
		}
	}()
	return func() {
		b.Helper()
		b.must(l.Close())
		<-ended
		b.must(files[0].Close())
		for _, cmd := range programs {
			_ = cmd.Wait() // the leading "-" of ExecStart: any exit will do
		}
	}
}
