package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// injections starts a program for each message, c at a time: the message on its
// descriptor 0 and, with envelope, the envelope on 1.
func injections(n, c int, argv []string, envelope bool) (figures, error) {
	msg := text(usual, "\n")
	var mu sync.Mutex
	var lat []float64
	var cpu time.Duration
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	_, wall, err := each(c, n, 0, func(_, _ int) error {
		begin := time.Now()
		in, err := filled(msg)
		if err != nil {
			return err
		}
		defer in.Close()
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Dir = in, null, "/"
		if envelope {
			env, err := filled([]byte("F" + sender + "\x00T" + localUser(0, 0) + "\x00\x00"))
			if err != nil {
				return err
			}
			defer env.Close()
			cmd.Stdout = env // read from, though
		}
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", argv[0], err)
		}
		mu.Lock()
		defer mu.Unlock()
		lat = append(lat, ms(time.Since(begin)))
		cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		return nil
	})
	k := float64(n)
	return figures{fRate: k / wall.Seconds(), fLatency: quantile(lat, 0.5), fLatency9: quantile(lat, 0.95),
		fCPU: ms(cpu) / k, messages: k}, err
}

// filled returns the reading end of a pipe that holds text, which is shorter
// than a pipe is.
func filled(text []byte) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	return r, w.Close()
}

// idle: memory and CPU of a system that has nothing to do, and memory of the
// programs that come and go, while they wait for something.
func (b *bed) idle() (figures, error) {
	if err := b.sys.setup(Params{local: 10, remote: 20}); err != nil {
		return nil, err
	}
	if err := b.sys.startAll(); err != nil {
		return nil, err
	}
	before := b.rest()
	time.Sleep(5 * time.Second) // the figure is what happens meanwhile
	f := figures{"CPU ms/s": 1000 * (b.cpu() - before) / 5}
	f["PSS KiB"] = b.weighAll()
	f["processes"] = float64(len(b.processes()))
	q, ok := b.sys.(*qmail)
	if !ok {
		return f, nil
	}
	l, err := net.Listen("tcp", sinkAddr) // it never greets: qmail-remote waits
	if err != nil {
		return nil, err
	}
	defer l.Close()
	if err := put(home(0)+"/.qmail", "|exec sleep 30\n"); err != nil {
		return nil, err
	}
	if err := os.Chown(home(0)+"/.qmail", firstUID, firstUID); err != nil {
		return nil, err
	}
	for _, argv := range [][]string{
		{"qmail-queue"}, {"qmail-smtpd"},
		{"qmail-remote", "d0.remote.test", sender, "x@d0.remote.test"},
		{"qmail-local", "--", "u0", home(0), "u0", "", "", hostName, sender, "./Maildir/"},
	} {
		if err := q.weigh(f, argv); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// weigh starts a program, lets it come to where it waits, and looks.
func (q *qmail) weigh(f figures, argv []string) error {
	cmd := exec.Command(q.bin(argv[0]), argv[1:]...)
	cmd.Env, cmd.Dir = append(q.env(), "PROTO=TCP", "TCPREMOTEIP=127.0.0.1", "TCPLOCALIP=127.0.0.1"), q.Home
	var closers []*os.File
	switch argv[0] {
	case "qmail-queue", "qmail-smtpd": // these wait for their input
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		cmd.Stdin, closers = r, append(closers, r, w)
	default:
		if err := put(here+"/message", "Subject: x\n\nx\n"); err != nil {
			return err
		}
		r, err := os.Open(here + "/message")
		if err != nil {
			return err
		}
		cmd.Stdin, closers = r, append(closers, r)
	}
	if argv[0] == "qmail-local" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: firstUID, Gid: firstUID}}
		cmd.Dir = "/"
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	last := 0.0
	for range 50 { // until its memory grows no more
		time.Sleep(50 * time.Millisecond)
		now := memory(cmd.Process.Pid, "Private_Clean", "Private_Dirty")
		if now == last && now > 0 {
			break
		}
		last = now
	}
	f[argv[0]+" private"] = last
	f[argv[0]+" dirty"] = memory(cmd.Process.Pid, "Private_Dirty")
	for _, c := range closers {
		_ = c.Close() // nothing was written
	}
	_ = cmd.Process.Kill() // it may have ended for want of input
	_ = cmd.Wait()         // of a killed process
	if last == 0 {
		return fmt.Errorf("%s ended instead of waiting", argv[0])
	}
	return nil
}

// pop3: a session with a mailbox of 1000 messages.
func (b *bed) pop3() (figures, error) {
	if err := b.sys.setup(Params{local: 10, remote: 20}); err != nil {
		return nil, err
	}
	n := b.count(1000)
	msg := text(usual, "\n")
	for i := range n {
		name := fmt.Sprintf("%s/%d.%d.%s", boxes()[0], 1700000000+i, i, hostName)
		if err := os.WriteFile(name, msg, 0o600); err != nil {
			return nil, err
		}
		if err := os.Chown(name, firstUID, firstUID); err != nil {
			return nil, err
		}
		old := time.Unix(1700000000+int64(i), 0) // what is of this second may be left out
		if err := os.Chtimes(name, old, old); err != nil {
			return nil, err
		}
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	cmd := exec.Command(b.Home+"/bin/qmail-pop3d", "Maildir")
	cmd.Dir, cmd.Stdin, cmd.Stdout = home(0), theirs, theirs
	cmd.Env = []string{"USER=u0", "HOME=" + home(0), "PATH=" + b.Home + "/bin:/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: firstUID, Gid: firstUID}}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	_ = theirs.Close() // the child has its own
	f, err := retrieve(ours, n)
	if werr := cmd.Wait(); err == nil {
		err = werr
	}
	if err != nil {
		return nil, err
	}
	f["CPU ms"] = ms(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime())
	f[messages] = float64(n)
	return f, nil
}

// retrieve reads all messages of a POP3 session.
func retrieve(c *os.File, n int) (figures, error) {
	r := bufio.NewReaderSize(c, 1<<16)
	ask := func(command string, multi bool) (lines int, err error) {
		if command != "" {
			if _, err := c.WriteString(command + "\r\n"); err != nil {
				return 0, err
			}
		}
		first, err := r.ReadString('\n')
		if err != nil || !strings.HasPrefix(first, "+OK") {
			return 0, fmt.Errorf("%q answered %q, %v", command, first, err)
		}
		for multi {
			line, err := r.ReadSlice('\n')
			if err != nil {
				return 0, err
			}
			if string(line) == ".\r\n" {
				break
			}
			lines++
		}
		return lines, nil
	}
	if _, err := ask("", false); err != nil {
		return nil, err
	}
	begin := time.Now()
	lines, err := ask("LIST", true)
	if err != nil {
		return nil, err
	}
	if lines != n {
		return nil, fmt.Errorf("LIST has %d messages, expected %d", lines, n)
	}
	f := figures{"LIST ms": ms(time.Since(begin))}
	begin = time.Now()
	for i := range n {
		if _, err := ask(fmt.Sprintf("RETR %d", i+1), true); err != nil {
			return nil, err
		}
	}
	f["RETR ms"] = ms(time.Since(begin))
	f["RETR /s"] = float64(n) / time.Since(begin).Seconds()
	_, err = ask("QUIT", false)
	return f, err
}
