//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"goqmail/internal/testkit"
)

// run runs an installed program on an input; pending is what it wrote to
// descriptor 5.
func (b *bed) run(stdin string, name string, args ...string) (out, pending string) {
	b.Helper()
	five, err := os.CreateTemp(b.TempDir(), "5")
	b.must(err)
	defer five.Close()
	cmd := command(home+"/bin/"+name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.ExtraFiles = []*os.File{nil, nil, five} // 3, 4, 5
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil || e.Len() > 0 {
		b.Fatalf("%s %q: %v %s", name, args, err, e.String())
	}
	text, err := os.ReadFile(five.Name())
	b.must(err)
	return o.String(), string(text)
}

// A syslogFile does what the system's logger does: it writes a line for each
// message to /dev/log, with the name of the host, and others between.
type syslogFile struct {
	sync.Mutex
	text bytes.Buffer
}

func (s *syslogFile) String() string {
	s.Lock()
	defer s.Unlock()
	return s.text.String()
}

// listen begins to write.
func (s *syslogFile) listen(b *bed) {
	b.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "/dev/log", Net: "unixgram"})
	b.must(err)
	b.must(os.Chmod("/dev/log", 0o666))
	go func() {
		buf := make([]byte, 8192)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			_, line, _ := bytes.Cut(bytes.TrimRight(buf[:n], "\n\x00"), []byte(">"))
			s.Lock()
			fmt.Fprintf(&s.text, "%s mx %s\n", line[:15], line[16:])
			fmt.Fprintf(&s.text, "%s mx kernel: eth0: link is up\n", line[:15])
			s.Unlock()
		}
	}()
}

// matched runs matchup over a log, in two parts, and holds that against one run;
// then it looks at what the reports say of mail that was sent by mixed.
func (b *bed) matched(log string) {
	b.Helper()
	half := strings.LastIndexByte(log[:len(log)/2], '\n') + 1
	first, pending := b.run(log[:half], "matchup")
	second, rest := b.run(pending+log[half:], "matchup")
	whole, wantRest := b.run(log, "matchup")
	if first+second != whole || rest != wantRest {
		b.Errorf("in two parts:\n%s\npending %s\nat once:\n%s\npending %s", first+second, rest, whole, wantRest)
	}
	b.match("pending", rest, `[\d.]+ info msg \d+: bytes \d+ from <s@far\.test> qp \d+ uid 0\n[\d.]+ extra \d+ 0 1 0\n`)
	overall, _ := b.run(whole, "zoverall")
	for _, want := range []string{"Completed messages: 3\n", "Recipients for completed messages: 4\n", "Total delivery attempts: 5\n",
		"  success: 3\n", "  failure: 1\n", "  deferral: 1\n"} {
		if !strings.Contains(overall, "\n"+want) {
			b.Errorf("zoverall has no line %q:\n%s", want, overall)
		}
	}
	long := strings.Repeat("0", 2000)
	for name, want := range map[string]string{
		"zfailures":   `\n *1 +\d+\.\d\d  ` + long + `\n$`,
		"zdeferrals":  `\n *1 +\d+\.\d\d  not now/\n$`,
		"zsuccesses":  `\n *3 +\d+\.\d\d  did 1\+0\+0/\n$`,
		"zrhosts":     `\n *\d+ +4 +5 +\d+\.\d\d  e2e\.test\n$`,
		"zrecipients": `\n *\d+ +2 +2 +\d+\.\d\d  local\.ann@e2e\.test\n`,
		"zsenders":    `\n *1 +\d+ +\d+ +\d+ +1 +1 +\d+\.\d{6}  <s@far\.test>\n`,
		"zsuids":      `\n *2 +\d+ +\d+ +\d+ +3 +3 +\d+\.\d{6}  0\n`,
		"zddist":      `\n *\d+\.\d\d +\d+\.\d\d  100\n$`,
		"zrxdelay":    `\n *\d+\.\d\d +2  local\.ann@e2e\.test\n`,
	} {
		out, _ := b.run(whole, name)
		if !regexp.MustCompile(want).MatchString(out) {
			b.Errorf("%s:\n%s\nwant a match of %s", name, out, want)
		}
	}
	if out, _ := b.run(whole, "xsender"); strings.Count(out, "\n") != 2 {
		b.Errorf("lines about the bounce:\n%s", out)
	}
}

// mixed sends what is delivered, what is put off and what fails, with a report
// that splogger has to cut into pieces; log gives the log.
func (b *bed) mixed(log func() string) {
	b.Helper()
	ann := b.user("ann")
	ann.dotQmail("-later", "|echo not now; exit 111\n")
	ann.dotQmail("-never", "|printf %02000d 0; exit 100\n")
	ann.dotQmail("-bounces", "./Bounces\n")
	b.inject("s@far.test", "x\n", "Ann@"+domain)
	b.inject("s@far.test", "y\n", "ann-later@"+domain)
	b.inject("ann-bounces@"+domain, "z\n", "ann@"+domain, "ann-never@"+domain)
	b.eventually("the end of three messages", func() bool { return strings.Count(log(), " end msg ") == 3 && strings.Contains(log(), "not_now") })
	b.stop()
	b.eventually("the last line", func() bool { return strings.Contains(log(), " status: exiting\n") })
}

// What qmail-send logs through multilog is understood by matchup, and the
// reports count right.
func TestMatchupOfMultilog(t *testing.T) {
	onBed(t, func(b *bed) {
		dir := "/var/log/qmail"
		b.must(os.Mkdir(dir, 0o700))
		b.must(os.Chown(dir, testkit.UIDLog, testkit.GIDNofiles))
		b.startQuietly("./Mailbox", "multilog", "t", dir)
		log := func() string {
			text, err := os.ReadFile(dir + "/current")
			if err != nil && !os.IsNotExist(err) {
				b.Fatal(err)
			}
			return string(text)
		}
		b.mixed(log)
		b.matched(log())
	})
}

// The same through splogger and a file of the system's logger.
func TestMatchupOfSplogger(t *testing.T) {
	onBed(t, func(b *bed) {
		var log syslogFile
		log.listen(b)
		b.startQuietly("./Mailbox", "splogger", "qmail")
		b.mixed(log.String)
		if !strings.Contains(log.String(), "+0000") {
			t.Error("splogger has not cut any line")
		}
		b.matched(log.String())
	})
}

// Memory does not grow with the log: 150,000 messages from and to as many
// addresses, and lines as long as lines may be.
func TestMatchupMemory(t *testing.T) {
	onBed(t, func(b *bed) {
		const messages, most = 150_000, 64 << 10 // KB
		lines := func(w *bufio.Writer) {
			for i := range messages {
				fmt.Fprintf(w, "%d new msg 5\n%d info msg 5: bytes 9 from <s%d@far.test> qp 1 uid 0\n"+
					"%d starting delivery 1: msg 5 to local r%d@%d.test\n%d.%06d delivery 1: success: qp_%d/\n%d end msg 5\n",
					i, i, i, i, i, i, i+i%7, i, i, i+9)
			}
		}
		long := func(w *bufio.Writer) {
			pad := strings.Repeat("x", 200_000)
			for i := range 300 {
				fmt.Fprintf(w, "d k 1 2 3 9 <%d%s> local.%d@%s 1 0 %d%s\nm 1 2 9 1 0 0 <%d%s> 1 0\n", i, pad[:50_000], i, pad[:50_000], i, pad[:50_000], i, pad)
			}
		}
		bin := home + "/bin/"
		for _, name := range []string{"zsenders", "zsuccesses", "zddist"} {
			for what, write := range map[string]func(*bufio.Writer){"many": lines, "long": long} {
				args := []string{"-c", bin + "matchup 5>/dev/null | exec " + bin + name + " >/dev/null"}
				if what == "long" {
					args[1] = "exec " + bin + name + " >/dev/null"
				}
				cmd := command("/bin/sh", args...)
				in, err := cmd.StdinPipe()
				b.must(err)
				b.must(cmd.Start())
				w := bufio.NewWriterSize(in, 1<<16)
				write(w)
				b.must(w.Flush())
				b.must(in.Close())
				b.must(cmd.Wait())
				if used := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss; used > most {
					t.Errorf("%s, %s lines: %d KB, want at most %d", name, what, used, most)
				}
			}
		}
	})
}
