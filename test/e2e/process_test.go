//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"
)

// patienceEnds is a channel that fires when a test has waited long enough.
func patienceEnds() <-chan time.Time { return time.After(patience) }

// status returns a field of /proc/PID/status.
func (b *bed) status(pid int, field string) string {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	b.must(err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.Join(strings.Fields(rest), " ")
		}
	}
	b.Fatalf("no %s in the status of process %d", field, pid)
	return ""
}

// descriptors lists a process's open descriptors, in order.
func (b *bed) descriptors(pid int) string {
	b.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	b.must(err)
	var list []string
	for _, p := range paths {
		to, err := os.Readlink(p)
		if err != nil {
			continue // it was closed meanwhile
		}
		kind, _, _ := strings.Cut(to, ":")
		list = append(list, filepath.Base(p)+" "+strings.TrimPrefix(kind, queueDir))
	}
	sort.Strings(list)
	return strings.Join(list, ", ")
}

// Who runs what: accounts, groups, umask, directory, and the pipes on the
// descriptors that have a meaning.
func TestProcesses(t *testing.T) {
	onBed(t, func(b *bed) {
		b.start("./Mailbox", "sh", "-c", "exec cat")
		tests := []struct{ name, uids, gids, groups, cwd string }{
			{"qmail-send", "7796 7796 7796 7796", "2107 2107 2107 2107", "2107", home + "/queue"},
			{"qmail-lspawn", "0 0 0 0", "2107 2107 2107 2107", "2107", home + "/queue/mess"},
			{"qmail-rspawn", "7795 7795 7795 7795", "2107 2107 2107 2107", "2107", home + "/queue/mess"},
			{"qmail-clean", "7794 7794 7794 7794", "2107 2107 2107 2107", "2107", home + "/queue"},
			{"cat", "7792 7792 7792 7792", "2108 2108 2108 2108", "2108", "/"},
		}
		for _, tt := range tests {
			pid := b.pid(tt.name)
			for _, f := range []struct{ field, want string }{{"Uid", tt.uids}, {"Gid", tt.gids}, {"Groups", tt.groups}, {"Umask", "0077"}} {
				if got := b.status(pid, f.field); got != f.want {
					t.Errorf("%s of %s = %s, want %s", f.field, tt.name, got, f.want)
				}
			}
			b.eventually(tt.name+" in "+tt.cwd, func() bool {
				dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
				return err == nil && dir == tt.cwd
			})
			if tt.name == "cat" {
				continue
			}
			fds := b.descriptors(pid)
			pipes := []string{"0 pipe", "1 pipe"}
			if tt.name == "qmail-send" {
				pipes = []string{"0 pipe", "1 pipe", "2 pipe", "3 pipe", "4 pipe", "5 pipe", "6 pipe"}
			}
			for _, p := range pipes {
				if !strings.Contains(fds+",", p+",") {
					t.Errorf("descriptors of %s: %s; want %s", tt.name, fds, p)
				}
			}
			if strings.Contains(fds, "cgroup") {
				t.Errorf("descriptors of %s: %s; what the run-time opens stays open", tt.name, fds)
			}
		}
		if got, want := b.daemon.Process.Pid, b.pid("qmail-send"); got != want {
			t.Errorf("qmail-start was process %d, qmail-send is %d", got, want)
		}
		b.stop()
	})
}

// switches counts how often the threads of a process have been on a processor.
func switches(pid int) string {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid)) // the pattern is right
	var list []string
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			continue // the thread has gone
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "ctxt_switches") {
				list = append(list, p+line)
			}
		}
	}
	return strings.Join(list, "")
}

// idle waits until qmail-send has nothing to do: none of its threads runs for a
// tenth of a second. What was sent to it has been dealt with then, even if no
// log line says so.
func (b *bed) idle() {
	b.Helper()
	last, since := "", time.Now()
	b.eventually("qmail-send to be idle", func() bool {
		if now := switches(b.daemon.Process.Pid); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 100*time.Millisecond
	})
}
