//go:build e2e

package docs

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"goqmail/internal/queue"
	"goqmail/internal/testkit"
)

// A sh is the shell of one user, which runs that user's blocks.
type sh struct {
	in     io.WriteCloser
	said   chan string   // lines on its descriptor 3
	ended  chan struct{} // closed when it has ended
	number int
}

// page runs the blocks of a page that belong to one machine.
func (b *bed) page(p page, machine string) {
	var todo []block
	for _, bl := range p.blocks {
		if bl.machine == machine && bl.kind != picture {
			todo = append(todo, bl)
		}
	}
	for i, bl := range todo {
		where := fmt.Sprintf("%s:%d", p.name, bl.line)
		switch bl.kind {
		case shell:
			var want *string
			if i+1 < len(todo) && todo[i+1].kind == output {
				want = &todo[i+1].text
			}
			b.shell(where, bl, want)
		case stage:
			b.shell(where, bl, nil)
		case check:
			bl.until = true
			b.shell(where, bl, nil)
		case file:
			b.install(where, bl)
		}
	}
}

// shell runs a block, and compares what it printed with what the page says.
func (b *bed) shell(where string, bl block, want *string) {
	b.Helper()
	b.blocks++
	script := fmt.Sprintf("%s/%d.sh", scratch, b.blocks)
	b.write(script, bl.text, 0o644)
	if bl.until {
		b.until(where, bl, script, want)
		return
	}
	out, failed := b.execute(where, bl, script)
	b.settle(where)
	switch {
	case failed != bl.fails:
		b.Fatalf("%s: failed: %v, want %v\n%s\nprinted:\n%s", where, failed, bl.fails, bl.text, out)
	case want != nil && !matches(*want, out):
		b.Fatalf("%s: the commands\n%s\nprinted:\n%s\nwant:\n%s", where, bl.text, out, *want)
	}
}

// until runs a block by a shell of its own until it does what it should.
func (b *bed) until(where string, bl block, script string, want *string) {
	b.Helper()
	var out string
	var failed bool
	for limit := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		s := b.start(bl)
		out, failed = b.talk(where, s, script, true)
		_ = s.in.Close() // it ends
		<-s.ended
		if failed == bl.fails && (want == nil || matches(*want, out)) {
			return
		}
		if time.Now().After(limit) {
			break
		}
	}
	wanted := ""
	if want != nil {
		wanted = "\nwant:\n" + *want
	}
	b.Fatalf("%s: in vain, last failed: %v\n%s\nprinted:\n%s%s\n%s", where, failed, bl.text, out, wanted, b.state())
}

// execute runs a script in the user's shell, which stays.
func (b *bed) execute(where string, bl block, script string) (out string, failed bool) {
	b.Helper()
	s := b.shells[bl.user]
	if s == nil {
		s = b.start(bl)
		b.shells[bl.user] = s
	}
	return b.talk(where, s, script, !bl.fails)
}

// start starts a shell as the block's user, in the home directory.
func (b *bed) start(bl block) *sh {
	b.Helper()
	cmd := exec.Command("/bin/sh")
	cmd.Dir = "/root"
	cmd.Env = []string{"PATH=" + rootPath, "HOME=/root", "USER=root", "LOGNAME=root", "SHELL=/bin/sh"}
	for _, u := range people {
		if u.Name == bl.user {
			cmd.Dir = u.Home
			cmd.Env = []string{"PATH=" + userPath, "HOME=" + u.Home, "USER=" + u.Name, "LOGNAME=" + u.Name, "SHELL=/bin/sh"}
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID)}}
		}
	}
	if bl.user != "root" && cmd.SysProcAttr == nil {
		b.Fatalf("no user %s", bl.user)
	}
	if strings.HasPrefix(bl.machine, "new") {
		cmd.Dir = testkit.SourcesDir
		cmd.Env = append(os.Environ(), "HOME=/root")
	}
	r, w, err := os.Pipe()
	b.must(err)
	cmd.ExtraFiles = []*os.File{w}
	s := &sh{said: make(chan string, 1), ended: make(chan struct{})}
	s.in, err = cmd.StdinPipe()
	b.must(err)
	b.must(cmd.Start())
	b.must(w.Close())
	go func() {
		in := bufio.NewScanner(r)
		for in.Scan() {
			s.said <- in.Text()
		}
	}()
	go func() {
		_ = cmd.Wait() // how it ends says nothing here
		close(s.ended)
	}()
	b.Cleanup(func() { _ = s.in.Close() }) // it may have ended
	return s
}

// talk has a shell read a script. With strict, the first command that fails
// ends the shell.
func (b *bed) talk(where string, s *sh, script string, strict bool) (out string, failed bool) {
	b.Helper()
	s.number++
	to := fmt.Sprintf("%s.%d.out", script, time.Now().UnixNano())
	set := "set +e"
	if strict {
		set = "set -e"
	}
	_, err := fmt.Fprintf(s.in, "exec 8>&1 9>&2 >%s 2>&1; %s\n. %s </dev/null 3>&-\necho $? >&3; set +e\nexec >&8 2>&9\n", to, set, script)
	b.must(err)
	status := "ended"
	select {
	case status = <-s.said:
	case <-s.ended:
	case <-time.After(10 * patience):
		status = "hangs"
	}
	text, err := os.ReadFile(to)
	b.must(err)
	if status == "hangs" {
		b.Fatalf("%s: waited in vain for the end of the block, which printed:\n%s", where, text)
	}
	return string(text), status != "0"
}

// install writes a file of the page.
func (b *bed) install(where string, bl block) {
	b.Helper()
	st, err := os.Stat(filepath.Dir(bl.path))
	if err != nil {
		b.Fatalf("%s: %v", where, err)
	}
	mode := os.FileMode(0o644)
	if strings.HasPrefix(bl.text, "#!") {
		mode = 0o755
	}
	b.write(bl.path, bl.text, mode)
	owner := st.Sys().(*syscall.Stat_t)
	if strings.HasPrefix(bl.path, home) {
		return // as root made it
	}
	b.must(os.Chown(bl.path, int(owner.Uid), int(owner.Gid)))
}

// settle waits until every message in the queue is done with, or has had a
// deferral for each of its recipients. Without qmail-send there is nothing to
// wait for.
func (b *bed) settle(where string) {
	b.Helper()
	for limit := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if b.restful() {
			return
		}
		if time.Now().After(limit) {
			b.Fatalf("%s: the queue has not come to rest\n%s", where, b.state())
		}
	}
}

var running = regexp.MustCompile(`qmail-send`)

// sends tells whether qmail-send runs.
func sends() bool {
	names, _ := filepath.Glob("/proc/[0-9]*/comm") // the pattern is right
	for _, n := range names {
		if text, err := os.ReadFile(n); err == nil && running.Match(text) {
			return true
		}
	}
	return false
}

// restful tells whether the queue has come to rest.
func (b *bed) restful() bool {
	if !sends() {
		return true
	}
	names := func(kind queue.Kind, sub string) []string {
		list, _ := filepath.Glob(home + "/queue/" + string(kind) + sub) // the pattern is right
		return list
	}
	if len(names(queue.Todo, "/*")) > 0 || len(names(queue.Intd, "/*")) > 0 {
		return false
	}
	log := strings.Split(read(sendLog), "\n")
	if !told(log, len(names(queue.Mess, "/*/*"))) {
		return false
	}
	for _, m := range names(queue.Mess, "/*/*") {
		number := filepath.Base(m)
		waiting := 0
		for _, kind := range []queue.Kind{queue.Local, queue.Remote} {
			for _, f := range names(kind, "/*/"+number) {
				for record := range bytes.SplitSeq([]byte(read(f)), []byte{0}) {
					if len(record) > 0 && record[0] == 'T' {
						waiting++
					}
				}
			}
		}
		if waiting == 0 || waiting > deferrals(log, number) {
			return false
		}
	}
	return true
}

// told tells whether the log, which another process writes, has come as far as the
// queue: all messages but the given number have ended, and no delivery runs. A
// log that goes elsewhere is not waited for.
func told(log []string, waiting int) bool {
	busy := false
	for _, line := range log {
		f := strings.Fields(line) // stamp, then the words of qmail-log(5)
		switch {
		case len(f) < 4:
		case f[1] == "new" && f[2] == "msg":
			waiting--
		case f[1] == "end" && f[2] == "msg":
			waiting++
		case f[1] == "status:" && len(f) >= 6:
			busy = !strings.HasPrefix(f[3], "0/") || !strings.HasPrefix(f[5], "0/")
		}
	}
	return len(log) == 1 || waiting == 0 && !busy
}

// deferrals counts the deliveries of a message that were deferred.
func deferrals(log []string, number string) (n int) {
	delivery := map[string]bool{}
	for _, line := range log {
		f := strings.Fields(line) // stamp, then the words of qmail-log(5)
		switch {
		case len(f) >= 4 && f[1] == "new" && f[3] == number:
			n, delivery = 0, map[string]bool{}
		case len(f) >= 6 && f[1] == "starting" && f[5] == number:
			delivery[f[3]] = true
		case len(f) >= 4 && f[1] == "delivery" && f[3] == "deferral:" && delivery[f[2]]:
			n++
		}
	}
	return n
}

// read returns a file's content, "" if there is none.
func read(path string) string {
	text, _ := os.ReadFile(path)
	return string(text)
}

// state describes the queue, for a failure.
func (b *bed) state() string {
	cmd := exec.Command("/bin/sh", "-c", "qmail-qread; tail -n 30 "+sendLog+"; tail -n 10 /var/log/qmail/smtpd/current; find /home /mnt/outside -type f")
	cmd.Env = []string{"PATH=" + rootPath}
	out, _ := cmd.CombinedOutput() // what there is
	return string(out)
}
