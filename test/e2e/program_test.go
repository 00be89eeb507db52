//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"goqmail/internal/testkit"
)

// What a program in .qmail gets: these variables and no others, descriptors 0
// to 2, the home as directory.
func TestProgramSurroundings(t *testing.T) {
	onBed(t, func(b *bed) {
		ann := b.user("ann")
		ann.dotQmail("-a-default", "|env | sort >env; ls /proc/self/fd >fds; pwd >pwd; umask >umask; id >id\n")
		b.start()
		m := b.send("s@far.test", "x\n", "ann-a-B-c-d@"+domain)
		b.expectReport(m, "ann-a-B-c-d@"+domain, "success", "did_0+0+1/")
		m.end()
		b.stop()
		// the three lines in the environment end in a newline, which sort makes
		// an empty line of its own
		b.match("environment", ann.read("env"), "\n\n\n"+strings.Join([]string{
			`DEFAULT=B-c-d`, `DTLINE=Delivered-To: ann-a-B-c-d@e2e\.test`, `EXT2=B-c-d`, `EXT3=c-d`, `EXT4=d`, `EXT=a-B-c-d`,
			`HOME=/home/ann`, `HOST2=e2e`, `HOST3=e2e`, `HOST4=e2e`, `HOST=e2e\.test`, `LOCAL=ann-a-B-c-d`, `NEWSENDER=s@far\.test`,
			`PATH=` + binPath, `PWD=/home/ann`, `RECIPIENT=ann-a-B-c-d@e2e\.test`, `RPLINE=Return-Path: <s@far\.test>`, `SENDER=s@far\.test`,
			`UFLINE=From s@far\.test .*`, `USER=ann`}, "\n")+"\n")
		if got := ann.read("fds"); got != "0\n1\n2\n3\n" { // 3 is ls's own
			t.Errorf("descriptors = %q, want 0, 1, 2 and that of ls", got)
		}
		if got := ann.read("pwd") + ann.read("umask"); got != "/home/ann\n0077\n" {
			t.Errorf("directory and umask = %q", got)
		}
		if got, want := ann.read("id"), fmt.Sprintf("uid=%d(ann) gid=%d(ann) groups=%d(ann)\n", ann.uid, ann.gid, ann.gid); got != want {
			t.Errorf("id = %q, want %q", got, want)
		}
	})
}

// ownBin gives the bed programs that it may change: a copy of bin in memory.
func (b *bed) ownBin() {
	b.Helper()
	const tmp = "/mnt/bin"
	b.must(os.Mkdir(tmp, 0o755))
	if out, err := command("cp", "-a", home+"/bin/.", tmp).CombinedOutput(); err != nil {
		b.Fatalf("cp: %v %s", err, out)
	}
	b.must(unix.Mount(tmp, home+"/bin", "", unix.MS_BIND, ""))
}

// An installation that is being broken or replaced bounces nothing: what cannot
// be run, crashes or dies in a panic is tried again.
func TestBrokenPrograms(t *testing.T) {
	remove := func(b *bed, path string) { b.must(os.Remove(path)) }
	script := func(body string) func(*bed, string) {
		return func(b *bed, path string) {
			b.must(os.Remove(path))
			testkit.Script(b, path, body)
		}
	}
	tests := []struct {
		name, program string
		spoil         func(b *bed, path string)
		channel, text string
	}{
		{"no qmail-local", "qmail-local", remove, "local", "Unable_to_run_qmail-local./"},
		{"qmail-local not executable", "qmail-local", func(b *bed, path string) { b.must(os.Chmod(path, 0o600)) }, "local", "Unable_to_run_qmail-local./"},
		{"qmail-local crashes", "qmail-local", script("kill -9 $$"), "local", "qmail-local_crashed./"},
		{"qmail-local panics", "qmail-local", script("echo trace; exit 2"), "local", ""},
		{"no qmail-getpw", "qmail-getpw", remove, "local", "Unable_to_run_qmail-getpw./"},
		{"qmail-getpw crashes", "qmail-getpw", script("kill -9 $$"), "local", "Temporary_failure_in_qmail-lspawn./"},
		{"qmail-remote crashes", "qmail-remote", script("kill -9 $$"), "remote", "qmail-remote_crashed./"},
		{"qmail-remote panics", "qmail-remote", script("exit 2"), "remote", ""},
		{"qmail-remote says nothing", "qmail-remote", script("exit 0"), "remote", "qmail-remote_produced_no_output./"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onBed(t, func(b *bed) {
				b.user("ann")
				b.ownBin()
				b.start()
				tt.spoil(b, filepath.Join(home, "bin", tt.program))
				to := "ann@" + domain
				if tt.channel == "remote" {
					to = "x@far.test"
				}
				m := b.send("", "x\n", to)
				result, text := m.delivery(tt.channel, to)
				if tt.text == "" {
					text = ""
				}
				b.expect("delivery", result, text, "deferral", tt.text)
				b.stop()
				if got, want := b.parts(m.n), "mess info "+tt.channel; got != want {
					t.Errorf("message has %q, want %s", got, want)
				}
			})
		})
	}
}

// Without qmail-queue a bounce waits.
func TestBounceWaitsForQueueProgram(t *testing.T) {
	onBed(t, func(b *bed) {
		sue := b.user("sue")
		b.ownBin()
		b.start()
		m := b.send("sue@"+domain, "x\n", "nobody@"+domain)
		b.bounce(m.from, m.n).end()
		b.must(os.Rename(home+"/bin/qmail-queue", home+"/bin/qmail-queue.off"))
		n := b.put(queued{text: oldReceived + "y\n", info: "Fsue@" + domain + "\x00", local: "Tnobody@" + domain + "\x00"})
		b.stop()
		b.start()
		b.wait(0, `^warning: (unable to start qmail-queue|trouble injecting bounce message), will try later$`)
		if got := b.parts(n); got != "mess info bounce" {
			t.Errorf("message has %q, want mess info bounce", got)
		}
		b.stop()
		b.must(os.Rename(home+"/bin/qmail-queue.off", home+"/bin/qmail-queue"))
		b.start()
		b.wait(0, fmt.Sprintf(`^end msg %d$`, n))
		b.empty()
		b.stop()
		if got := strings.Count(sue.read("Mailbox"), "Subject: failure notice\n"); got != 2 {
			t.Errorf("sue got %d bounces, want 2", got)
		}
	})
}
