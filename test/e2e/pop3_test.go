//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A popServer is qmail-pop3d on a socket, as tcpserver has it.
type popServer struct {
	b   *bed
	cmd *exec.Cmd
	c   *os.File
	r   *bufio.Reader
}

// pop3d starts it with a Maildir of uid 6001 and waits for its greeting.
func (b *bed) pop3d(maildir string) *popServer {
	b.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	b.must(err)
	theirs, ours := os.NewFile(uintptr(fds[0]), "server"), os.NewFile(uintptr(fds[1]), "client")
	s := &popServer{b: b, cmd: command(home+"/bin/qmail-pop3d", maildir), c: ours, r: bufio.NewReader(ours)}
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = theirs, theirs, os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 6001, Gid: 6001}}
	b.must(s.cmd.Start())
	b.must(theirs.Close())
	s.line("+OK ")
	return s
}

// line reads a line, which must begin with want.
func (s *popServer) line(want string) string {
	s.b.Helper()
	l, err := s.r.ReadString('\n')
	s.b.must(err)
	if !strings.HasPrefix(l, want) {
		s.b.Fatalf("qmail-pop3d says %q, want %q", l, want)
	}
	return l
}

// say sends a command whose answer is one line.
func (s *popServer) say(command string) string {
	s.b.Helper()
	_, err := io.WriteString(s.c, command+"\r\n")
	s.b.must(err)
	return s.line("+OK ")
}

// list sends a command whose answer ends with a dot, and counts its lines.
func (s *popServer) list(command string) (n int) {
	s.b.Helper()
	s.say(command)
	for s.line("") != ".\r\n" {
		n++
	}
	return n
}

// memory is a value of /proc/PID/FILE, in KiB.
func (s *popServer) memory(file, field string) int {
	s.b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.cmd.Process.Pid, file))
	s.b.must(err)
	_, after, _ := strings.Cut("\n"+string(text), "\n"+field+":")
	value, _, _ := strings.Cut(after, " kB\n")
	n, err := strconv.Atoi(strings.TrimSpace(value))
	s.b.must(err)
	return n
}

// end closes the connection and returns the processor time of the process.
func (s *popServer) end() time.Duration {
	s.b.Helper()
	s.b.must(s.c.Close())
	s.b.must(s.cmd.Wait())
	return s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime()
}

// fill makes a Maildir with n messages, half of them in new. They are names of a
// few files, which is quicker to make.
func (b *bed) fill(maildir string, n int) {
	b.Helper()
	const files = 500
	for _, d := range []string{"", "/tmp", "/new", "/cur", "/files"} {
		b.must(os.MkdirAll(maildir+d, 0o777))
		b.must(os.Chown(maildir+d, 6001, 6001))
	}
	for i := range files {
		name := fmt.Sprintf("%s/files/%d", maildir, i)
		b.must(os.WriteFile(name, []byte("Subject: x\n\n"+strings.Repeat("x", i)+"\n"), 0o644))
		at := time.Unix(1_600_000_000+int64(i*7%files), 0)
		b.must(os.Chtimes(name, at, at))
	}
	for i := range n {
		name := fmt.Sprintf("%s/new/%d.%d_%d.a-host-with-a-long-name.%s", maildir, 1_600_000_000+i, 1000+i%30000, i, hostName)
		if i%2 == 0 {
			name = strings.Replace(name, "/new/", "/cur/", 1) + ":2,S"
		}
		b.must(os.Link(fmt.Sprintf("%s/files/%d", maildir, i%files), name))
	}
}

// With 100,000 messages the memory stays below 32 MiB, and a message costs no
// more time than with 1,000. Processor time is compared, the best of some runs,
// so that a busy machine is no matter; what is known to be so has a wide margin.
func TestPop3Large(t *testing.T) {
	const small, large = 1000, 100_000
	const maxKiB = 32 << 10
	onBed(t, func(b *bed) {
		best := map[int]time.Duration{}
		for _, n := range []int{small, large} {
			maildir := fmt.Sprintf("/home/pop/%d", n)
			b.fill(maildir, n)
			for range 3 {
				s := b.pop3d(maildir)
				if got := s.list("LIST"); got != n {
					b.Errorf("LIST has %d messages, want %d", got, n)
				}
				if took := s.end(); best[n] == 0 || took < best[n] {
					best[n] = took
				}
			}
		}
		if each, before := best[large]/large, best[small]/small; each > before*3/2 {
			b.Errorf("a message of %d takes %v, one of %d %v", large, each, small, before)
		}
		b.Logf("%d messages: %v; %d messages: %v", small, best[small], large, best[large])

		s := b.pop3d(fmt.Sprintf("/home/pop/%d", large))
		if got := s.say("STAT"); !strings.HasPrefix(got, fmt.Sprintf("+OK %d ", large)) {
			b.Errorf("STAT: %q", got)
		}
		s.list("LIST")
		if got := s.list("UIDL"); got != large {
			b.Errorf("UIDL has %d messages, want %d", got, large)
		}
		for i := 1; i <= large; i += 100 {
			s.list(fmt.Sprint("RETR ", i))
			s.say(fmt.Sprint("DELE ", i))
		}
		most, pss := s.memory("status", "VmHWM"), s.memory("smaps_rollup", "Pss")
		b.Logf("%d messages: at most %d KiB, now %d KiB (PSS)", large, most, pss)
		if most >= maxKiB || pss >= maxKiB {
			b.Errorf("%d KiB at most, %d KiB PSS, want less than %d", most, pss, maxKiB)
		}
		s.say("QUIT")
		s.end()
		for sub, want := range map[string]int{"new": 0, "cur": large - large/100} {
			list, err := os.ReadDir(fmt.Sprintf("/home/pop/%d/%s", large, sub))
			b.must(err)
			if len(list) != want {
				b.Errorf("%d messages in %s, want %d", len(list), sub, want)
			}
		}
	})
}
