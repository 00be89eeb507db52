package start

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"goqmail/internal/prog"
	"goqmail/internal/sys"
	"goqmail/internal/testkit"
)

func TestMain(m *testing.M) {
	testkit.Fakes{"qmail-start": func() int { return Run(prog.Self()) }}.Play()
	os.Exit(m.Run())
}

const (
	out = "/tmp/out" // where the daemons leave what they are
	bin = "/tmp/bin" // the daemons
)

// note is the part of a daemon that writes down what it is: one file each.
const note = `
umask >` + out + `/$me.umask
pwd >` + out + `/$me.pwd
echo $$ >` + out + `/$me.pid
grep -E '^(Uid|Gid|Groups):' /proc/$$/status | tr -s '\t ' '  ' >` + out + `/$me.ids
ls /proc/$$/fd >` + out + `/$me.fds
tr '\0' '\n' </proc/$$/environ >` + out + `/$me.env
for a in "$@"; do printf '%s\n' "$a"; done >` + out + `/$me.args
`

// daemons makes the programs that qmail-start starts: each answers one line
// from qmail-send and ends with its input.
func daemons(t *testing.T) {
	t.Helper()
	testkit.Must(t, os.MkdirAll(bin, 0o755))
	testkit.Must(t, os.RemoveAll(out))
	testkit.Must(t, os.Mkdir(out, 0o777))
	testkit.Must(t, os.Chmod(out, 0o777))
	for _, me := range []string{"qmail-lspawn", "qmail-rspawn", "qmail-clean"} {
		testkit.Script(t, bin+"/"+me, "me="+me+note+`read line && echo "$line, says $me"; cat >/dev/null; echo >`+out+`/$me.end`)
	}
	testkit.Script(t, bin+"/logger", "me=logger"+note+`cat; echo logged; echo >`+out+`/$me.end`)
	testkit.Script(t, bin+"/qmail-send", "me=qmail-send"+note+`trap '' PIPE
for n in 1 3 5; do
	eval "echo to $n >&$n; exec $n>&-"
	m=$((n+1))
	eval "read line <&$m"
	echo "$line" >&0
done`)
}

// run runs qmail-start and waits for it and all daemons; the output is that of
// its descriptor 1.
func run(t *testing.T, as *syscall.Credential, env []string, files []*os.File, args ...string) (pid, code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(testkit.Fake(t, bin+"/qmail-start", "qmail-start"), args...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.ExtraFiles, cmd.Dir = &o, &e, env, files, "/tmp"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	err := cmd.Run() // ends when nobody holds descriptor 1 any more
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.Process.Pid, cmd.ProcessState.ExitCode(), o.String(), e.String()
}

// left is what a daemon wrote down.
func left(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(out, name))
	testkit.Must(t, err)
	return strings.TrimSpace(string(b))
}

var env = []string{"PATH=" + bin + ":/usr/bin:/bin", "KEEP=me", "GOMAXPROCS=3"}

// TestDaemons: uid, gid, groups, descriptors, arguments, environment, umask and
// directory of each process, and the pipes between them.
func TestDaemons(t *testing.T) {
	w := testkit.World{Groups: []testkit.Group{{Name: "extra", GID: 4711}}}
	testkit.InWorld(t, w, func(t *testing.T) {
		group, err := os.ReadFile("/etc/group")
		testkit.Must(t, err)
		testkit.Must(t, os.WriteFile("/etc/group", bytes.Replace(group, []byte("4711:"), []byte("4711:qmailr"), 1), 0o644))
		daemons(t)
		var files []*os.File // 3 to 8; of these only 7 and 8 stay open, in qmail-send
		for range 6 {
			f, err := os.Open("/dev/null")
			testkit.Must(t, err)
			defer func() { testkit.Must(t, f.Close()) }()
			files = append(files, f)
		}
		pid, code, stdout, stderr := run(t, &syscall.Credential{Groups: []uint32{1, 2}}, env, files, "|deliver this\n./Mailbox", "logger", "a", "")
		if code != 0 || stderr != "" {
			t.Errorf("exit %d, stderr %q", code, stderr)
		}
		if want := "to 1, says qmail-lspawn\nto 3, says qmail-rspawn\nto 5, says qmail-clean\nlogged\n"; stdout != want {
			t.Errorf("log %q, want %q", stdout, want)
		}
		if got := left(t, "qmail-send.pid"); got != strconv.Itoa(pid) {
			t.Errorf("qmail-send is process %s, qmail-start was %d", got, pid)
		}
		const q, n = testkit.GIDQmail, testkit.GIDNofiles
		for _, d := range []struct {
			name     string
			uid, gid int
			groups   string
			fds      string
			args     string
		}{
			{"logger", testkit.UIDLog, n, fmt.Sprint(n), "0 1", "a\n"},
			{"qmail-lspawn", 0, q, fmt.Sprint(q), "0 1", "|deliver this\n./Mailbox"},
			{"qmail-rspawn", testkit.UIDRemote, q, fmt.Sprint(q, 4711), "0 1", ""},
			{"qmail-clean", testkit.UIDQueue, q, fmt.Sprint(q), "0 1", ""},
			{"qmail-send", testkit.UIDSend, q, fmt.Sprint(q), "0 1 2 3 4 5 6 7 8", ""},
		} {
			ids := fmt.Sprintf("Uid: %d %d %d %d\nGid: %d %d %d %d\nGroups: %s",
				d.uid, d.uid, d.uid, d.uid, d.gid, d.gid, d.gid, d.gid, d.groups)
			for what, want := range map[string]string{
				"ids": ids, "fds": d.fds, "umask": "0077", "pwd": "/", "args": strings.TrimSpace(d.args),
			} {
				got := left(t, d.name+"."+what)
				if what == "fds" {
					got = descriptors(got, d.name == "qmail-send")
				}
				if got != want {
					t.Errorf("%s of %s = %q, want %q", what, d.name, got, want)
				}
			}
			checkEnv(t, d.name)
		}
	})
}

// descriptors puts a listing of a shell's descriptors in order. 10 and 11 are the
// shell's own; qmail-send has, from 9 on, those that the test was started with.
func descriptors(list string, isSend bool) string {
	var n []int
	for _, s := range strings.Fields(list) {
		fd, err := strconv.Atoi(s)
		if err == nil && fd != 10 && fd != 11 && !(isSend && fd > 8) {
			n = append(n, fd)
		}
	}
	slices.Sort(n)
	return strings.Trim(fmt.Sprint(n), "[]")
}

// checkEnv looks at a daemon's environment: the caller's, and what a Go program
// of the suite needs to die well. The logger has the caller's alone.
func checkEnv(t *testing.T, name string) {
	t.Helper()
	got := "\n" + left(t, name+".env") + "\n"
	has := func(s string) bool { return strings.Contains(got, "\n"+s+"\n") }
	isSuite := name != "logger"
	if !has("KEEP=me") || !has(env[0]) || has("GOTRACEBACK=crash") != isSuite ||
		has("GOMAXPROCS=3") == isSuite || has("GOMAXPROCS=1") != (name == "qmail-clean") {
		t.Errorf("environment of %s:%s", name, got)
	}
}

// TestDefaults: no arguments, no logger, no PATH element that has everything.
func TestDefaults(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		daemons(t)
		testkit.Must(t, os.MkdirAll("/tmp/other", 0o755))
		testkit.Must(t, os.Rename(bin+"/qmail-clean", "/tmp/other/qmail-clean"))
		_, code, stdout, _ := run(t, nil, []string{"PATH=/tmp/none:" + bin + ":/tmp/other:/usr/bin:/bin"}, nil)
		if want := "to 1, says qmail-lspawn\nto 3, says qmail-rspawn\nto 5, says qmail-clean\n"; code != 0 || stdout != want {
			t.Errorf("exit %d, log %q, want %q", code, stdout, want)
		}
		if got := left(t, "qmail-lspawn.args"); got != "./Mailbox" {
			t.Errorf("default delivery %q", got)
		}
	})
}

// TestMissingPrograms: as in C, a daemon that cannot be executed is one that
// ended at once. Whatever happens, no daemon stays.
func TestMissingPrograms(t *testing.T) {
	tests := []struct {
		missing string
		code    int
		stdout  string
	}{
		{"qmail-send", exitFailed, ""},
		{"qmail-rspawn", 0, "to 1, says qmail-lspawn\n\nto 5, says qmail-clean\n"},
		{"logger", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.missing, func(t *testing.T) {
			testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
				daemons(t)
				testkit.Must(t, os.Remove(bin+"/"+tt.missing))
				args := []string{"./Maildir/"}
				if tt.missing == "logger" {
					args = append(args, "logger")
				}
				_, code, stdout, stderr := run(t, nil, env, nil, args...)
				if code != tt.code || stderr != "" && tt.code != 0 || stdout != tt.stdout {
					t.Errorf("exit %d, want %d; log %q, want %q; stderr %q", code, tt.code, stdout, tt.stdout, stderr)
				}
				for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
					if _, err := os.Stat(out + "/qmail-lspawn.end"); err == nil {
						break
					}
					if time.Now().After(end) {
						t.Fatal("qmail-lspawn does not see the end of its pipe")
					}
				}
			})
		})
	}
}

// TestFewDescriptors: 16 are enough for the pipes of all daemons.
func TestFewDescriptors(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		daemons(t)
		testkit.Must(t, sys.CloseOnExecFrom(3)) // those that whoever runs the test has left open
		start := testkit.Fake(t, bin+"/qmail-start", "qmail-start")
		cmd := exec.Command("/bin/sh", "-c", "ulimit -n 16; exec "+start+" ./Maildir/ logger")
		cmd.Env = env
		got, err := cmd.CombinedOutput()
		if want := "to 1, says qmail-lspawn\nto 3, says qmail-rspawn\nto 5, says qmail-clean\nlogged\n"; err != nil || string(got) != want {
			t.Errorf("log %q, %v, want %q", got, err, want)
		}
	})
}

// TestNotRoot: silence and 111.
func TestNotRoot(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		daemons(t)
		_, code, stdout, stderr := run(t, &syscall.Credential{Uid: testkit.UIDDaemon, Gid: testkit.GIDNofiles}, env, nil)
		if code != exitFailed || stdout != "" || stderr != "" {
			t.Errorf("exit %d, want %d; stdout %q, stderr %q", code, exitFailed, stdout, stderr)
		}
	})
}

// TestMissingAccounts: the message names the first account that is missing.
func TestMissingAccounts(t *testing.T) {
	testkit.InWorld(t, testkit.World{}, func(t *testing.T) {
		daemons(t)
		passwd, err := os.ReadFile("/etc/passwd")
		testkit.Must(t, err)
		group, err := os.ReadFile("/etc/group")
		testkit.Must(t, err)
		for _, name := range []string{"user qmaill", "user qmailq", "user qmailr", "user qmails", "group nofiles", "group qmail"} {
			what, who, _ := strings.Cut(name, " ")
			p, g := passwd, group
			if what == "user" {
				p = bytes.Replace(p, []byte("\n"+who+":"), []byte("\nx"+who+":"), 1)
			} else {
				g = bytes.Replace(g, []byte("\n"+who+":"), []byte("\nx"+who+":"), 1)
			}
			testkit.Must(t, os.WriteFile("/etc/passwd", p, 0o644))
			testkit.Must(t, os.WriteFile("/etc/group", g, 0o644))
			_, code, stdout, stderr := run(t, nil, env, nil)
			if want := "fatal: unable to find " + name + "\n"; code != exitFailed || stdout != "" || stderr != want {
				t.Errorf("without %s: exit %d, stdout %q, stderr %q, want %q", name, code, stdout, stderr, want)
			}
		}
	})
}
